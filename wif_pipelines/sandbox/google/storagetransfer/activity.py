"""A job's transfer log: one entry an object found, copied, deleted or failed, as the job's logging asks.

https://cloud.google.com/storage-transfer/docs/read-transfer-logs
"""

import uuid
from collections.abc import Mapping
from typing import Any, Literal

from wif_pipelines.sandbox.google.audit import AuditLog
from wif_pipelines.sandbox.google.clock import Clock
from wif_pipelines.sandbox.google.storagetransfer.failure import TransferFailure
from wif_pipelines.sandbox.google.storagetransfer.runs import Run

Action = Literal["FIND", "COPY", "DELETE"]
_TYPE = "type.googleapis.com/google.storagetransfer.logging.TransferActivityLog"


class Activity:
    """Writes the entries of one run."""

    def __init__(self, audit: AuditLog, clock: Clock, run: Run) -> None:
        self._audit = audit
        self._clock = clock
        self._run = run
        logging = run.metadata.get("loggingConfig", {})
        self._actions = set(logging.get("logActions", ()))
        self._states = set(logging.get("logActionStates", ()))

    def record(self, action: Action, *, key: str = "", sink: str = "", failure: TransferFailure | None = None) -> None:
        """Write an entry, if the job asks for such.

        Args:
            action: What was done.
            key: The source's key; empty for what concerns the sink alone.
            sink: The object in the sink; empty before there is one.
            failure: Why it failed; None when it did not.
        """
        state = "FAILED" if failure else "SUCCEEDED"
        if action not in self._actions or state not in self._states:
            return
        now = self._clock.now()
        payload: dict[str, Any] = {
            "@type": _TYPE,
            "action": action,
            "completeTimestamp": now,
            "operation": self._run.name,
            "status": _status(failure),
        } | self._ends(key, sink)
        self._audit.append(
            {
                "logName": f"projects/{self._run.metadata['projectId']}/logs/"
                "storagetransfer.googleapis.com%2Ftransfer_activity",
                "insertId": uuid.uuid4().hex[:16],
                "timestamp": now,
                "receiveTimestamp": now,
                "severity": "ERROR" if failure else "INFO",
                "resource": {
                    "type": "storage_transfer_job",
                    "labels": {
                        "project_id": self._run.metadata["projectId"],
                        "job_id": self._run.metadata["transferJobName"],
                    },
                },
                "jsonPayload": payload,
            }
        )

    def _ends(self, key: str, sink: str) -> dict[str, Any]:
        spec: Mapping[str, Any] = self._run.spec
        ends: dict[str, Any] = {}
        if key:
            source = {"bucket": spec["awsS3DataSource"]["bucketName"], "objectKey": key}
            ends["sourceObject"] = {"type": "AWS_S3", "awsS3Object": source}
        if sink:
            target = {"bucket": spec["gcsDataSink"]["bucketName"], "objectKey": sink}
            ends["destinationObject"] = {"type": "GCS", "gcsObject": target}
        return ends


def _status(failure: TransferFailure | None) -> dict[str, str]:
    if failure is None:
        return {"statusCode": "OK"}
    return {"statusCode": failure.code, "errorType": failure.code, "errorMessage": failure.message}
