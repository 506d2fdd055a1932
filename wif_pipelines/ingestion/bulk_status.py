"""What Storage Transfer Service says of one run of a job: state, counters, and samples of what failed.

See https://cloud.google.com/storage-transfer/docs/reference/rest/v1/transferOperations
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from wif_pipelines.errors import JobCancelledError, TransferError
from wif_pipelines.wire.redaction import redacted


class TransferState(StrEnum):
    """Where a run stands."""

    UNKNOWN = "STATUS_UNSPECIFIED"
    QUEUED = "QUEUED"
    IN_PROGRESS = "IN_PROGRESS"
    PAUSED = "PAUSED"
    SUSPENDING = "SUSPENDING"
    SUCCESS = "SUCCESS"
    FAILED = "FAILED"
    ABORTED = "ABORTED"

    @property
    def ended(self) -> bool:
        """Whether nothing will change any more."""
        return self in {TransferState.SUCCESS, TransferState.FAILED, TransferState.ABORTED}


@dataclass(frozen=True, slots=True)
class TransferCounters:
    """How far a run is.

    Attributes:
        objects_found: Objects that are to be copied.
        bytes_found: Their bytes.
        objects_copied: Objects that have arrived.
        bytes_copied: Their bytes.
        objects_skipped: Objects that the sink held already.
        bytes_skipped: Their bytes.
        objects_failed: Objects that could not be copied.
        bytes_failed: Their bytes.
    """

    objects_found: int = 0
    bytes_found: int = 0
    objects_copied: int = 0
    bytes_copied: int = 0
    objects_skipped: int = 0
    bytes_skipped: int = 0
    objects_failed: int = 0
    bytes_failed: int = 0


@dataclass(frozen=True, slots=True)
class TransferFailures:
    """One kind of failure; Google keeps at most five samples of each.

    Attributes:
        code: Google's code, for example `PERMISSION_DENIED`.
        count: How many objects failed with it.
        samples: Address and details of some of them.
    """

    code: str
    count: int
    samples: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class TransferStatus:
    """One look at a run.

    Attributes:
        operation: Its resource name, `transferOperations/...`.
        job: The job that it is a run of, `transferJobs/...`.
        state: Where it stands.
        counters: How far it is.
        failures: What failed, by kind.
        manifest: Address of the list of names that it copies; empty when it copies a whole path.
        started: When it began.
        ended: When it ended, if it has.
        message: What Google says of the whole run, if it failed.
    """

    operation: str
    job: str
    state: TransferState
    counters: TransferCounters
    failures: tuple[TransferFailures, ...] = ()
    manifest: str = ""
    started: datetime | None = None
    ended: datetime | None = None
    message: str = ""

    @property
    def bytes_per_second(self) -> float:
        """Mean rate since the start, up to the end if it has one; 0 before anything is known."""
        if self.started is None:
            return 0.0
        until = self.ended or datetime.now(tz=self.started.tzinfo)
        return self.counters.bytes_copied / max((until - self.started).total_seconds(), 1e-3)

    def raise_for_failure(self) -> None:
        """Raise when the run ended in anything but success.

        Raises:
            JobCancelledError: Somebody cancelled it.
            TransferError: It failed; quotes the kinds of failure and samples of each.
        """
        if self.state is TransferState.ABORTED:
            raise JobCancelledError(
                f"The transfer {self.operation} was cancelled after {self.counters.objects_copied} objects.",
                remedy="Run again: what has arrived is not copied again.",
                job=self.operation,
            )
        if self.state is TransferState.FAILED:
            raise TransferError(self._told(), remedy=remedy_for(self._told()))

    def _told(self) -> str:
        lines = [
            f"The transfer {self.operation} failed: {self.counters.objects_failed} objects. {self.message}".rstrip()
        ]
        for each in self.failures:
            lines.append(f"  {each.code} x {each.count}")
            lines.extend(f"    {where}: {what}" for where, what in each.samples[:3])
        return "\n".join(lines)


def remedy_for(text: str) -> str:
    """What to do about something that Storage Transfer Service said."""
    for said, advice in _ADVICE:
        if said in text:
            return advice
    return "Remove the cause that the service names, then run again: what has arrived is not copied again."


_ADVICE = (
    (
        "AssumeRoleWithWebIdentity",
        (
            "Let the AWS role trust Google's transfer account: its trust policy needs Federated accounts.google.com "
            "and StringEquals accounts.google.com:sub = the account's subject id (`transfer_agent` tells the id, "
            "`trust_policy` writes the policy)."
        ),
    ),
    (
        "due to insufficient permissions",
        (
            "Grant the transfer service agent (project-NUMBER@storage-transfer-service.iam.gserviceaccount.com) "
            "roles/storage.objectAdmin and roles/storage.legacyBucketReader on the bucket that the message names."
        ),
    ),
    (
        "CryptoKey",
        "Enable the key, and grant the Cloud Storage service agent roles/cloudkms.cryptoKeyEncrypterDecrypter on it.",
    ),
    (
        "s3:",
        "Allow the AWS role s3:ListBucket on the bucket and s3:GetObject (and s3:GetObjectVersion) on its objects.",
    ),
)


def read_operation(operation: Any) -> TransferStatus:
    """Read a `google.longrunning.Operation` of Storage Transfer Service."""
    from google.cloud.storage_transfer_v1 import TransferOperation

    found = TransferOperation()
    if operation.HasField("metadata"):
        operation.metadata.Unpack(TransferOperation.pb(found))
    return TransferStatus(
        operation=operation.name,
        job=found.transfer_job_name,
        state=TransferState(found.status.name),
        counters=_counters(found.counters),
        failures=tuple(_failures(each) for each in found.error_breakdowns),
        manifest=found.transfer_spec.transfer_manifest.location,
        started=_moment(found.start_time),
        ended=_moment(found.end_time),
        message=redacted(operation.error.message) if operation.HasField("error") else "",
    )


def _counters(found: Any) -> TransferCounters:
    return TransferCounters(
        objects_found=found.objects_found_from_source,
        bytes_found=found.bytes_found_from_source,
        objects_copied=found.objects_copied_to_sink,
        bytes_copied=found.bytes_copied_to_sink,
        objects_skipped=found.objects_from_source_skipped_by_sync,
        bytes_skipped=found.bytes_from_source_skipped_by_sync,
        objects_failed=found.objects_from_source_failed,
        bytes_failed=found.bytes_from_source_failed,
    )


def _failures(summary: Any) -> TransferFailures:
    from google.rpc.code_pb2 import Code

    samples = tuple((entry.url, redacted("; ".join(entry.error_details))) for entry in summary.error_log_entries)
    return TransferFailures(Code.Name(summary.error_code), summary.error_count, samples)


def _moment(stamp: Any) -> datetime | None:
    """A protobuf time, whose absence reads as the epoch."""
    return stamp if stamp is not None and stamp.timestamp() > 0 else None
