"""Specs that are right, for tests to change one thing about."""

from typing import Any

from wif_pipelines.vertex.specs import EndpointSpec, ModelSpec, TrainingSpec

KEY = "projects/p/locations/us-central1/keyRings/pipelines/cryptoKeys/landing"
TRAINING_IMAGE = "us-central1-docker.pkg.dev/p/models/diagnostics-train:1"
SERVING_IMAGE = "us-central1-docker.pkg.dev/p/models/diagnostics-serve:1"


def training_spec(**changes: Any) -> TrainingSpec:
    values: dict[str, Any] = {
        "display_name": "diagnostics",
        "image_uri": TRAINING_IMAGE,
        "base_output_dir": "gs://artifacts/runs/1",
        "kms_key": KEY,
    }
    return TrainingSpec(**{**values, **changes})


def model_spec(**changes: Any) -> ModelSpec:
    values: dict[str, Any] = {
        "model_id": "diagnostics",
        "display_name": "diagnostics",
        "image_uri": SERVING_IMAGE,
        "artifact_uri": "gs://artifacts/runs/1/model/",
        "kms_key": KEY,
    }
    return ModelSpec(**{**values, **changes})


def endpoint_spec(**changes: Any) -> EndpointSpec:
    values: dict[str, Any] = {"endpoint_id": "diagnostics", "display_name": "diagnostics", "kms_key": KEY}
    return EndpointSpec(**{**values, **changes})
