"""Training, as it runs in a Vertex AI custom job: ``python -m diagnostics.trainer``."""
