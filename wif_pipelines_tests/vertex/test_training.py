"""Training jobs that really run, in the local cloud."""

from dataclasses import replace
from typing import Any

import pytest

from wif_pipelines.errors import (
    AccessDeniedError,
    ConfigurationError,
    JobCancelledError,
    NotFoundError,
    RemoteError,
    TrainingFailedError,
    UnavailableError,
)
from wif_pipelines.identity import WorkloadIdentity
from wif_pipelines.sandbox.world import World
from wif_pipelines.vertex.connection import VertexConnection
from wif_pipelines.vertex.evaluation import read_evaluation
from wif_pipelines.vertex.jobs import JobState, JobStatus
from wif_pipelines.vertex.training import TrainingJobs
from wif_pipelines.wire import Backoff
from wif_pipelines_tests.vertex.conftest import QUICK, Key, Specs


@pytest.fixture
def jobs(connection: VertexConnection) -> TrainingJobs:
    return TrainingJobs(connection)


@pytest.fixture(scope="module")
def trained(connection: VertexConnection, specs: Specs) -> JobStatus:
    jobs = TrainingJobs(connection)
    launched = jobs.launch(specs.training(specs.run()), once_by=["run"])
    assert not launched.attached
    return jobs.wait(launched.job.name, polling=QUICK)


def test_a_job_trains_and_leaves_its_model_and_evaluation(trained: JobStatus, connection: VertexConnection) -> None:
    trained.raise_for_state()
    assert trained.state is JobState.SUCCEEDED
    assert trained.model_dir is not None
    evaluation = read_evaluation(connection, trained.model_dir)
    assert evaluation is not None
    assert evaluation.accuracy > 0.9
    assert evaluation.heldout_examples == 114


def test_a_job_is_under_the_customers_key_and_so_is_what_it_wrote(
    trained: JobStatus, connection: VertexConnection, world: World
) -> None:
    assert trained.kms_key == world.kms_key
    assert trained.model_dir is not None
    path = trained.model_dir.removeprefix(f"gs://{world.artifact_bucket}/")
    blobs = list(connection.storage.list_blobs(world.artifact_bucket, prefix=path))
    assert {blob.name.rpartition("/")[2] for blob in blobs} == {"metrics.json", "model.joblib"}
    assert {blob.kms_key_name.partition("/cryptoKeyVersions/")[0] for blob in blobs} == {world.kms_key}


def test_a_job_says_when_it_ran(trained: JobStatus) -> None:
    assert trained.created is not None
    assert trained.started is not None
    assert trained.created <= trained.started
    assert trained.duration is not None
    assert trained.duration.total_seconds() > 0


def test_whoever_comes_later_finds_the_same_job(trained: JobStatus, jobs: TrainingJobs, specs: Specs) -> None:
    again = jobs.launch(specs.training(trained.labels["run"]), once_by=["run"])
    assert again.attached
    assert again.job.name == trained.name
    assert [job.name for job in jobs.find({"run": trained.labels["run"]})] == [trained.name]
    assert jobs.find({"run": "nobody"}) == ()


def test_a_lost_answer_does_not_make_a_second_job(jobs: TrainingJobs, specs: Specs, faults: Any) -> None:
    run = specs.run()
    fault = faults.add(kind="reset", service="aiplatform", method="*customJobs.create", count=1)
    launched = jobs.launch(specs.training(run), once_by=["run"])
    assert faults.get(fault["id"])["used"] == 1
    assert launched.attached
    assert [job.name for job in jobs.find({"run": run})] == [launched.job.name]
    jobs.cancel(launched.job.name)


def test_without_labels_a_lost_answer_is_told_not_repeated(jobs: TrainingJobs, specs: Specs, faults: Any) -> None:
    run = specs.run()
    faults.add(kind="reset", service="aiplatform", method="*customJobs.create", count=1)
    with pytest.raises(UnavailableError, match="launching the training job"):
        jobs.launch(specs.training(run))
    found = jobs.find({"run": run})
    assert len(found) == 1
    jobs.cancel(found[0].name)


