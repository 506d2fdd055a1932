"""The requests that specs stand for, checked against Google's own description of the API."""

import json
from functools import cache
from typing import Any

import pytest

from wif_pipelines.errors import ConfigurationError
from wif_pipelines.vertex.resources import custom_job, deployed_model, endpoint_resource, model_resource
from wif_pipelines.vertex.specs import Accelerator, Scheduling
from wif_pipelines.vertex.versions import ModelVersion
from wif_pipelines_tests.vertex.specs import KEY, endpoint_spec, model_spec, training_spec

V1 = "GoogleCloudAiplatformV1"


@cache
def _schemas() -> dict[str, Any]:
    from importlib.resources import files

    document = files("googleapiclient.discovery_cache") / "documents" / "aiplatform.v1.json"
    return dict(json.loads(document.read_text())["schemas"])


def _violations(value: Any, schema: dict[str, Any], path: str) -> list[str]:
    """What of a value its schema does not know, knows as another type, or calls read-only."""
    if "$ref" in schema:
        return _violations(value, _schemas()[schema["$ref"]], path)
    if schema["type"] == "array":
        return [found for item in value for found in _violations(item, schema["items"], f"{path}[]")]
    if schema["type"] != "object":
        return _scalar_violations(value, schema, path)
    found = []
    for key, item in value.items():
        inner = schema.get("properties", {}).get(key, schema.get("additionalProperties"))
        if inner is None:
            found.append(f"{path}.{key} is unknown")
        elif inner.get("readOnly"):
            found.append(f"{path}.{key} is read-only")
        else:
            found.extend(_violations(item, inner, f"{path}.{key}"))
    return found


def _scalar_violations(value: Any, schema: dict[str, Any], path: str) -> list[str]:
    types: dict[str, type | tuple[type, ...]] = {
        "string": str, "boolean": bool, "integer": int, "number": (int, float)
    }  # fmt: skip
    if not isinstance(value, types[schema["type"]]):
        return [f"{path} is {value!r}, not a {schema['type']}"]
    if "enum" in schema and value not in schema["enum"]:
        return [f"{path} is {value!r}, not one of its values"]
    return []


def _json(message: Any) -> dict[str, Any]:
    kind = type(message)
    text = kind.to_json(message, use_integers_for_enums=False, always_print_fields_with_no_presence=False)
    return dict(json.loads(text))


VERSION = ModelVersion(
    name="projects/p/locations/us-central1/models/diagnostics",
    version_id="3",
    aliases=(),
    display_name="",
    artifact_uri="",
    image_uri="",
    kms_key=KEY,
)


@pytest.mark.parametrize(
    ("message", "schema"),
    [
        (lambda: custom_job(training_spec()), "CustomJob"),
        (
            lambda: custom_job(
                training_spec(
                    command=("python",),
                    args=("-m", "x"),
                    env={"A": "1"},
                    labels={"run": "1"},
                    replica_count=4,
                    accelerator=Accelerator("NVIDIA_TESLA_T4", 2),
                    service_account="trainer@p.iam.gserviceaccount.com",
                    network="projects/1/global/networks/n",
                    scheduling=Scheduling.SPOT,
                    restart_on_worker_restart=True,
                )
            ),
            "CustomJob",
        ),
        (lambda: model_resource(model_spec()), "Model"),
        (
            lambda: model_resource(
                model_spec(
                    args=("-v",),
                    env={"A": "1"},
                    labels={"run": "1"},
                    version_aliases=("candidate", "default"),
                    description="d",
                    version_description="v",
                )
            ),
            "Model",
        ),
        (lambda: endpoint_resource(endpoint_spec(labels={"team": "a"})), "Endpoint"),
        (lambda: deployed_model(endpoint_spec(accelerator=Accelerator("NVIDIA_L4")), VERSION), "DeployedModel"),
    ],
)
def test_google_describes_every_field_that_is_sent(message: Any, schema: str) -> None:
    sent = _json(message())
    assert sent
    assert _violations(sent, _schemas()[f"{V1}{schema}"], schema) == []


def test_the_check_itself_sees_what_is_wrong() -> None:
    schema = _schemas()[f"{V1}Endpoint"]
    wrong = {"displayName": 1, "nope": 1, "createTime": "x", "encryptionSpec": {"kmsKey": "k"}}
    assert _violations(wrong, schema, "Endpoint") == [
        "Endpoint.displayName is 1, not a string",
        "Endpoint.nope is unknown",
        "Endpoint.createTime is read-only",
        "Endpoint.encryptionSpec.kmsKey is unknown",
    ]


@pytest.mark.parametrize(
    "message", [custom_job(training_spec()), model_resource(model_spec()), endpoint_resource(endpoint_spec())]
)
def test_the_key_is_on_every_resource(message: Any) -> None:
    assert message.encryption_spec.kms_key_name == KEY


@pytest.mark.parametrize(
    "message",
    [
        custom_job(training_spec(kms_key=None)),
        model_resource(model_spec(kms_key=None)),
        endpoint_resource(endpoint_spec(kms_key=None)),
    ],
)
def test_without_a_key_there_is_no_encryption_spec(message: Any) -> None:
    assert "encryption_spec" not in message


def test_the_chief_is_alone_in_the_first_pool() -> None:
    pools = custom_job(training_spec(replica_count=4)).job_spec.worker_pool_specs
    assert [pool.replica_count for pool in pools] == [1, 3]
    assert len(custom_job(training_spec()).job_spec.worker_pool_specs) == 1


def test_a_deployment_names_the_version() -> None:
    assert deployed_model(endpoint_spec(), VERSION).model == "projects/p/locations/us-central1/models/diagnostics@3"


def test_an_accelerator_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="no accelerator 'NVIDIA_TESLA_T5'") as refused:
        custom_job(training_spec(accelerator=Accelerator("NVIDIA_TESLA_T5")))
    assert "NVIDIA_TESLA_T4" in refused.value.remedy
