"""Vertex AI: training jobs, model versions and endpoints, as thin, typed clients over `google.cloud.aiplatform_v1`.

Nothing here knows Dagster. A caller hands over a `VertexConnection` (project, region, credentials) and frozen specs,
and gets frozen results back. Every remote thing is launched under a name or label of ours, so that whoever comes after
a crash finds it again instead of making a second one.
"""
