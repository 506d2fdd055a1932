"""Dagster pipelines from AWS S3 to a served Vertex AI model, without one static key."""
