"""Answers that were lost, races, and what an earlier attempt left behind: one job, one version, one deployment."""

from datetime import timedelta
from typing import Any

import pytest

from wif_pipelines.errors import ConflictError, DeploymentFailedError, RemoteJobError, UnavailableError
from wif_pipelines.vertex.connection import VertexConnection
from wif_pipelines.vertex.endpoints import Endpoints
from wif_pipelines.vertex.jobs import JobState
from wif_pipelines.vertex.polling import Polling
from wif_pipelines.vertex.registry import ModelRegistry, ModelVersion
from wif_pipelines.vertex.training import TrainingJobs
from wif_pipelines_tests.vertex.specs import KEY, SERVING_IMAGE, endpoint_spec, model_spec, training_spec
from wif_pipelines_tests.vertex.vertex_service import PLACE, VertexService

ENCRYPTED = {"encryptionSpec": {"kmsKeyName": KEY}}
MODEL: dict[str, Any] = {
    "displayName": "diagnostics",
    "artifactUri": "gs://artifacts/runs/1/model/",
    "containerSpec": {"imageUri": SERVING_IMAGE},
    **ENCRYPTED,
}


@pytest.fixture
def service() -> VertexService:
    return VertexService()


@pytest.fixture
def connection(service: VertexService) -> VertexConnection:
    return service.connection()


@pytest.fixture
def jobs(connection: VertexConnection) -> TrainingJobs:
    return TrainingJobs(connection)


@pytest.fixture
def registry(connection: VertexConnection) -> ModelRegistry:
    return ModelRegistry(connection)


@pytest.fixture
def endpoints(connection: VertexConnection) -> Endpoints:
    return Endpoints(connection)


def version(number: int) -> ModelVersion:
    return ModelVersion(f"{PLACE}/models/diagnostics", str(number), (), "", "", "", KEY)


SPEC = training_spec(labels={"run": "1", "team": "a"})


class TestLaunch:
    def test_a_job_is_started_once(self, service: VertexService, jobs: TrainingJobs) -> None:
        first = jobs.launch(SPEC, once_by=["run"])
        second = jobs.launch(SPEC, once_by=["run"])
        assert (first.attached, second.attached) == (False, True)
        assert first.job.name == second.job.name
        assert service.calls["POST customJobs"] == 1

    def test_a_lost_answer_is_looked_for(self, service: VertexService, jobs: TrainingJobs) -> None:
        service.lose["POST customJobs"] = 1
        assert jobs.launch(SPEC, once_by=["run"]).attached
        assert len(service.jobs) == 1

    def test_without_identity_it_is_sent_once(self, service: VertexService, jobs: TrainingJobs) -> None:
        service.lose["POST customJobs"] = 1
        with pytest.raises(UnavailableError):
            jobs.launch(SPEC)
        assert service.calls["POST customJobs"] == 1

    @pytest.mark.parametrize(
        ("state", "attached"),
        [
            ("QUEUED", True),
            ("RUNNING", True),
            ("PAUSED", True),
            ("SUCCEEDED", True),
            ("FAILED", False),
            ("CANCELLED", False),
            ("CANCELLING", False),
            ("EXPIRED", False),
        ],
    )
    def test_only_hopeful_jobs_are_attached_to(
        self, service: VertexService, jobs: TrainingJobs, state: str, attached: bool
    ) -> None:
        name = jobs.launch(SPEC, once_by=["run"]).job.name
        service.jobs[name]["state"] = f"JOB_STATE_{state}"
        assert jobs.launch(SPEC, once_by=["run"]).attached is attached

    def test_the_newest_of_several_is_taken(self, service: VertexService, jobs: TrainingJobs) -> None:
        names = [jobs.launch(SPEC).job.name for _ in range(3)]
        service.jobs[names[2]]["state"] = "JOB_STATE_FAILED"
        assert jobs.launch(SPEC, once_by=["run", "team"]).job.name == names[1]

    def test_waiting_ends_with_the_job_or_the_deadline(self, service: VertexService, jobs: TrainingJobs) -> None:
        name = jobs.launch(SPEC).job.name
        with pytest.raises(RemoteJobError, match=r"had not ended after 0:10:00\. It goes on"):
            jobs.wait(name, polling=Polling(deadline=timedelta(minutes=10)))
        seen = list[JobState]()

        def see(job: Any) -> None:
            seen.append(job.state)
            service.jobs[name]["state"] = "JOB_STATE_SUCCEEDED"

        assert jobs.wait(name, on_look=see).state is JobState.SUCCEEDED
        assert seen == [JobState.PENDING, JobState.SUCCEEDED]

    def test_what_has_ended_is_not_cancelled(self, service: VertexService, jobs: TrainingJobs) -> None:
        name = jobs.launch(SPEC).job.name
        jobs.cancel(name)
        jobs.cancel(name)
        assert service.calls["POST cancel"] == 1


