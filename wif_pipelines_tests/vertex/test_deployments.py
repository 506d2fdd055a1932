import json
from typing import Any

import pytest

from wif_pipelines.vertex.deployments import EndpointStatus, endpoint_status
from wif_pipelines.vertex.versions import ModelVersion

PLACE = "projects/736251948012/locations/us-central1"


def _status(split: dict[str, int], *models: dict[str, Any]) -> EndpointStatus:
    """Read from JSON, as it comes over the wire."""
    from google.cloud.aiplatform_v1 import Endpoint

    answer = {
        "name": f"{PLACE}/endpoints/diagnostics",
        "displayName": "diagnostics",
        "deployedModels": list(models),
        "trafficSplit": split,
        "etag": "e",
    }
    return endpoint_status(Endpoint.from_json(json.dumps(answer)), project="p")


def _model(number: int, **more: Any) -> dict[str, Any]:
    return {
        "id": str(number),
        "model": f"{PLACE}/models/diagnostics",
        "modelVersionId": str(number),
        "createTime": f"2026-11-0{number}T00:00:00Z",
        **more,
    }


DEAD = {"status": {"message": "Model server exited unexpectedly.", "availableReplicaCount": 0}}


def _version(number: int, model: str = "diagnostics") -> ModelVersion:
    return ModelVersion(
        name=f"projects/p/locations/us-central1/models/{model}",
        version_id=str(number),
        aliases=(),
        display_name="",
        artifact_uri="",
        image_uri="",
        kms_key=None,
    )


def test_an_answer_is_read() -> None:
    status = _status({"2": 100, "1": 0}, _model(2, status={"availableReplicaCount": 1}), _model(1))
    assert [version.id for version in status.deployed] == ["1", "2"]
    assert status.traffic == {"2": 100}
    assert [version.available_replicas for version in status.deployed] == [None, 1]
    assert status.id == "diagnostics"


def test_a_version_is_found_whatever_the_projects_spelling() -> None:
    status = _status({"1": 100}, _model(1), _model(2))
    found = status.find(_version(2))
    assert found is not None
    assert found.id == "2"
    assert status.find(_version(3)) is None
    assert status.find(_version(2, model="other")) is None


def test_dead_is_what_vertex_calls_so() -> None:
    status = _status({"1": 50, "2": 50}, _model(1, **DEAD), _model(2))
    assert [version.is_dead for version in status.deployed] == [True, False]
    assert status.living_traffic == {"2": 50}
    assert status.deployed[0].message == "Model server exited unexpectedly."


@pytest.mark.parametrize(
    ("split", "models", "expected"),
    [
        ({"2": 100}, [_model(1), _model(2)], {"1": 100}),
        ({"3": 100}, [_model(1), _model(2), _model(3)], {"2": 100}),
        ({"1": 90, "2": 10}, [_model(1), _model(2)], {"1": 100}),
        ({"1": 60, "2": 20, "3": 20}, [_model(1), _model(2), _model(3)], {"1": 75, "2": 25}),
        ({"2": 100}, [_model(1, **DEAD), _model(2)], {}),
        ({"3": 100}, [_model(1), _model(2, **DEAD), _model(3)], {"1": 100}),
        ({"1": 50, "2": 50}, [_model(1, **DEAD), _model(2)], {}),
        ({"1": 100}, [_model(1)], {}),
        ({"1": 100}, [_model(1), _model(2)], {}),
        ({}, [_model(1), _model(2)], {"2": 100}),
        ({}, [], {}),
    ],
)
def test_rolling_back_goes_to_what_is_older_and_alive(
    split: dict[str, int], models: list[dict[str, Any]], expected: dict[str, int]
) -> None:
    assert _status(split, *models).rolled_back() == expected
