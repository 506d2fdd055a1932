"""Vertex AI from end to end: the example trains and serves, keys rule, and yesterday's endpoint serves today."""

import sys
import time
import uuid
from pathlib import Path
from typing import Any

import pytest

from wif_pipelines.sandbox.lifecycle import Sandbox
from wif_pipelines_tests.sandbox.google.vertex_clients import SERVER, Vertex

EXAMPLES = Path(__file__).parents[3] / "examples"


@pytest.fixture
def vertex(sandbox: Sandbox, sandbox_environment: dict[str, str]) -> Vertex:
    return Vertex(sandbox)


@pytest.fixture
def data(vertex: Vertex) -> tuple[str, list[Any]]:
    """The clinics' tables in the landing bucket, and their directory."""
    sys.path.insert(0, str(EXAMPLES))
    try:
        from diagnostics.dataset import exports
    finally:
        sys.path.remove(str(EXAMPLES))
    prefix = f"aiplatform-tests/{uuid.uuid4().hex[:8]}"
    made = list(exports(weeks=2, outline_points=4))
    for export in made:
        blob = vertex.storage.bucket(vertex.world.landing_bucket).blob(f"{prefix}/{export.key}")
        blob.upload_from_string(export.body, content_type=export.content_type)
    return f"gs://{vertex.world.landing_bucket}/{prefix}", made


def held_out(made: list[Any]) -> list[tuple[str, dict[str, float]]]:
    """(diagnosis, features) of the held-out samples."""
    import csv

    table = next(export for export in made if export.key.startswith("heldout/"))
    rows = []
    for row in csv.DictReader(table.body.decode().splitlines()):
        features = {name: float(value) for name, value in row.items() if _is_number(value)}
        rows.append((row["diagnosis"], features))
    return rows


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_the_documented_flow_of_the_high_level_library(vertex: Vertex, data: tuple[str, list[Any]]) -> None:
    from google.cloud import aiplatform

    world, (uri, made) = vertex.world, data
    aiplatform.init(
        project=world.project,
        location=world.region,
        credentials=vertex.credentials,
        staging_bucket=f"gs://{world.artifact_bucket}",
        encryption_spec_key_name=world.kms_key,
        api_transport="rest",
    )
    job = aiplatform.CustomContainerTrainingJob(
        display_name=f"diagnostics-{uuid.uuid4().hex[:8]}",
        container_uri=world.training_image,
        model_serving_container_image_uri=world.serving_image,
        model_serving_container_predict_route="/predict",
        model_serving_container_health_route="/health",
    )
    model = job.run(args=["--data", uri], service_account=world.service_account, machine_type="n1-standard-4")
    assert model.encryption_spec.kms_key_name == world.kms_key
    endpoint = model.deploy(machine_type="n1-standard-2", service_account=world.service_account)
    samples = held_out(made)
    answer = endpoint.predict(instances=[features for _, features in samples])
    right = sum(
        told["label"][0].lower() == truth[0].lower()
        for told, (truth, _) in zip(answer.predictions, samples, strict=True)
    )
    assert right / len(samples) > 0.9
    endpoint.delete(force=True)
    model.delete()


def test_a_disabled_key_closes_what_it_protects(vertex: Vertex, as_administrator: Any) -> None:
    import google.api_core.exceptions

    world = vertex.world
    ring = world.kms_key.rpartition("/cryptoKeys/")[0]
    key_id = f"vertex-{uuid.uuid4().hex[:8]}"
    key, kms = f"{ring}/cryptoKeys/{key_id}", "https://cloudkms.googleapis.com/v1"
    as_administrator.post(
        f"{kms}/{ring}/cryptoKeys?cryptoKeyId={key_id}", json={"purpose": "ENCRYPT_DECRYPT"}
    ).raise_for_status()
    binding = {
        "role": "roles/cloudkms.cryptoKeyEncrypterDecrypter",
        "members": [f"serviceAccount:{world.vertex_agent}"],
    }
    as_administrator.post(f"{kms}/{key}:setIamPolicy", json={"policy": {"bindings": [binding]}}).raise_for_status()
    spec = {"kms_key_name": key}
    endpoint = vertex.endpoint(encryption_spec=spec)
    model = vertex.upload(vertex.image(sys.executable, "-c", SERVER), encryption_spec=spec)
    vertex.deploy(endpoint, model.name, {"0": 100})
    assert vertex.ask(endpoint, 1).predictions

    def set_state(state: str) -> None:
        version = f"{kms}/{key}/cryptoKeyVersions/1?updateMask=state"
        as_administrator.patch(version, json={"state": state}).raise_for_status()

    set_state("DISABLED")
    for refused in (
        lambda: vertex.ask(endpoint, 1),
        lambda: vertex.endpoints.get_endpoint(name=endpoint),
        lambda: vertex.models.get_model(name=model.name),
        lambda: vertex.endpoint(encryption_spec=spec),
    ):
        with pytest.raises(google.api_core.exceptions.BadRequest, match="cannot be used in Vertex AI service"):
            refused()
    set_state("ENABLED")
    assert vertex.ask(endpoint, 1).predictions
    vertex.retire(endpoint)


@pytest.mark.slow
def test_what_ran_and_served_goes_on_after_a_restart(
    tmp_path: Path, sandbox_environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    once = Sandbox(tmp_path / "cloud")
    with once:
        for name, value in once.environment(session_name="restart").items():
            monkeypatch.setenv(name, value)
        vertex = Vertex(once)
        endpoint = vertex.endpoint()
        deployed = vertex.deploy(endpoint, vertex.upload(vertex.image(sys.executable, "-c", SERVER)).name, {"0": 100})
        # Ends only in its second life.
        code = "import pathlib, time; p = pathlib.Path('been'); b = p.exists(); p.touch(); time.sleep(0 if b else 100)"
        job = vertex.jobs.create_custom_job(
            parent=vertex.parent, custom_job=vertex.spec(vertex.image(sys.executable, "-c", code))
        ).name
        vertex.await_job(job, {"JOB_STATE_RUNNING"})
        time.sleep(0.5)
        left = [int(mark.stem) for mark in (once.directory / "google" / "vertex" / "processes").iterdir()]
    assert len(left) == 2
    assert not [pid for pid in left if Path(f"/proc/{pid}").exists()]
    with once:
        for name, value in once.environment(session_name="restart").items():
            monkeypatch.setenv(name, value)
        vertex = Vertex(once)
        answer = vertex.ask(endpoint, 1)
        assert (len(answer.predictions), answer.deployed_model_id) == (1, deployed.id)
        assert vertex.await_job(job).state.name == "JOB_STATE_SUCCEEDED"
