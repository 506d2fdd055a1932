"""One run, carried out in threads of its own: plan, copy several objects at once, tidy up, and say how it went."""

import logging
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Literal, TypeVar

from wif_pipelines.sandbox.aws.endpoint import AwsEndpoint
from wif_pipelines.sandbox.google.kernel import Kernel
from wif_pipelines.sandbox.google.storage.objects import Objects
from wif_pipelines.sandbox.google.storagetransfer.activity import Activity
from wif_pipelines.sandbox.google.storagetransfer.failure import RunInterruptedError, TransferFailure
from wif_pipelines.sandbox.google.storagetransfer.runs import Run, Runs
from wif_pipelines.sandbox.google.storagetransfer.selection import Conditions, manifest_rows
from wif_pipelines.sandbox.google.storagetransfer.sink import GcsSink
from wif_pipelines.sandbox.google.storagetransfer.source import S3Source, SourceObject, TransferRole
from wif_pipelines.sandbox.google.storagetransfer.specification import manifest_of

_LOG = logging.getLogger(__name__)
_WORKERS = 6
_AHEAD = 256  # objects that may be planned and not yet copied: bounds memory, whatever the size of the bucket
_ATTEMPTS = 4
_FIRST_WAIT = 0.2

T = TypeVar("T")


class Execution:
    """A run under way.

    Args:
        kernel: The ground floor.
        objects: Cloud Storage.
        aws: How to reach AWS.
        runs: Where the run is remembered.
        run: What to carry out; one that was under way before is continued.
        on_end: Called at the very end, from the run's thread.
    """

    def __init__(
        self,
        kernel: Kernel,
        objects: Objects,
        aws: AwsEndpoint,
        *,
        runs: Runs,
        run: Run,
        on_end: Callable[[Run], None],
    ) -> None:
        self._clock = kernel.clock
        self._runs = runs
        self._run = run
        self._on_end = on_end
        self._resumed = run.status != "QUEUED"
        data = run.spec["awsS3DataSource"]
        self._role = TransferRole(aws, kernel.world, data["roleArn"])
        self._source_bucket, self._path = data["bucketName"], data.get("path", "")
        self._sink = GcsSink(objects, kernel.world, run.spec)
        self._activity = Activity(kernel.audit, kernel.clock, run)
        conditions, started = run.spec.get("objectConditions", {}), kernel.clock.time()
        self._conditions = Conditions.read(conditions, started)
        self._lock = threading.Lock()
        self._stopped: Literal["", "cancelled", "suspended"] = ""
        self._stopping = threading.Event()
        self._going = threading.Event()
        self._going.set()
        self._slots = threading.BoundedSemaphore(_AHEAD)
        self._thread = threading.Thread(target=self._main, name=run.name, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def pause(self) -> None:
        """Hold everything where it is."""
        self._going.clear()
        self._mark("PAUSED", "QUEUED", "IN_PROGRESS")

    def resume(self) -> None:
        """Go on."""
        self._mark("IN_PROGRESS", "PAUSED")
        self._going.set()

    def cancel(self) -> None:
        """End as ABORTED, a little later."""
        self._stop("cancelled")

    def suspend(self, timeout: float) -> None:
        """Stop where it is, for the next start to go on from; waits up to `timeout` seconds."""
        self._stop("suspended")
        self._thread.join(timeout)

    def _stop(self, how: Literal["cancelled", "suspended"]) -> None:
        self._stopped = self._stopped or how
        self._stopping.set()
        self._going.set()

    def _mark(self, status: str, *expected: str) -> None:
        with self._lock:
            if self._run.status in expected:
                self._run.metadata["status"] = status
                self._runs.put(self._run)

    def _checkpoint(self) -> None:
        self._going.wait()
        if self._stopping.is_set():
            raise RunInterruptedError

    def _main(self) -> None:
        try:
            self._mark("IN_PROGRESS", "QUEUED")
            self._run.recount()
            self._sink.check()
            source = self._role.source(self._source_bucket)
            self._copy_all(source)
            if self._run.spec.get("transferOptions", {}).get("deleteObjectsUniqueInSink"):
                self._delete_surplus()
            self._finish()
        except RunInterruptedError:
            if self._stopped == "cancelled":
                self._end("ABORTED", TransferFailure("CANCELLED", "The transfer was cancelled."))
        except TransferFailure as failure:
            with self._lock:
                self._run.blame(failure, self._root)
            self._activity.record("FIND", key=self._path, failure=failure)
            self._end("FAILED", failure)
        except Exception:  # noqa: BLE001 - a run that broke off must end as failed, whatever broke it
            _LOG.exception("%s broke off", self._run.name)
            self._end("FAILED", TransferFailure("INTERNAL", "Internal error encountered."))
        finally:
            self._on_end(self._run)

    @property
    def _root(self) -> str:
        return f"s3://{self._source_bucket}/{self._path}"

    def _finish(self) -> None:
        breakdowns = self._run.metadata.get("errorBreakdowns", [])
        if not breakdowns:
            return self._end("SUCCESS")
        worst = max(breakdowns, key=lambda each: int(each["errorCount"]))
        details = "; ".join(worst["errorLogEntries"][0]["errorDetails"])
        count = sum(int(each["errorCount"]) for each in breakdowns)
        text = f"{count} errors occurred in the transfer. The first of the most frequent kind: {details}"
        return self._end("FAILED", TransferFailure(worst["errorCode"], text))

    def _end(self, status: str, failure: TransferFailure | None = None) -> None:
        with self._lock:
            self._run.end(status, self._clock.now(), failure)
            self._runs.put(self._run)
        self._runs.forget_objects(self._run)

    def _copy_all(self, source: S3Source) -> None:
        with ThreadPoolExecutor(_WORKERS, thread_name_prefix="transfer") as workers:
            try:
                for relative, version, item in self._candidates(source):
                    self._checkpoint()
                    if self._resumed and self._runs.settled(self._run, relative):
                        continue
                    if item is not None and not self._plan(item, relative):
                        continue
                    self._slots.acquire()
                    workers.submit(self._work, source, relative, version, item)
            except BaseException:
                self._stopping.set()  # what is queued ends at its first checkpoint
                raise
        self._checkpoint()

    def _candidates(self, source: S3Source) -> Iterator[tuple[str, str | None, SourceObject | None]]:
        """(name relative to the path, version, object); the object is None where it must still be looked at."""
        if manifest := manifest_of(self._run.spec):
            source.probe(self._path)
            try:
                for relative, version in manifest_rows(self._sink.read_manifest(*manifest)):
                    if self._conditions.name_passes(relative):
                        yield relative, version, None
            except UnicodeDecodeError:
                text = f"The manifest gs://{manifest[0]}/{manifest[1]} is not UTF-8."
                raise TransferFailure("INVALID_ARGUMENT", text) from None
            return
        for root in self._conditions.roots(self._path):
            for item in source.list(root):
                relative = item.key.removeprefix(self._path)
                if relative and self._conditions.name_passes(relative):
                    yield relative, None, item

    def _plan(self, item: SourceObject, relative: str) -> bool:
        """Whether an object is to be copied; counts it as found, or as skipped."""
        if not self._conditions.time_passes(item.modified):
            return False
        name = self._sink.path + relative
        wanted = self._sink.wants(item, name)
        self._activity.record("FIND", key=item.key)
        with self._lock:
            if wanted:
                self._run.count(objectsFoundFromSource=1, bytesFoundFromSource=item.size)
                self._runs.put(self._run)
            else:
                self._run.count(objectsFromSourceSkippedBySync=1, bytesFromSourceSkippedBySync=item.size)
                self._runs.settle(self._run, relative)
        return wanted

    def _work(self, source: S3Source, relative: str, version: str | None, item: SourceObject | None) -> None:
        """Copy one object; whatever becomes of it is counted and remembered."""
        try:
            self._checkpoint()
            if item is None:
                item = self._insist(lambda: source.look(self._path + relative, version))
                if not self._plan(item, relative):
                    return
            found, name = item, self._sink.path + relative
            self._insist(lambda: self._sink.copy(source, found, name, self._checkpoint))
            self._arrived(source, found, relative)
        except RunInterruptedError:
            return
        except TransferFailure as failure:
            self._failed(source, item, relative, failure)
        except Exception:  # noqa: BLE001 - one object must not end the run
            _LOG.exception("%s broke off at one object", self._run.name)
            self._failed(source, item, relative, TransferFailure("INTERNAL", "Internal error encountered."))
        finally:
            self._slots.release()

    def _insist(self, act: Callable[[], T]) -> T:
        """Try again while that may help, a few times, with growing pauses."""
        for attempt in range(1, _ATTEMPTS):
            try:
                return act()
            except TransferFailure as failure:
                if not failure.passing:
                    raise
                _LOG.info("%s: attempt %d: %s", self._run.name, attempt, failure.message)
                self._stopping.wait(_FIRST_WAIT * 2**attempt)
                self._checkpoint()
        return act()

    def _arrived(self, source: S3Source, item: SourceObject, relative: str) -> None:
        self._activity.record("COPY", key=item.key, sink=self._sink.path + relative)
        deleting = self._run.spec.get("transferOptions", {}).get("deleteObjectsFromSourceAfterTransfer")
        failure: TransferFailure | None = None
        if deleting:
            try:
                source.delete(item)
            except TransferFailure as refusal:
                failure = refusal
            self._activity.record("DELETE", key=item.key, failure=failure)
        with self._lock:
            self._run.count(objectsCopiedToSink=1, bytesCopiedToSink=item.size)
            if failure:
                self._run.count(objectsFromSourceFailed=1, bytesFromSourceFailed=item.size)
                self._run.blame(failure, source.url(item.key))
            elif deleting:
                self._run.count(objectsDeletedFromSource=1, bytesDeletedFromSource=item.size)
            self._run.carry(item.size)
            self._runs.settle(self._run, relative)

    def _failed(self, source: S3Source, item: SourceObject | None, relative: str, failure: TransferFailure) -> None:
        key = self._path + relative
        if item is None:
            self._activity.record("FIND", key=key, failure=failure)
        else:
            self._activity.record("COPY", key=key, sink=self._sink.path + relative, failure=failure)
        with self._lock:
            self._run.count(objectsFromSourceFailed=1, bytesFromSourceFailed=item.size if item else 0)
            self._run.blame(failure, source.url(key))
            if item is not None:
                self._run.carry(item.size)
            self._runs.settle(self._run, relative)

    def _delete_surplus(self) -> None:
        """Delete what only the sink has, under the job's path and prefixes."""
        for record in self._sink.surplus(self._conditions.roots(self._sink.path)):
            self._checkpoint()
            relative = record.name.removeprefix(self._sink.path)
            if not self._conditions.name_passes(relative) or self._runs.settled(self._run, relative):
                continue
            failure: TransferFailure | None = None
            try:
                self._sink.delete(record.name)
            except TransferFailure as refusal:
                failure = refusal
            self._activity.record("DELETE", sink=record.name, failure=failure)
            with self._lock:
                self._run.count(objectsFoundOnlyFromSink=1, bytesFoundOnlyFromSink=record.size)
                if failure:
                    self._run.count(objectsFailedToDeleteFromSink=1, bytesFailedToDeleteFromSink=record.size)
                    self._run.blame(failure, self._sink.url(record.name))
                else:
                    self._run.count(objectsDeletedFromSink=1, bytesDeletedFromSink=record.size)
                self._runs.put(self._run)
