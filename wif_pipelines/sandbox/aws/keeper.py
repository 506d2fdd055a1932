"""When the state is written: soon after a change, never while one is under way, and only for a small share of time."""

import logging
import threading
import time
from collections.abc import Generator, Iterable
from contextlib import contextmanager

from wif_pipelines.sandbox.aws.snapshot import Snapshots

__all__ = ["StateKeeper"]

_LOGGER = logging.getLogger(__name__)
_DEBOUNCE = 0.3
_SHARE = 20.0


class StateKeeper:
    """Lets changes through side by side, and takes snapshots between them.

    A kill without warning loses at most the changes of the last second or so; with a very large state, of the time that
    20 snapshots take.
    """

    def __init__(self, snapshots: Snapshots) -> None:
        self._snapshots = snapshots
        self._condition = threading.Condition()
        self._changing = 0
        self._freezing = False
        self._stopping = False
        self._dirty: set[str] = set()
        self._thread = threading.Thread(target=self._run, name="state-keeper", daemon=True)

    def start(self) -> None:
        """Start writing in the background."""
        self._thread.start()

    def stop(self) -> None:
        """Write what is left and stop; waits for changes under way, at most 10 seconds."""
        with self._condition:
            self._stopping = True
            self._condition.notify_all()
        self._thread.join(10)

    @contextmanager
    def changing(self, services: Iterable[str]) -> Generator[None]:
        """Hold off snapshots while the body changes the state of these services."""
        with self._condition:
            self._condition.wait_for(lambda: not self._freezing)
            self._changing += 1
        try:
            yield
        finally:
            with self._condition:
                self._changing -= 1
                self._dirty.update(services)
                self._condition.notify_all()

    def touch(self, services: Iterable[str]) -> None:
        """Note a change that could not hold off snapshots, such as one inside a long poll."""
        with self._condition:
            self._dirty.update(services)
            self._condition.notify_all()

    def _run(self) -> None:
        while True:
            with self._condition:
                self._condition.wait_for(lambda: self._dirty or self._stopping)
                if not self._dirty:
                    return
                self._condition.wait_for(lambda: self._stopping, timeout=_DEBOUNCE)
            took = self._save()
            with self._condition:
                self._condition.wait_for(lambda: self._stopping, timeout=took * _SHARE)

    def _save(self) -> float:
        with self._condition:
            self._freezing = True
            self._condition.wait_for(lambda: self._changing == 0, timeout=10)
            dirty, self._dirty = self._dirty, set()
        started = time.monotonic()
        writes = []
        try:
            for service in sorted(dirty):
                writes.append((service, self._snapshots.freeze(service)))  # noqa: PERF401 (a failure keeps what came before)
        except Exception:
            _LOGGER.exception("The AWS state could not be taken; it will be tried again after the next change")
        finally:
            with self._condition:
                self._freezing = False
                self._condition.notify_all()
        for service, write in writes:
            try:
                write()
            except OSError:
                _LOGGER.exception("The state of %s could not be written", service)
        return time.monotonic() - started
