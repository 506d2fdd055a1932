"""What is remembered of runs: the operation as its callers see it, and which objects it is done with.

Written as the run goes on, so that a sandbox that stops in the middle takes the run up where it was.
"""

import re
import secrets
from collections.abc import Iterable, Mapping
from typing import Any

from wif_pipelines.sandbox.google.clock import Clock
from wif_pipelines.sandbox.google.errors import RPC_CODES
from wif_pipelines.sandbox.google.storagetransfer.failure import TransferFailure
from wif_pipelines.sandbox.google.store import Store

Json = dict[str, Any]

ACTIVE = ("QUEUED", "IN_PROGRESS", "PAUSED", "SUSPENDING")
_TYPE = "type.googleapis.com/google.storagetransfer.v1.TransferOperation"
_EMPTY = "type.googleapis.com/google.protobuf.Empty"
_SAMPLES = 5
_SCHEMA = """
CREATE TABLE IF NOT EXISTS transfer_done (
    operation TEXT NOT NULL, object TEXT NOT NULL, PRIMARY KEY (operation, object)
) WITHOUT ROWID;
"""


class Run:
    """One operation. Not shared between threads without the lock of whoever changes it.

    Attributes:
        name: `transferOperations/...`.
        created: RFC 3339; the order of listings.
        metadata: `TransferOperation`, without `@type`.
        error: google.rpc.Status of the whole run, once it has failed.
    """

    def __init__(self, document: Json) -> None:
        self.name: str = document["metadata"]["name"]
        self.created: str = document["created"]
        self.metadata: Json = document["metadata"]
        self.error: Json | None = document.get("error")
        self._carried: dict[str, int] = document.get("carried", {"objects": 0, "bytes": 0})

    @classmethod
    def of(cls, job: Mapping[str, Any], now: str) -> "Run":
        """A new run of a job, queued."""
        number = secrets.randbelow(9 * 10**18) + 10**18
        metadata = {
            "name": f"transferOperations/{job['name'].replace('/', '-')}-{number}",
            "projectId": job["projectId"],
            "transferSpec": job["transferSpec"],
            "startTime": now,
            "status": "QUEUED",
            "counters": {},
            "transferJobName": job["name"],
        }
        metadata |= {"loggingConfig": job["loggingConfig"]} if job.get("loggingConfig") else {}
        return cls({"created": now, "metadata": metadata})

    @property
    def status(self) -> str:
        """The operation's state, by Google's name."""
        return str(self.metadata["status"])

    @property
    def active(self) -> bool:
        """Whether it has not ended."""
        return self.status in ACTIVE

    @property
    def spec(self) -> Json:
        """What it transfers; the job may have been changed since."""
        found: Json = self.metadata["transferSpec"]
        return found

    def count(self, **changes: int) -> None:
        """Add to counters, by their names in the API."""
        counters = self.metadata["counters"]
        for name, change in changes.items():
            counters[name] = str(int(counters.get(name, 0)) + change)

    def carry(self, size: int) -> None:
        """Note that an object which was found is done with, and need not be found again by a run that goes on."""
        self._carried["objects"] += 1
        self._carried["bytes"] += size

    def recount(self) -> None:
        """Count as found what is done with, and no more: a run that goes on finds the rest again."""
        if self.metadata["counters"]:
            found = {"objectsFoundFromSource": self._carried["objects"], "bytesFoundFromSource": self._carried["bytes"]}
            self.metadata["counters"] |= {name: str(count) for name, count in found.items()}

    def blame(self, failure: TransferFailure, url: str) -> None:
        """Count a failure, and keep it as a sample while there are few of its code."""
        breakdowns: list[Json] = self.metadata.setdefault("errorBreakdowns", [])
        entry = next((each for each in breakdowns if each["errorCode"] == failure.code), None)
        if entry is None:
            entry = {"errorCode": failure.code, "errorCount": "0", "errorLogEntries": []}
            breakdowns.append(entry)
        entry["errorCount"] = str(int(entry["errorCount"]) + 1)
        if len(entry["errorLogEntries"]) < _SAMPLES:
            entry["errorLogEntries"].append({"url": url, "errorDetails": [failure.message]})

    def end(self, status: str, now: str, failure: TransferFailure | None = None) -> None:
        """Set the last state."""
        self.metadata |= {"status": status, "endTime": now}
        if failure is not None:
            self.error = {"code": RPC_CODES[failure.code], "message": failure.message}

    def as_document(self) -> Json:
        """For the store."""
        document: Json = {"created": self.created, "metadata": self.metadata, "carried": self._carried}
        return document | ({"error": self.error} if self.error else {})

    def as_operation(self) -> Json:
        """`google.longrunning.Operation`."""
        operation: Json = {"name": self.name, "metadata": {"@type": _TYPE, **self.metadata}, "done": not self.active}
        if self.error:
            operation["error"] = self.error
        elif not self.active:
            operation["response"] = {"@type": _EMPTY}
        return operation


