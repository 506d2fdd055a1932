"""Vertex AI: jobs that really run, models in versions, endpoints that really serve.

Method ids are those of the `aiplatform` description; texts are the service's own where they are known
(https://cloud.google.com/vertex-ai/docs/reference/rest).
"""
