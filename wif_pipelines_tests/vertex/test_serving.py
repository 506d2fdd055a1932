"""From a trained model to predictions and back, with real servers, in the local cloud."""

import csv
import io
import uuid
from dataclasses import replace
from typing import Any

import pytest

from wif_pipelines.errors import ConfigurationError, ConflictError, DeploymentFailedError, NotFoundError, RemoteError
from wif_pipelines.sandbox.world import World
from wif_pipelines.vertex.connection import VertexConnection
from wif_pipelines.vertex.endpoints import Endpoints
from wif_pipelines.vertex.prediction import Predictor, SmokeCase, smoke_test
from wif_pipelines.vertex.registry import ModelRegistry, ModelVersion
from wif_pipelines.vertex.specs import EndpointSpec
from wif_pipelines.vertex.training import TrainingJobs
from wif_pipelines_tests.vertex.conftest import QUICK, Key, Specs

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def artefacts(connection: VertexConnection, specs: Specs, world: World) -> list[str]:
    """Directories of a trained model: one as training left it, two copies of it, and one whose model is missing."""
    jobs = TrainingJobs(connection)
    job = jobs.wait(jobs.launch(specs.training(specs.run()), once_by=["run"]).job.name, polling=QUICK)
    job.raise_for_state()
    assert job.model_dir is not None
    bucket = connection.storage.bucket(world.artifact_bucket)
    source = job.model_dir.removeprefix(f"gs://{world.artifact_bucket}/")
    directories = [f"{source.removesuffix('model/')}copy-{number}/" for number in (1, 2)]
    for directory in directories:
        bucket.copy_blob(bucket.blob(f"{source}model.joblib"), bucket, f"{directory}model.joblib")
    empty = f"{source.removesuffix('model/')}empty/"
    bucket.blob(f"{empty}README").upload_from_string("no model here")
    return [f"gs://{world.artifact_bucket}/{path}" for path in (source, *directories, empty)]


@pytest.fixture(scope="module")
def cases(connection: VertexConnection, landed: str, world: World) -> list[SmokeCase]:
    path = landed.removeprefix(f"gs://{world.landing_bucket}/") + "/heldout/diagnoses.csv"
    text = connection.storage.bucket(world.landing_bucket).blob(path).download_as_bytes().decode()
    rows = list(csv.DictReader(io.StringIO(text)))[:20]
    return [SmokeCase(_instance(row), row["diagnosis"]) for row in rows]


def _instance(row: dict[str, Any]) -> dict[str, float]:
    return {name: float(value) for name, value in row.items() if name not in {"sample_id", "diagnosis"}}


@pytest.fixture
def registry(connection: VertexConnection) -> ModelRegistry:
    return ModelRegistry(connection)


@pytest.fixture
def endpoints(connection: VertexConnection) -> Endpoints:
    return Endpoints(connection, polling=QUICK)


@pytest.fixture
def predictor(connection: VertexConnection) -> Predictor:
    return Predictor(connection)


@pytest.fixture
def name() -> str:
    return f"diagnostics-{uuid.uuid4().hex[:8]}"


@pytest.fixture(scope="module")
def versions(connection: VertexConnection, specs: Specs, artefacts: list[str]) -> list[ModelVersion]:
    """Three versions of one model that serve, and one that cannot."""
    registry = ModelRegistry(connection)
    model_id = f"served-{uuid.uuid4().hex[:8]}"
    return [registry.upload(specs.model(model_id, uri), polling=QUICK).version for uri in artefacts]


def test_versions_are_counted_under_one_model(
    registry: ModelRegistry, specs: Specs, artefacts: list[str], name: str, world: World
) -> None:
    assert registry.versions(name) is None
    assert registry.get(name) is None
    first = registry.upload(specs.model(name, artefacts[0], aliases=("candidate",), run="one"), polling=QUICK)
    second = registry.upload(specs.model(name, artefacts[1], aliases=("candidate",), run="two"), polling=QUICK)
    assert [first.version.version_id, second.version.version_id] == ["1", "2"]
    assert not first.existing
    assert not second.existing
    assert first.version.aliases == ("candidate", "default")
    assert second.version.aliases == ("candidate",)
    listed = registry.versions(name)
    assert listed is not None
    assert [version.aliases for version in listed] == [("default",), ("candidate",)]
    assert {version.kms_key for version in listed} == {world.kms_key}
    assert registry.get(name, "candidate") == listed[1]
    assert registry.get(name, "9") is None


def test_the_same_artefact_is_not_registered_twice(
    registry: ModelRegistry, specs: Specs, artefacts: list[str], name: str
) -> None:
    first = registry.upload(specs.model(name, artefacts[0]), polling=QUICK)
    registry.upload(specs.model(name, artefacts[1]), polling=QUICK)
    again = registry.upload(specs.model(name, artefacts[0].rstrip("/"), aliases=("champion",)), polling=QUICK)
    assert again.existing
    assert again.version.version_id == first.version.version_id
    assert "champion" in again.version.aliases
    listed = registry.versions(name)
    assert listed is not None
    assert len(listed) == 2