class Runs:
    """Every operation that ever was, by name."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._documents = store.collection("storagetransfer.operations")
        with store.lock:
            store.connection.executescript(_SCHEMA)

    def get(self, name: str) -> Run | None:
        """An operation, or None."""
        document = self._documents.get(name)
        return Run(document) if document else None

    def put(self, run: Run) -> None:
        """Remember a run as it is now."""
        self._documents.put(run.name, run.as_document())

    def all(self) -> list[Run]:
        """Every operation, the newest first."""
        found = [Run(document) for _, document in self._documents.list()]
        return sorted(found, key=lambda run: (run.created, run.name), reverse=True)

    def active(self, job: str = "") -> list[Run]:
        """The operations that have not ended, of one job or of all."""
        return [run for run in self.all() if run.active and job in ("", run.metadata["transferJobName"])]

    def settle(self, run: Run, name: str) -> None:
        """Remember that a run is done with an object, together with its counters."""
        with self._store.transaction():
            self._store.connection.execute("INSERT OR IGNORE INTO transfer_done VALUES (?, ?)", (run.name, name))
            self.put(run)

    def settled(self, run: Run, name: str) -> bool:
        """Whether a run is done with an object."""
        with self._store.lock:
            row = self._store.connection.execute(
                "SELECT 1 FROM transfer_done WHERE operation = ? AND object = ?", (run.name, name)
            ).fetchone()
        return row is not None

    def forget_objects(self, run: Run) -> None:
        """Drop what is remembered of the objects of a run that has ended."""
        with self._store.lock:
            self._store.connection.execute("DELETE FROM transfer_done WHERE operation = ?", (run.name,))


def pattern(text: str) -> re.Pattern[str]:
    """A name pattern of a filter, in which `*` stands for anything."""
    return re.compile(".*".join(re.escape(part) for part in text.split("*")), re.DOTALL)


def matching(runs: Iterable[Run], wanted: Mapping[str, Any]) -> list[Run]:
    """The runs that a filter of `transferOperations.list` selects; see its description."""
    jobs, names = wanted.get("jobNames"), wanted.get("operationNames")
    statuses = {str(status).upper() for status in wanted.get("transferStatuses", ())}
    job_pattern, name_pattern = (
        pattern(wanted.get("jobNamePattern", "*")),
        pattern(wanted.get("operationNamePattern", "*")),
    )
    first, last = wanted.get("minCreationTime", ""), wanted.get("maxCreationTime", "\U0010ffff")
    return [
        run
        for run in runs
        if (not jobs or run.metadata["transferJobName"] in jobs)
        and (not names or run.name in names)
        and (not statuses or run.status in statuses)
        and job_pattern.fullmatch(run.metadata["transferJobName"])
        and name_pattern.fullmatch(run.name)
        and first <= run.created <= last
    ]
