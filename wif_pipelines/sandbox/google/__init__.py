"""Google Cloud, locally: one gateway, validated against Google's own API descriptions, and a service a module."""
