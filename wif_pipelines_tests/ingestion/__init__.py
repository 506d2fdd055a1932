"""Tests of the ingestion: pure parts by properties, the rest over the wire."""
