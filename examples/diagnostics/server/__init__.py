"""Online prediction, as it runs behind a Vertex AI endpoint: ``python -m diagnostics.server``."""
