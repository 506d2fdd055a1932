"""The proxy route: objects stream from S3 to Cloud Storage through this worker, many at once, in bounded memory.

Threads call obstore's blocking interface (its asynchronous one sometimes aborts the interpreter at exit). Outcomes come
out one by one as they happen, so that a batch of any size needs no list of them. Running a batch again copies only what
is missing, because a plan skips what the sink holds.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import Any

from wif_pipelines.errors import TransferError, UnavailableError, WifError
from wif_pipelines.ingestion.budget import MemoryBudget
from wif_pipelines.ingestion.carrier import Carrier, Stopped
from wif_pipelines.ingestion.ends import Ends
from wif_pipelines.ingestion.plan import MIB, Decision
from wif_pipelines.wire.clock import SYSTEM, Clock
from wif_pipelines.wire.retry import Backoff, retrying

Progress = Callable[[int, int], None]
"""Told of the objects that have arrived and the bytes that have passed, both since the start."""


@dataclass(frozen=True, slots=True)
class ProxyOptions:
    """How hard the worker works.

    Attributes:
        concurrency: Objects under way at once. Over a wide-area network, small objects want more (64).
        memory_bytes: For all bodies under way together; the process itself takes some 100 MB more.
        whole_bytes: Objects up to this size are one GET and one PUT.
        part_bytes: Size of the parts of larger ones; a multiple of 256 KiB, at least 5 MiB.
        parts_at_once: Ranges read, and parts written, at the same time for one large object.
        backoff: How often and how long an object is tried again, on top of obstore's own retries of single requests.
        failures: Stop after so many failed objects; the others are still tried.
        report_seconds: Time between two calls of the progress function.
    """

    concurrency: int = 16
    memory_bytes: int = 128 * MIB
    whole_bytes: int = 8 * MIB
    part_bytes: int = 8 * MIB
    parts_at_once: int = 4
    backoff: Backoff = field(default_factory=lambda: Backoff(attempts=5, deadline=300.0))
    failures: int = 100
    report_seconds: float = 1.0


USUAL_OPTIONS = ProxyOptions()


@dataclass(frozen=True, slots=True)
class Copied:
    """An object that arrived; verification compares the checksum with Cloud Storage's.

    Attributes:
        decision: What was to be done.
        crc32c: Of the bytes that passed, base64 as Cloud Storage writes it.
    """

    decision: Decision
    crc32c: str


@dataclass(frozen=True, slots=True)
class NotCopied:
    """An object that did not arrive; nothing of it is visible at the sink."""

    decision: Decision
    error: WifError


Outcome = Copied | NotCopied


def copy_objects(
    decisions: Iterable[Decision],
    ends: Ends,
    *,
    options: ProxyOptions = USUAL_OPTIONS,
    progress: Progress | None = None,
    clock: Clock = SYSTEM,
) -> Iterator[Outcome]:
    """Copy objects and yield each outcome as it happens, in no particular order.

    Leaving the loop early stops the batch: objects under way are given up, and nothing half-written is visible.

    Args:
        decisions: What to copy; read as needed.
        ends: Source and sink.
        options: How hard to work.
        progress: Told how far it is, in this thread.
        clock: Whose time to wait in between attempts.

    Raises:
        TransferError: More objects failed than `options.failures`; those that failed were yielded before.
    """
    crew = _Crew(iter(decisions), ends, options, clock)
    failed = 0
    try:
        for outcome in crew.outcomes(progress):
            failed += isinstance(outcome, NotCopied)
            yield outcome
            if failed >= options.failures:
                raise TransferError(
                    f"{failed} objects could not be copied; the batch was stopped. The last: {_why(outcome)}",
                    remedy="Remove the cause, then run again: what has arrived is not copied again.",
                )
    finally:
        crew.stop()


def copy_all(
    decisions: Iterable[Decision],
    ends: Ends,
    *,
    options: ProxyOptions = USUAL_OPTIONS,
    progress: Progress | None = None,
    clock: Clock = SYSTEM,
) -> tuple[Copied, ...]:
    """Copy a batch and return what arrived, in order of keys.

    Args:
        decisions: See `copy_objects`.
        ends: See `copy_objects`.
        options: See `copy_objects`.
        progress: See `copy_objects`.
        clock: See `copy_objects`.

    Raises:
        TransferError: Some objects could not be copied; names the first ones and why. The others have arrived.
    """
    copied: list[Copied] = []
    failed: list[NotCopied] = []
    for outcome in copy_objects(decisions, ends, options=options, progress=progress, clock=clock):
        (copied if isinstance(outcome, Copied) else failed).append(outcome)  # type: ignore[arg-type]
    if failed:
        raise _batch_error(failed, len(copied) + len(failed))
    return tuple(sorted(copied, key=lambda each: each.decision.source.key.encode("utf-8", "surrogatepass")))


class _Crew:
    """Threads that take decisions from one iterator and put outcomes on one queue."""

    def __init__(self, decisions: Iterator[Decision], ends: Ends, options: ProxyOptions, clock: Clock) -> None:
        self._decisions = decisions
        self._options = options
        self._clock = clock
        self._taking = threading.Lock()
        self._counting = threading.Lock()
        self._stopped = threading.Event()
        self._done: SimpleQueue[Outcome | BaseException | None] = SimpleQueue()
        self._budget = MemoryBudget(options.memory_bytes)
        self._bytes = 0
        self._carrier = Carrier(
            ends, options.whole_bytes, options.part_bytes, options.parts_at_once, self._stopped.is_set
        )
        self._threads = [
            threading.Thread(target=self._work, name=f"copy-{number}", daemon=True)
            for number in range(options.concurrency)
        ]

    def outcomes(self, progress: Progress | None) -> Iterator[Outcome]:
        """Start the threads and yield what they bring, until the last has ended."""
        for thread in self._threads:
            thread.start()
        objects, running, told = 0, len(self._threads), time.monotonic()
        while running:
            item = self._next_outcome()
            if isinstance(item, BaseException):
                raise item
            if item is None:
                running -= 1
            elif not isinstance(item, _Silence):
                objects += isinstance(item, Copied)
                yield item
            if progress and time.monotonic() - told >= self._options.report_seconds:
                progress(objects, self._bytes)
                told = time.monotonic()
        if progress:
            progress(objects, self._bytes)

    def stop(self) -> None:
        """Give up what is under way and wait until every thread has ended."""
        self._stopped.set()
        for thread in self._threads:
            if thread.ident is not None:
                thread.join()

    def _next_outcome(self) -> Any:
        try:
            return self._done.get(timeout=self._options.report_seconds)
        except Empty:
            return _Silence()

    def _work(self) -> None:
        try:
            while not self._stopped.is_set() and (decision := self._take()) is not None:
                with self._budget.hold(self._carrier.footprint(decision.source)):
                    self._done.put(self._attempt(decision))
        except Stopped:
            pass
        except BaseException as error:  # noqa: BLE001 - raised again in the caller's thread
            self._done.put(error)
        finally:
            self._done.put(None)

    def _take(self) -> Decision | None:
        with self._taking:
            return next(self._decisions, None)

    def _attempt(self, decision: Decision) -> Outcome:
        try:
            checksum = retrying(
                lambda: self._carrier.copy(decision, self._count),
                on=self._worth_repeating,
                backoff=self._options.backoff,
                clock=self._clock,
            )
        except WifError as error:
            return NotCopied(decision, error)
        return Copied(decision, checksum)

    def _worth_repeating(self, error: Exception) -> bool:
        return isinstance(error, UnavailableError) and not self._stopped.is_set()

    def _count(self, size: int) -> None:
        with self._counting:
            self._bytes += size


class _Silence:
    """Nothing happened for a while."""


def _why(outcome: Outcome) -> str:
    return outcome.error.message if isinstance(outcome, NotCopied) else ""


def _batch_error(failed: list[NotCopied], total: int) -> TransferError:
    shown = "\n".join(f"  {each.error.message}" for each in failed[:10])
    more = f"\n  and {len(failed) - 10} more" if len(failed) > 10 else ""
    return TransferError(
        f"{len(failed)} of {total} objects could not be copied:\n{shown}{more}",
        remedy=f"{failed[0].error.remedy} Then run again: what has arrived is not copied again.",
    )
