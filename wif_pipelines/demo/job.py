"""Runs the main job in this process and tells of each step as it ends."""

import threading
import uuid
from collections.abc import Callable
from types import TracebackType

import dagster as dg

from wif_pipelines.errors import WifError

_TELL_EVERY = 0.3
Tell = Callable[[str], None]


class JobFailedError(WifError):
    """The job did not succeed."""


def run_job(name: str, tell: Tell) -> str:
    """Execute a job of this code location against the instance of `DAGSTER_HOME`, and return the run's id.

    Args:
        name: The job.
        tell: Given a line for each step that starts, ends or fails.

    Raises:
        JobFailedError: It failed; the message is the failing step's own.
    """
    from wif_pipelines.definitions import defs

    job = defs().resolve_job_def(name)
    run_id = str(uuid.uuid4())
    quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    with dg.DagsterInstance.get() as instance:
        with _Teller(instance, run_id, tell):
            result = job.execute_in_process(instance=instance, run_id=run_id, run_config=quiet, raise_on_error=False)
        if not result.success:
            raise JobFailedError(_why(instance, run_id), remedy="Look at the run in the UI: make ui")
    return run_id


class _Teller:
    """Reads the run's events beside it, as the UI does."""

    def __init__(self, instance: dg.DagsterInstance, run_id: str, tell: Tell) -> None:
        self._instance = instance
        self._run_id = run_id
        self._tell = tell
        self._cursor: str | None = None
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join(timeout=10)

    def _watch(self) -> None:
        over = False
        while not over:
            over = self._over.wait(_TELL_EVERY)
            self._read()

    def _read(self) -> None:
        found = self._instance.get_records_for_run(self._run_id, cursor=self._cursor)
        self._cursor = found.cursor
        for record in found.records:
            line = _line(record.event_log_entry)
            if line:
                self._tell(line)


def _line(entry: dg.EventLogEntry) -> str | None:
    if not entry.is_dagster_event or entry.step_key is None:
        return None
    event = entry.get_dagster_event()
    step = entry.step_key.replace("__", "/")
    if event.is_step_start:
        return f"{step} ..."
    if event.is_step_success:
        return f"{step} done in {event.step_success_data.duration_ms / 1000:.1f} s"
    if event.is_step_failure:
        return f"{step} FAILED"
    return None


def _why(instance: dg.DagsterInstance, run_id: str) -> str:
    """What the first step that failed raised, below Dagster's own wrapping."""
    for entry in instance.all_logs(run_id, of_type=dg.DagsterEventType.STEP_FAILURE):
        wrapped = entry.get_dagster_event().step_failure_data.error
        error = wrapped.cause or wrapped if wrapped else None
        if error is not None:
            return f"{entry.step_key}: {error.message.strip()}"
    return f"The run {run_id} failed before its first step."
