from datetime import timedelta
from typing import Any

import pytest

from wif_pipelines.errors import ConfigurationError
from wif_pipelines.vertex.specs import Accelerator
from wif_pipelines_tests.vertex.specs import KEY, endpoint_spec, model_spec, training_spec


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"display_name": ""}, "display_name has 0 characters"),
        ({"display_name": "x" * 129}, "display_name has 129 characters"),
        ({"image_uri": "Train:latest"}, "image_uri 'Train:latest' is not a container image"),
        ({"base_output_dir": "s3://artifacts/x"}, "base_output_dir 's3://artifacts/x' is not of the form gs://"),
        ({"base_output_dir": "gs://A/x"}, "base_output_dir"),
        ({"labels": {"Run": "1"}}, "label key 'Run'"),
        ({"labels": {"1run": "1"}}, "label key '1run'"),
        ({"labels": {"run": "A b"}}, "value 'A b' of label 'run'"),
        ({"labels": {"run": "x" * 65}}, "of label 'run'"),
        ({"labels": {f"k{number}": "" for number in range(65)}}, "65 labels"),
        ({"env": {"AIP_MODEL_DIR": "gs://x"}}, "AIP_MODEL_DIR is set by Vertex AI itself"),
        ({"env": {"A-B": "1"}}, "environment variable 'A-B' is not a name"),
        ({"env": {f"V{number}": "" for number in range(101)}}, "101 environment variables"),
        ({"service_account": "trainer"}, "service_account 'trainer' is not an e-mail address"),
        ({"kms_key": KEY + "/cryptoKeyVersions/1"}, "names one version"),
        ({"replica_count": 0}, "replica_count is 0"),
        ({"timeout": timedelta(days=8)}, "timeout is 8 days"),
        ({"timeout": timedelta()}, "timeout is 0:00:00"),
        ({"machine_type": ""}, "machine_type is empty"),
        ({"accelerator": Accelerator("nvidia-t4")}, "accelerator 'nvidia-t4'"),
        ({"accelerator": Accelerator("NVIDIA_TESLA_T4", 0)}, "accelerator count is 0"),
        ({"boot_disk_gb": 0}, "boot_disk_gb is 0"),
    ],
)
def test_a_training_spec_refuses(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        training_spec(**changes)
    assert said in refused.value.message
    assert refused.value.message.count("\n  - ") == 1


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"model_id": "1diagnostics"}, "model_id '1diagnostics'"),
        ({"model_id": "Diagnostics"}, "model_id 'Diagnostics'"),
        ({"model_id": "d" * 64}, "model_id"),
        ({"version_aliases": ("Champion",)}, "version alias 'Champion'"),
        ({"version_aliases": ("v",)}, "version alias 'v'"),
        ({"version_aliases": ("champion-",)}, "version alias 'champion-'"),
        ({"version_aliases": ("champion", "champion")}, "'champion' is named twice"),
        ({"port": 0}, "port 0 is not between"),
        ({"predict_route": "predict"}, "predict_route 'predict' does not start with '/'"),
        ({"artifact_uri": "artifacts"}, "artifact_uri 'artifacts'"),
        ({"env": {"AIP_STORAGE_URI": "gs://x"}}, "AIP_STORAGE_URI is set by Vertex AI itself"),
    ],
)
def test_a_model_spec_refuses(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        model_spec(**changes)
    assert said in refused.value.message
    assert refused.value.message.count("\n  - ") == 1


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"endpoint_id": "diagnostics-"}, "endpoint_id 'diagnostics-'"),
        ({"endpoint_id": "0123"}, "endpoint_id '0123'"),
        ({"endpoint_id": "a_b"}, "endpoint_id 'a_b'"),
        ({"traffic_percent": 101}, "traffic_percent 101"),
        ({"min_replicas": 0}, "min_replicas is 0"),
        ({"min_replicas": 2}, "max_replicas 1 is below min_replicas 2"),
        ({"labels": {"a b": ""}}, "label key 'a b'"),
    ],
)
def test_an_endpoint_spec_refuses(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        endpoint_spec(**changes)
    assert said in refused.value.message


def test_every_problem_is_told_at_once() -> None:
    with pytest.raises(ConfigurationError) as refused:
        training_spec(display_name="", replica_count=0, kms_key="key")
    assert refused.value.message.count("\n  - ") == 3
    assert "nothing was started" in refused.value.remedy


@pytest.mark.parametrize("spec", [training_spec(), model_spec(), endpoint_spec()])
def test_the_key_must_be_in_the_resources_region(spec: Any) -> None:
    spec.check_region("us-central1")
    with pytest.raises(ConfigurationError, match=r"kms_key is in us-central1, .* europe-west4"):
        spec.check_region("europe-west4")
    with pytest.raises(ConfigurationError, match="'us' is not a Google Cloud region"):
        spec.check_region("us")


@pytest.mark.parametrize(
    "changes",
    [
        {"image_uri": "gcr.io/p/train"},
        {"image_uri": "europe-docker.pkg.dev/vertex-ai/prediction/sklearn-cpu.1-5:latest"},
        {"image_uri": "localhost:5000/train@sha256:" + "0" * 64},
        {"labels": {"dagster-run": "0b7c2e6c-8f0e-4d9a-9a3f-0c8f4a7e2d11", "größe": "ja"}},
        {"env": {"AIP_TRAINING_DATA_URI": "gs://landing/clinics"}},
        {"base_output_dir": "gs://artifacts"},
        {"kms_key": None, "service_account": "trainer@p.iam.gserviceaccount.com"},
    ],
)
def test_what_vertex_takes_is_taken(changes: dict[str, Any]) -> None:
    training_spec(**changes)


@pytest.mark.parametrize("endpoint_id", ["a", "diagnostics-2", "1", "123456789"])
def test_endpoint_ids_may_be_letters_first_or_short_numbers(endpoint_id: str) -> None:
    assert endpoint_spec(endpoint_id=endpoint_id).endpoint_id == endpoint_id


def test_the_model_directory_is_what_the_container_is_told() -> None:
    assert training_spec().model_dir == "gs://artifacts/runs/1/model/"
    assert training_spec(base_output_dir="gs://artifacts/runs/1/").model_dir == "gs://artifacts/runs/1/model/"
