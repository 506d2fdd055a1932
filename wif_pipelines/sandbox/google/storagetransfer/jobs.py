"""What is remembered of transfer jobs: the job as its callers see it, and where its schedule stands."""

import secrets
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from wif_pipelines.sandbox.google.clock import Clock
from wif_pipelines.sandbox.google.errors import ApiError, already_exists, bad_request, failed_precondition
from wif_pipelines.sandbox.google.storagetransfer.schedule import next_run
from wif_pipelines.sandbox.google.storagetransfer.specification import check_fields
from wif_pipelines.sandbox.google.store import Document, Store

_LINGER = 30 * 86_400.0
_UPDATABLE = {
    "description": "description",
    "transfer_spec": "transferSpec",
    "notification_config": "notificationConfig",
    "logging_config": "loggingConfig",
    "schedule": "schedule",
    "status": "status",
}


class Jobs:
    """Every job, by name; one that was deleted keeps its name for 30 days."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._documents = store.collection("storagetransfer.jobs")

    def find(self, project: str, name: str) -> Document:
        """A job of a project.

        Raises:
            ApiError: 404.
        """
        entry = self._entry(name)
        if entry is None or entry["job"]["projectId"] != project:
            raise ApiError(404, f"Transfer job '{name}' was not found.")
        job: Document = entry["job"]
        return job

    def refuse_taken(self, name: str) -> None:
        """Raise 409 when there is a job of this name, or was within 30 days."""
        if name and self._entry(name) is not None:
            raise already_exists(f"Transfer job '{name}' already exists.")

    def create(self, job: Mapping[str, Any]) -> Document:
        """Remember a job that has been checked, under its name or one of ours.

        Raises:
            ApiError: 409 when the name is taken.
        """
        now = self._clock.now()
        name = job.get("name") or f"transferJobs/{secrets.randbelow(9 * 10**18) + 10**18}"
        kept = {field: value for field, value in job.items() if field != "latestOperationName"}
        made = {**kept, "name": name, "creationTime": now, "lastModificationTime": now}
        with self._store.transaction():
            self.refuse_taken(name)
            self._documents.put(name, {"job": made, "since": self._clock.time(), "latest": None})
        return made

    def change(self, job: Document, changes: Mapping[str, Any]) -> Document:
        """Change fields of a job; a value of None takes the field away."""
        entry = self._documents.get(job["name"]) or {}
        changed = {**entry["job"], **changes, "lastModificationTime": self._clock.now()}
        if changes.get("status") == "DELETED":
            changed["deletionTime"] = changed["lastModificationTime"]
        entry["job"] = {field: value for field, value in changed.items() if value is not None}
        if "schedule" in changes:
            entry |= {"since": self._clock.time(), "latest": None}
        self._documents.put(job["name"], entry)
        made: Document = entry["job"]
        return made

    def note_run(self, job: Document, operation: str) -> None:
        """Remember the job's latest operation, which is no modification of the job."""
        entry = self._documents.get(job["name"])
        if entry is not None:
            entry["job"]["latestOperationName"] = operation
            self._documents.put(job["name"], entry)

    def all(self, project: str) -> list[Document]:
        """The jobs of a project, in order of names."""
        entries = (self._entry(name) for name, _ in self._documents.list())
        return [entry["job"] for entry in entries if entry and entry["job"]["projectId"] == project]

    def take_due(self) -> list[Document]:
        """The enabled jobs whose schedule says that they run now; each is told once. Runs that were missed are one."""
        due = []
        now = self._clock.time()
        for name, entry in self._documents.list():
            job = entry["job"]
            if job["status"] != "ENABLED" or not job.get("schedule"):
                continue
            latest = entry["latest"]
            while (at := next_run(job["schedule"], entry["since"], latest)) is not None and at <= now:
                latest = at
            if latest != entry["latest"]:
                self._documents.put(name, {**entry, "latest": latest})
                due.append(job)
        return due

    def _entry(self, name: str) -> Document | None:
        entry = self._documents.get(name)
        deleted = entry["job"].get("deletionTime") if entry else None
        if deleted and datetime.fromisoformat(deleted).timestamp() + _LINGER < self._clock.time():
            self._documents.delete(name)
            return None
        return entry


def changes_of(request: Mapping[str, Any], job: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that an `UpdateTransferJobRequest` changes, checked; None for one that it clears.

    Raises:
        ApiError: 400, for a field that cannot be changed or a value that cannot be.
    """
    if job["status"] == "DELETED":
        raise failed_precondition(f"Transfer job '{job['name']}' was deleted and cannot be changed.")
    given = request["transferJob"]
    if mask := request.get("updateTransferJobFieldMask"):
        fields = [_field(path) for path in mask.split(",") if path]
    else:
        fields = [_field(name) for name in given if name not in ("name", "projectId")]
    changes = {field: given.get(field) for field in fields}
    for field in ("transferSpec", "status"):
        if field in changes and not changes[field]:
            raise bad_request(f"{field} cannot be cleared.", (f"transfer_job.{field}", "Required field is not set."))
    if changes.get("status") == "STATUS_UNSPECIFIED":
        text = "The job status must be specified."
        raise bad_request(text, ("transfer_job.status", text))
    check_fields({field: value for field, value in changes.items() if value})
    return changes


def selected(jobs: Iterable[Document], wanted: Mapping[str, Any]) -> list[Document]:
    """The jobs that a filter of `transferJobs.list` selects; see its description."""
    names = wanted.get("jobNames")
    statuses = {str(status).upper() for status in wanted.get("jobStatuses", ())}
    source, sink = wanted.get("sourceBucket"), wanted.get("sinkBucket")
    return [
        job
        for job in jobs
        if (not names or job["name"] in names)
        and (not statuses or job["status"] in statuses)
        and (not source or job["transferSpec"]["awsS3DataSource"]["bucketName"] == source)
        and (not sink or job["transferSpec"]["gcsDataSink"]["bucketName"] == sink)
    ]


def _field(path: str) -> str:
    for snake, camel in _UPDATABLE.items():
        if path.strip() in (snake, camel):
            return camel
    text = f"The field '{path}' of a transfer job cannot be updated."
    raise bad_request(text, ("update_transfer_job_field_mask", text))
