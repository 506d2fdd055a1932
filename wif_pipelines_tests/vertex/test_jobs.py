import json
import pickle
from typing import Any

import pytest

from wif_pipelines.errors import JobCancelledError, TrainingFailedError
from wif_pipelines.vertex.jobs import JobState, JobStatus, job_status

NAME = "projects/736251948012/locations/us-central1/customJobs/42"


def _status(**changes: Any) -> JobStatus:
    """Read from JSON, as it comes over the wire."""
    from google.cloud.aiplatform_v1 import CustomJob

    answer: dict[str, Any] = {
        "name": NAME,
        "displayName": "diagnostics",
        "state": "JOB_STATE_SUCCEEDED",
        "createTime": "2026-11-01T10:00:00Z",
        "startTime": "2026-11-01T10:01:00Z",
        "endTime": "2026-11-01T10:03:30Z",
        "labels": {"run": "1"},
        "jobSpec": {"baseOutputDirectory": {"outputUriPrefix": "gs://artifacts/runs/1"}},
        "encryptionSpec": {"kmsKeyName": "key"},
        **changes,
    }
    return job_status(CustomJob.from_json(json.dumps(answer)), project="p")


def test_an_answer_is_read() -> None:
    status = _status()
    assert status.state is JobState.SUCCEEDED
    assert status.id == "42"
    assert status.duration is not None
    assert status.duration.total_seconds() == 150
    assert status.model_dir == "gs://artifacts/runs/1/model/"
    assert (status.labels, status.kms_key, status.error) == ({"run": "1"}, "key", None)
    assert status.console_url.endswith("/us-central1/training/42?project=p")
    assert "42" in status.logs_url
    status.raise_for_state()


def test_a_status_crosses_processes() -> None:
    assert pickle.loads(pickle.dumps(_status())) == _status()


def test_what_is_not_there_yet_is_none() -> None:
    status = _status(state="JOB_STATE_PENDING", startTime=None, endTime=None, jobSpec={}, encryptionSpec=None)
    assert (status.started, status.ended, status.duration, status.model_dir, status.kms_key) == (None,) * 5


def test_every_state_of_the_api_is_known() -> None:
    from google.cloud.aiplatform_v1 import JobState as ApiState

    assert {state.name.removeprefix("JOB_STATE_") for state in ApiState} == set(JobState.__members__) - {"UNKNOWN"}


def test_a_state_of_the_future_is_unknown_and_not_an_end() -> None:
    with pytest.warns(UserWarning, match="Unrecognized JobState"):
        status = _status(state=99)
    assert status.state is JobState.UNKNOWN
    assert not status.state.is_terminal
    status.raise_for_state()


def test_terminal_states() -> None:
    assert {state for state in JobState if state.is_terminal} == {
        JobState.SUCCEEDED,
        JobState.FAILED,
        JobState.CANCELLED,
        JobState.EXPIRED,
        JobState.PARTIALLY_SUCCEEDED,
    }


def test_a_failure_says_why_and_what_to_do() -> None:
    said = "The replica workerpool0-0 exited with a non-zero status of 2."
    with pytest.raises(TrainingFailedError) as failed:
        _status(state="JOB_STATE_FAILED", error={"code": 3, "message": said}).raise_for_state()
    assert said in failed.value.message
    assert "https://console.cloud.google.com/logs/" in failed.value.remedy
    assert failed.value.job == NAME


@pytest.mark.parametrize("state", ["JOB_STATE_EXPIRED", "JOB_STATE_PARTIALLY_SUCCEEDED"])
def test_what_ended_otherwise_failed_too(state: str) -> None:
    with pytest.raises(TrainingFailedError, match=state.removeprefix("JOB_STATE_")):
        _status(state=state).raise_for_state()


def test_a_cancelled_job_is_another_matter() -> None:
    with pytest.raises(JobCancelledError):
        _status(state="JOB_STATE_CANCELLED").raise_for_state()
