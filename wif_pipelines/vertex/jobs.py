"""Where a training job is, and what that means."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from wif_pipelines.errors import JobCancelledError, TrainingFailedError
from wif_pipelines.vertex import links
from wif_pipelines.vertex.names import ResourceName, plain_time
from wif_pipelines.vertex.remedies import remedy_for
from wif_pipelines.wire.redaction import redacted

if TYPE_CHECKING:
    from google.cloud import aiplatform_v1

__all__ = ["JobState", "JobStatus", "job_status"]


class JobState(StrEnum):
    """Vertex AI's JobState, and ``UNKNOWN`` for one that Google adds later."""

    UNSPECIFIED = "UNSPECIFIED"
    QUEUED = "QUEUED"
    PENDING = "PENDING"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELLING = "CANCELLING"
    CANCELLED = "CANCELLED"
    PAUSED = "PAUSED"
    EXPIRED = "EXPIRED"
    UPDATING = "UPDATING"
    PARTIALLY_SUCCEEDED = "PARTIALLY_SUCCEEDED"
    UNKNOWN = "UNKNOWN"

    @property
    def is_terminal(self) -> bool:
        """Whether the job will never leave this state by itself."""
        return self in _TERMINAL

    @property
    def is_hopeful(self) -> bool:
        """Whether the job has done its work, or may still do it."""
        return self not in _LOST


_LOST = frozenset({JobState.FAILED, JobState.CANCELLING, JobState.CANCELLED, JobState.EXPIRED})
_TERMINAL = frozenset(
    {JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED, JobState.EXPIRED, JobState.PARTIALLY_SUCCEEDED}
)


@dataclass(frozen=True)
class JobStatus:
    """One look at a training job.

    Attributes:
        name: Resource name, with the project's number.
        display_name: What people read.
        state: Where it is.
        created: When it was made.
        started: When it first ran, or None.
        ended: When it ended, or None.
        error: Why it failed or was cancelled, or None.
        labels: As it was launched with.
        kms_key: The key that encrypts it, or None.
        model_dir: ``gs://`` directory that the container was given as ``AIP_MODEL_DIR``, or None.
        console_url: Its page in the console.
        logs_url: Its logs in the log explorer.
    """

    name: str
    display_name: str
    state: JobState
    created: datetime | None
    started: datetime | None
    ended: datetime | None
    error: str | None
    labels: Mapping[str, str] = field(default_factory=dict)
    kms_key: str | None = None
    model_dir: str | None = None
    console_url: str = ""
    logs_url: str = ""

    @property
    def id(self) -> str:
        """Final part of the name: what `labels` and log queries use."""
        return ResourceName.parse(self.name).id

    @property
    def duration(self) -> timedelta | None:
        """How long it ran, or None when it has not ended or never started."""
        return self.ended - self.started if self.started and self.ended else None

    def raise_for_state(self) -> None:
        """Return when the job has succeeded or goes on; raise when it is lost.

        Raises:
            JobCancelledError: Somebody cancelled it.
            TrainingFailedError: It failed, expired, or succeeded only in part.
        """
        if self.state in {JobState.CANCELLED, JobState.CANCELLING}:
            message = f"The training job {self.name} was cancelled: {self.error or 'no reason given'}."
            raise JobCancelledError(message, remedy="Launch it again if that was not intended.", job=self.name)
        if self.state.is_hopeful and self.state is not JobState.PARTIALLY_SUCCEEDED:
            return
        said = self.error or "Vertex AI gives no reason"
        message = f"The training job {self.name} ended as {self.state}: {said}"
        remedy = remedy_for(said) or "Read the job's logs; what it wrote last says why."
        raise TrainingFailedError(message, remedy=f"{remedy}\nLogs: {self.logs_url}", job=self.name)


def job_status(job: "aiplatform_v1.CustomJob", *, project: str) -> JobStatus:
    """What Vertex AI answered, as ours.

    Args:
        job: The answer.
        project: The project's id, for links.
    """
    name = ResourceName.parse(job.name)
    output = job.job_spec.base_output_directory.output_uri_prefix
    return JobStatus(
        name=job.name,
        display_name=job.display_name,
        state=_state(job.state),
        created=plain_time(job.create_time),
        started=plain_time(job.start_time),
        ended=plain_time(job.end_time),
        error=redacted(job.error.message) or None,
        labels=dict(job.labels),
        kms_key=job.encryption_spec.kms_key_name or None,
        model_dir=f"{output.rstrip('/')}/model/" if output else None,
        console_url=links.job_url(project=project, region=name.region, job_id=name.id),
        logs_url=links.job_logs_url(project=project, job_id=name.id),
    )


def _state(state: Any) -> JobState:
    """Proto-plus hands out a plain int for a value that the library does not know yet."""
    name = str(getattr(state, "name", "")).removeprefix("JOB_STATE_")
    return JobState(name) if name in JobState.__members__ else JobState.UNKNOWN