def test_a_service_that_is_away_for_a_moment_is_asked_again(jobs: TrainingJobs, faults: Any) -> None:
    fault = faults.add(kind="status", status=503, service="aiplatform", method="*customJobs.list", count=2)
    assert jobs.find({"run": "nobody"}) == ()
    assert faults.get(fault["id"])["used"] == 2


def test_a_quota_is_told_with_its_remedy(connection: VertexConnection, specs: Specs, faults: Any) -> None:
    impatient = VertexConnection(
        project=connection.project,
        region=connection.region,
        credentials=connection.credentials,
        backoff=Backoff(attempts=2, first_wait=0.01),
    )
    body = (
        '{"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "message": "The following quota metrics exceed quota '
        'limits: aiplatform.googleapis.com/custom_model_training_nvidia_t4_gpus"}}'
    )
    faults.add(kind="status", status=429, body=body, service="aiplatform", method="*customJobs.create", count=2)
    with pytest.raises(UnavailableError, match="custom_model_training_nvidia_t4_gpus") as refused:
        TrainingJobs(impatient).launch(specs.training(specs.run()), once_by=["run"])
    assert "Ask for more of the quota" in refused.value.remedy


def test_a_job_that_fails_says_so_and_the_next_launch_starts_anew(
    jobs: TrainingJobs, specs: Specs, world: World
) -> None:
    run = specs.run()
    spec = specs.training(run, data=f"gs://{world.landing_bucket}/vertex-tests/nothing-here")
    failed = jobs.wait(jobs.launch(spec, once_by=["run"]).job.name, polling=QUICK)
    with pytest.raises(TrainingFailedError, match="exited with a non-zero status of 2") as told:
        failed.raise_for_state()
    assert "The training code failed" in told.value.remedy
    again = jobs.launch(spec, once_by=["run"])
    assert not again.attached
    assert again.job.name != failed.name
    jobs.cancel(again.job.name)


def test_a_job_can_be_cancelled_and_then_again(jobs: TrainingJobs, specs: Specs) -> None:
    name = jobs.launch(specs.training(specs.run()), once_by=["run"]).job.name
    jobs.cancel(name)
    cancelled = jobs.wait(name, polling=QUICK)
    assert cancelled.state is JobState.CANCELLED
    with pytest.raises(JobCancelledError):
        cancelled.raise_for_state()
    jobs.cancel(name)


def test_a_key_that_vertex_may_not_use_is_refused_and_nothing_starts(
    jobs: TrainingJobs, specs: Specs, key: Key
) -> None:
    run = specs.run()
    with pytest.raises(RemoteError, match="cannot be used in Vertex AI service") as refused:
        jobs.launch(replace(specs.training(run), kms_key=key.name), once_by=["run"])
    assert "roles/cloudkms.cryptoKeyEncrypterDecrypter" in refused.value.remedy
    assert jobs.find({"run": run}) == ()
    key.let_vertex_use_it()
    allowed = jobs.launch(replace(specs.training(run), kms_key=key.name), once_by=["run"])
    assert allowed.job.kms_key == key.name
    jobs.cancel(allowed.job.name)


def test_whoever_may_not_train_is_told_which_permission_is_missing(world: World, specs: Specs) -> None:
    nobody = WorkloadIdentity(audience=world.audience)
    connection = VertexConnection(project=world.project, region=world.region, credentials=nobody.google_credentials())
    with pytest.raises(AccessDeniedError) as denied:
        TrainingJobs(connection).launch(specs.training(specs.run()))
    assert "aiplatform.customJobs.create" in denied.value.remedy


def test_a_job_that_is_not_there_is_told(jobs: TrainingJobs, connection: VertexConnection) -> None:
    with pytest.raises(NotFoundError):
        jobs.get(f"{connection.parent}/customJobs/1")


def test_labels_that_identify_must_be_on_the_spec(jobs: TrainingJobs, specs: Specs) -> None:
    with pytest.raises(ConfigurationError, match="lacks"):
        jobs.launch(specs.training(specs.run()), once_by=["run", "step"])


def test_a_directory_without_metrics_has_no_evaluation(connection: VertexConnection, world: World) -> None:
    assert read_evaluation(connection, f"gs://{world.artifact_bucket}/vertex-tests/nothing-here/") is None
