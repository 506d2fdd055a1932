"""Custom training jobs: launched once, found again, followed to their end.

https://cloud.google.com/vertex-ai/docs/reference/rest/v1/projects.locations.customJobs
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wif_pipelines.errors import ConfigurationError, RemoteJobError
from wif_pipelines.vertex.connection import REQUEST_TIMEOUT, VertexConnection, explained
from wif_pipelines.vertex.jobs import JobState, JobStatus, job_status
from wif_pipelines.vertex.polling import PATIENT, Polling, look_until
from wif_pipelines.vertex.resources import custom_job
from wif_pipelines.vertex.specs import TrainingSpec
from wif_pipelines.wire import retrying
from wif_pipelines.wire.google_errors import is_transient

if TYPE_CHECKING:
    from google.cloud import aiplatform_v1

__all__ = ["JobState", "JobStatus", "Launch", "TrainingJobs"]


@dataclass(frozen=True)
class Launch:
    """What came of asking for a job.

    Attributes:
        job: The job.
        attached: Whether it was there already, so that nothing new was started.
    """

    job: JobStatus
    attached: bool


class TrainingJobs:
    """The custom training jobs of one project and region.

    Args:
        connection: Where, and as whom.
    """

    def __init__(self, connection: VertexConnection) -> None:
        self._connection = connection

    def launch(self, spec: TrainingSpec, *, once_by: Sequence[str] = ()) -> Launch:
        """Start the job, or find it if it was started before.

        A job has no id of the caller's choosing, so it is known by labels. With `once_by`, a job that carries the same
        values of these labels and is not failed, cancelled or expired is returned instead of a second one, and a
        request whose answer was lost is repeated only after a look. Without, the request is sent at most once.

        Args:
            spec: The job.
            once_by: Keys of labels of the spec that together belong to this job alone.

        Raises:
            ConfigurationError: The spec does not fit the region, or lacks a label of `once_by`.
            WifError: Vertex AI refused; see `VertexConnection.call`.
        """
        spec.check_region(self._connection.region)
        identity = _identity(spec, once_by)
        doing = f"launching the training job {spec.display_name!r}"
        with explained(doing):
            if not identity:
                return Launch(self._create(spec), attached=False)
            return retrying(
                lambda: self._find_or_create(spec, identity),
                on=is_transient,
                backoff=self._connection.backoff,
                clock=self._connection.clock,
            )

    def find(self, labels: Mapping[str, str]) -> tuple[JobStatus, ...]:
        """All jobs that carry these labels, newest first.

        Raises:
            WifError: They cannot be listed.
        """
        expression = " AND ".join(f'labels.{key}="{value}"' for key, value in sorted(labels.items()))
        request = {"parent": self._connection.parent, "filter": expression}

        def send() -> list["aiplatform_v1.CustomJob"]:
            return list(self._connection.jobs.list_custom_jobs(request, retry=None, timeout=REQUEST_TIMEOUT))

        found = self._connection.call(send, doing=f"listing the training jobs with {expression}")
        matching = [self._read(job) for job in found if labels.items() <= dict(job.labels).items()]
        return tuple(sorted(matching, key=_age, reverse=True))

    def get(self, name: str) -> JobStatus:
        """Look at a job.

        Raises:
            NotFoundError: There is none of this name.
            WifError: It cannot be read.
        """

        def send() -> "aiplatform_v1.CustomJob":
            return self._connection.jobs.get_custom_job(name=name, retry=None, timeout=REQUEST_TIMEOUT)

        return self._read(self._connection.call(send, doing=f"reading the training job {name}"))

    def wait(
        self, name: str, *, polling: Polling = PATIENT, on_look: Callable[[JobStatus], None] | None = None
    ) -> JobStatus:
        """Poll until a job has ended, well or not; see `JobStatus.raise_for_state`.

        Args:
            name: The job's resource name.
            polling: How patiently.
            on_look: Called with each look.

        Raises:
            RemoteJobError: It had not ended by the deadline. It goes on.
            WifError: It cannot be read.
        """
        ended = look_until(
            lambda: self.get(name),
            done=lambda job: job.state.is_terminal,
            polling=polling,
            clock=self._connection.clock,
            on_look=on_look,
        )
        if ended is None:
            message = f"The training job {name} had not ended after {polling.deadline}. It goes on."
            raise RemoteJobError(message, remedy="Wait for it again, or cancel it.", job=name)
        return ended

    def cancel(self, name: str) -> None:
        """Ask for the job to stop; it goes to CANCELLED some time later. One that has ended stays as it is.

        Raises:
            WifError: Vertex AI refused.
        """

        def send() -> None:
            self._connection.jobs.cancel_custom_job(name=name, retry=None, timeout=REQUEST_TIMEOUT)

        if not self.get(name).state.is_terminal:
            self._connection.call(send, doing=f"cancelling the training job {name}")

    def _find_or_create(self, spec: TrainingSpec, identity: Mapping[str, str]) -> Launch:
        hopeful = next((job for job in self.find(identity) if job.state.is_hopeful), None)
        if hopeful is not None:
            return Launch(hopeful, attached=True)
        return Launch(self._create(spec), attached=False)

    def _create(self, spec: TrainingSpec) -> JobStatus:
        created = self._connection.jobs.create_custom_job(
            parent=self._connection.parent, custom_job=custom_job(spec), retry=None, timeout=REQUEST_TIMEOUT
        )
        return self._read(created)

    def _read(self, job: "aiplatform_v1.CustomJob") -> JobStatus:
        return job_status(job, project=self._connection.project)


def _identity(spec: TrainingSpec, once_by: Sequence[str]) -> dict[str, str]:
    missing = [key for key in once_by if key not in spec.labels]
    if missing:
        message = f"The training job {spec.display_name!r} is to be known by the labels {missing}, which it lacks."
        raise ConfigurationError(message, remedy="Add them to the spec's labels, with values of this job alone.")
    return {key: spec.labels[key] for key in once_by}


def _age(job: JobStatus) -> float:
    return job.created.timestamp() if job.created else 0.0