class TestUpload:
    def test_a_lost_answer_is_looked_for(self, service: VertexService, registry: ModelRegistry) -> None:
        service.lose["POST upload"] = 1
        assert registry.upload(model_spec()).existing
        service.lose["POST upload"] = 1
        second = registry.upload(model_spec(artifact_uri="gs://artifacts/runs/2/model/"))
        assert (second.existing, second.version.version_id) == (True, "2")

    def test_an_upload_that_runs_is_waited_for(self, service: VertexService, registry: ModelRegistry) -> None:
        service.looks = 3
        service.start("models/diagnostics", lambda: service.make_version(MODEL) and None)
        assert registry.upload(model_spec()).existing
        assert service.calls["POST upload"] == 0

    def test_a_race_for_the_first_version_makes_the_second(
        self, service: VertexService, registry: ModelRegistry
    ) -> None:
        theirs = {**MODEL, "artifactUri": "gs://artifacts/runs/other/model/"}
        service.before["POST upload"] = lambda: service.make_version(theirs) and None
        ours = registry.upload(model_spec())
        assert (ours.existing, ours.version.version_id) == (False, "2")

    def test_another_image_or_key_is_another_version(self, service: VertexService, registry: ModelRegistry) -> None:
        registry.upload(model_spec())
        assert registry.upload(model_spec(image_uri=f"{SERVING_IMAGE}-debug")).version.version_id == "2"
        assert registry.upload(model_spec(kms_key=None)).version.version_id == "3"

    def test_a_failed_upload_is_told(self, service: VertexService, registry: ModelRegistry) -> None:
        said = "Service account `x` does not have `[storage.objects.get]` IAM permission(s) to the directory gs://b"
        service.failure = {"code": 9, "message": said}
        with pytest.raises(RemoteJobError, match="ended with code 9: Service account") as failed:
            registry.upload(model_spec())
        assert "roles/storage.objectUser" in failed.value.remedy
        assert failed.value.job == f"{PLACE}/models/diagnostics/operations/1"