def test_a_lost_answer_does_not_register_twice(
    registry: ModelRegistry, specs: Specs, artefacts: list[str], name: str, faults: Any
) -> None:
    for uri in artefacts[:2]:
        fault = faults.add(kind="reset", service="aiplatform", method="*models.upload", count=1)
        assert registry.upload(specs.model(name, uri), polling=QUICK).existing
        assert faults.get(fault["id"])["used"] == 1
    listed = registry.versions(name)
    assert listed is not None
    assert [version.version_id for version in listed] == ["1", "2"]


def test_aliases_move_and_go(registry: ModelRegistry, versions: list[ModelVersion]) -> None:
    one, two = versions[:2]
    registry.set_aliases(one, add=["champion"])
    moved = registry.set_aliases(two, add=["champion", "default"])
    assert moved.aliases == ("champion", "default")
    assert registry.get(one.model_id, "champion") == moved
    left = registry.get(one.model_id, one.version_id)
    assert left is not None
    assert left.aliases == ()
    assert registry.set_aliases(two, remove=["champion"]).aliases == ("default",)


def test_deploy_predict_replace_roll_back_and_retire(
    endpoints: Endpoints,
    predictor: Predictor,
    specs: Specs,
    versions: list[ModelVersion],
    cases: list[SmokeCase],
    name: str,
    world: World,
) -> None:
    one, two = versions[:2]
    assert endpoints.get(name) is None
    first = endpoints.deploy(specs.endpoint(name), one)
    assert not first.existing
    assert first.endpoint.kms_key == world.kms_key
    assert first.endpoint.traffic == {first.deployed.id: 100}
    result = smoke_test(predictor, name, cases, needed=0.9)
    assert result.passed
    assert (result.version_id, result.deployed_model_id) == (one.version_id, first.deployed.id)

    second = endpoints.deploy(specs.endpoint(name), two)
    assert second.endpoint.traffic == {second.deployed.id: 100}
    assert [version.id for version in second.endpoint.deployed] == [first.deployed.id, second.deployed.id]
    assert smoke_test(predictor, name, cases, needed=0.9).version_id == two.version_id

    again = endpoints.deploy(specs.endpoint(name), two)
    assert again.existing
    assert again.endpoint.traffic == second.endpoint.traffic
    assert len(again.endpoint.deployed) == 2

    back = endpoints.rollback(name)
    assert back.traffic == {first.deployed.id: 100}
    assert smoke_test(predictor, name, cases, needed=0.9).version_id == one.version_id
    with pytest.raises(DeploymentFailedError, match="no healthy older version"):
        endpoints.rollback(name)

    kept = endpoints.retire(name, keep=[second.deployed.id])
    assert len(kept.deployed) == 2
    retired = endpoints.retire(name)
    assert [version.id for version in retired.deployed] == [first.deployed.id]
    assert endpoints.undeploy(name, second.deployed.id) == retired
    assert endpoints.undeploy(name, first.deployed.id).traffic == {}
    with pytest.raises(RemoteError):
        predictor.predict(name, [cases[0].instance])


def test_a_canary_gets_its_share_and_no_more(
    endpoints: Endpoints,
    predictor: Predictor,
    specs: Specs,
    versions: list[ModelVersion],
    cases: list[SmokeCase],
    name: str,
) -> None:
    first = endpoints.deploy(specs.endpoint(name, percent=10), versions[0])
    assert first.endpoint.traffic == {first.deployed.id: 100}
    canary = endpoints.deploy(specs.endpoint(name, percent=30), versions[1])
    assert canary.endpoint.traffic == {first.deployed.id: 70, canary.deployed.id: 30}
    answered = [predictor.predict(name, [cases[0].instance]).version_id for _ in range(60)]
    assert set(answered) == {versions[0].version_id, versions[1].version_id}
    stepped = endpoints.deploy(specs.endpoint(name, percent=100), versions[1])
    assert stepped.existing
    assert stepped.endpoint.traffic == {canary.deployed.id: 100}
    shared = endpoints.route(name, {first.deployed.id: 50, canary.deployed.id: 50})
    third = endpoints.deploy(specs.endpoint(name, percent=20), versions[2])
    assert shared.traffic == {first.deployed.id: 50, canary.deployed.id: 50}
    assert third.endpoint.traffic == {first.deployed.id: 40, canary.deployed.id: 40, third.deployed.id: 20}
    assert endpoints.rollback(name).traffic == {first.deployed.id: 50, canary.deployed.id: 50}
    with pytest.raises(ConfigurationError, match="still gets 50 %"):
        endpoints.undeploy(name, first.deployed.id)
    with pytest.raises(ConfigurationError, match="sums to 99"):
        endpoints.route(name, {first.deployed.id: 99})
    with pytest.raises(ConfigurationError, match="deployed as 77"):
        endpoints.route(name, {first.deployed.id: 50, "77": 50})


