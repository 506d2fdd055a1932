"""Dagster components: YAML in, definitions out; what they do stands in orchestration."""

from wif_pipelines.components.s3_to_gcs import S3ToGcs
from wif_pipelines.components.vertex_model import VertexModel

__all__ = ["S3ToGcs", "VertexModel"]