class TestDeploy:
    def test_lost_answers_make_one_endpoint_and_one_deployment(
        self, service: VertexService, endpoints: Endpoints
    ) -> None:
        service.lose.update({"POST endpoints": 1, "POST deployModel": 1})
        done = endpoints.deploy(endpoint_spec(), version(1))
        assert done.existing
        assert done.endpoint.traffic == {done.deployed.id: 100}
        assert len(service.endpoints) == 1
        assert len(done.endpoint.deployed) == 1

    def test_a_deployment_that_runs_is_waited_for(self, service: VertexService, endpoints: Endpoints) -> None:
        service.make_endpoint("diagnostics", **ENCRYPTED)
        service.looks = 0
        service.start("endpoints/diagnostics")  # an old one that has ended, on a page of its own
        service.looks = 5
        service.start("endpoints/diagnostics", lambda: service.deploy("diagnostics", "1", 100) and None)
        assert endpoints.deploy(endpoint_spec(), version(1)).existing
        assert service.calls["POST deployModel"] == 0

    def test_an_endpoint_made_by_somebody_else_meanwhile_is_used(
        self, service: VertexService, endpoints: Endpoints
    ) -> None:
        service.before["POST endpoints"] = lambda: service.make_endpoint("diagnostics", **ENCRYPTED) and None
        assert endpoints.deploy(endpoint_spec(), version(1)).endpoint.kms_key == KEY

    def test_but_not_under_another_key(self, service: VertexService, endpoints: Endpoints) -> None:
        service.before["POST endpoints"] = lambda: service.make_endpoint("diagnostics") and None
        with pytest.raises(ConflictError, match="encrypted with a key of Google"):
            endpoints.deploy(endpoint_spec(), version(1))
        assert service.calls["POST deployModel"] == 0

    def test_a_failed_deployment_is_told_and_not_repeated(self, service: VertexService, endpoints: Endpoints) -> None:
        service.make_endpoint("diagnostics", **ENCRYPTED)
        first = service.deploy("diagnostics", "1", 100)
        service.failure = {"code": 3, "message": "Model server exited unexpectedly. Model server logs: x"}
        with pytest.raises(DeploymentFailedError, match="Model server exited unexpectedly") as failed:
            endpoints.deploy(endpoint_spec(), version(2))
        assert "AIP_STORAGE_URI" in failed.value.remedy
        assert service.calls["POST deployModel"] == 1
        status = endpoints.get("diagnostics")
        assert status is not None
        assert status.traffic == {first: 100}

    def test_a_deployment_that_takes_an_hour_is_waited_for(self, service: VertexService, endpoints: Endpoints) -> None:
        service.make_endpoint("diagnostics", **ENCRYPTED)
        service.looks = 120
        assert not endpoints.deploy(endpoint_spec(), version(1)).existing

    def test_one_that_never_ends_is_left_running(self, service: VertexService, endpoints: Endpoints) -> None:
        service.make_endpoint("diagnostics", **ENCRYPTED)
        service.looks = None
        with pytest.raises(DeploymentFailedError, match=r"had not ended after 2:00:00\. It goes on"):
            endpoints.deploy(endpoint_spec(), version(1))
        assert service.calls["POST deployModel"] == 1

    def test_the_dead_lose_their_share_and_are_deployed_anew(
        self, service: VertexService, endpoints: Endpoints
    ) -> None:
        service.make_endpoint("diagnostics", **ENCRYPTED)
        dead = {"status": {"message": "Model server exited unexpectedly."}}
        service.deploy("diagnostics", "1", 50, **dead)
        alive = service.deploy("diagnostics", "2", 50)
        anew = endpoints.deploy(endpoint_spec(traffic_percent=20), version(1))
        assert not anew.existing
        assert anew.endpoint.traffic == {alive: 80, anew.deployed.id: 20}

    def test_a_deployed_version_without_traffic_is_given_its_share(
        self, service: VertexService, endpoints: Endpoints
    ) -> None:
        service.make_endpoint("diagnostics", **ENCRYPTED)
        old = service.deploy("diagnostics", "1", 0)
        new = service.deploy("diagnostics", "2", 100)
        again = endpoints.deploy(endpoint_spec(traffic_percent=30), version(1))
        assert again.existing
        assert again.endpoint.traffic == {new: 70, old: 30}
        assert again.deployed.traffic_percent == 30


class TestTraffic:
    @pytest.fixture
    def two(self, service: VertexService) -> tuple[str, str]:
        service.make_endpoint("diagnostics", **ENCRYPTED)
        return service.deploy("diagnostics", "1", 0), service.deploy("diagnostics", "2", 100)

    def test_a_lost_answer_to_a_change_of_traffic(
        self, service: VertexService, endpoints: Endpoints, two: tuple[str, str]
    ) -> None:
        service.lose["PATCH diagnostics"] = 1
        assert endpoints.rollback("diagnostics").traffic == {two[0]: 100}
        assert service.calls["PATCH diagnostics"] == 2

    def test_a_change_by_somebody_else_is_not_overwritten(
        self, service: VertexService, endpoints: Endpoints, two: tuple[str, str]
    ) -> None:
        service.before["PATCH diagnostics"] = lambda: service.deploy("diagnostics", "3", 0) and None
        with pytest.raises(ConflictError):
            endpoints.route("diagnostics", {two[0]: 100})
        status = endpoints.get("diagnostics")
        assert status is not None
        assert status.traffic == {two[1]: 100}

    def test_what_is_so_already_is_not_changed(
        self, service: VertexService, endpoints: Endpoints, two: tuple[str, str]
    ) -> None:
        endpoints.route("diagnostics", {two[1]: 100, two[0]: 0})
        assert service.calls["PATCH diagnostics"] == 0

    def test_a_roll_back_can_name_its_goal(self, endpoints: Endpoints, two: tuple[str, str]) -> None:
        assert endpoints.rollback("diagnostics", to=two[0]).traffic == {two[0]: 100}

    def test_a_lost_answer_to_an_undeployment(
        self, service: VertexService, endpoints: Endpoints, two: tuple[str, str]
    ) -> None:
        service.lose["POST undeployModel"] = 1
        assert [left.id for left in endpoints.retire("diagnostics").deployed] == [two[1]]

    def test_the_last_one_may_go_with_its_traffic(
        self, service: VertexService, endpoints: Endpoints, two: tuple[str, str]
    ) -> None:
        endpoints.retire("diagnostics")
        assert endpoints.undeploy("diagnostics", two[1]).deployed == ()