def test_a_version_that_cannot_serve_leaves_the_traffic_where_it_was(
    endpoints: Endpoints,
    predictor: Predictor,
    specs: Specs,
    versions: list[ModelVersion],
    cases: list[SmokeCase],
    name: str,
) -> None:
    first = endpoints.deploy(specs.endpoint(name), versions[0])
    with pytest.raises(DeploymentFailedError, match="Model server exited unexpectedly") as failed:
        endpoints.deploy(specs.endpoint(name), versions[3])
    assert "AIP_STORAGE_URI" in failed.value.remedy
    status = endpoints.get(name)
    assert status is not None
    assert status.traffic == {first.deployed.id: 100}
    assert predictor.predict(name, [cases[0].instance]).version_id == versions[0].version_id


def test_lost_answers_make_one_endpoint_and_one_deployment(
    endpoints: Endpoints, specs: Specs, versions: list[ModelVersion], name: str, faults: Any
) -> None:
    lost = [
        faults.add(kind="reset", service="aiplatform", method=f"*endpoints.{method}", count=1)
        for method in ("create", "deployModel")
    ]
    done = endpoints.deploy(specs.endpoint(name), versions[0])
    assert [faults.get(fault["id"])["used"] for fault in lost] == [1, 1]
    assert done.existing
    assert done.endpoint.traffic == {done.deployed.id: 100}
    assert len(done.endpoint.deployed) == 1

    endpoints.deploy(specs.endpoint(name), versions[1])
    lost = [
        faults.add(kind="reset", service="aiplatform", method=f"*endpoints.{method}", count=1)
        for method in ("patch", "undeployModel")
    ]
    assert endpoints.rollback(name).traffic == {done.deployed.id: 100}
    assert [version.id for version in endpoints.retire(name).deployed] == [done.deployed.id]
    assert [faults.get(fault["id"])["used"] for fault in lost] == [1, 1]


def test_an_endpoints_key_is_not_changed_behind_anybodys_back(endpoints: Endpoints, specs: Specs, name: str) -> None:
    made = endpoints.ensure(specs.endpoint(name))
    assert endpoints.ensure(specs.endpoint(name)) == made
    with pytest.raises(ConflictError, match="key cannot be changed"):
        endpoints.ensure(EndpointSpec(endpoint_id=name, display_name=name))


def test_a_bad_instance_is_refused_in_the_servers_own_words(
    endpoints: Endpoints,
    predictor: Predictor,
    specs: Specs,
    versions: list[ModelVersion],
    cases: list[SmokeCase],
    name: str,
) -> None:
    endpoints.deploy(specs.endpoint(name), versions[0])
    with pytest.raises(RemoteError, match="30 features are missing"):
        predictor.predict(name, [{"radius": 1.0}])
    wrong = [SmokeCase(case.instance, "something else") for case in cases]
    result = smoke_test(predictor, name, wrong)
    assert not result.passed
    with pytest.raises(DeploymentFailedError, match="answered 0 of 20 known cases right"):
        result.raise_for_failure(name)
    threshold = predictor.predict(name, [cases[0].instance], parameters={"threshold": 0.0})
    assert threshold.predictions[0]["label"] == "malignant"


def test_predictions_end_with_the_key_and_come_back_with_it(
    registry: ModelRegistry,
    endpoints: Endpoints,
    predictor: Predictor,
    specs: Specs,
    artefacts: list[str],
    cases: list[SmokeCase],
    key: Key,
    name: str,
) -> None:
    key.let_vertex_use_it()
    version = registry.upload(replace(specs.model(name, artefacts[0]), kms_key=key.name), polling=QUICK).version
    spec = replace(specs.endpoint(name), kms_key=key.name)
    deployment = endpoints.deploy(spec, version)
    assert (version.kms_key, deployment.endpoint.kms_key) == (key.name, key.name)
    assert smoke_test(predictor, name, cases, needed=0.9).passed
    key.set_enabled(False)
    with pytest.raises(RemoteError, match="CryptoKey") as refused:
        predictor.predict(name, [cases[0].instance])
    assert "primary version is enabled" in refused.value.remedy
    key.set_enabled(True)
    assert smoke_test(predictor, name, cases, needed=0.9).passed


def test_an_endpoint_that_is_not_there_is_told(endpoints: Endpoints, predictor: Predictor, name: str) -> None:
    with pytest.raises(NotFoundError, match="There is no endpoint"):
        endpoints.rollback(name)
    with pytest.raises(NotFoundError):
        predictor.predict(name, [[1.0]])
