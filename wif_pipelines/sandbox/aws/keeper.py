"""When the state is written: soon after a change, never while one is under way, and only for a small share of time."""

import logging
import threading
import time
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager

from wif_pipelines.sandbox.aws.snapshot import Snapshots

__all__ = ["StateKeeper"]

_LOGGER = logging.getLogger(__name__)
_DEBOUNCE = 0.3
_SHARE = 20.0
_RETRY = 5.0


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
                self._condition.wait_for(lambda: self._stopping, timeout=_DEBOUNCE)
                last = self._stopping
            pause = self._save()
            if last:
                return
            with self._condition:
                self._condition.wait_for(lambda: self._stopping, timeout=pause)

    def _save(self) -> float:
        """Write what is dirty; returns for how long to do nothing after that."""
        with self._condition:
            self._freezing = True
            self._condition.wait_for(lambda: self._changing == 0, timeout=10)
            dirty, self._dirty = self._dirty, set()
        started = time.monotonic()
        frozen = [(service, self._freeze(service)) for service in sorted(dirty)]
        with self._condition:
            self._freezing = False
            self._condition.notify_all()
        failed = {service for service, write in frozen if write is None or not _written(service, write)}
        with self._condition:
            self._dirty |= failed
        return max((time.monotonic() - started) * _SHARE, _RETRY if failed else 0.0)

    def _freeze(self, service: str) -> Callable[[], None] | None:
        try:
            return self._snapshots.freeze(service)
        except Exception:
            # Long polls change queues unseen, and pickling then fails half-way.
            _LOGGER.exception("The state of %s could not be taken; it will be tried again", service)
            return None


def _written(service: str, write: Callable[[], None]) -> bool:
    try:
        write()
    except OSError:
        _LOGGER.exception("The state of %s could not be written; it will be tried again", service)
        return False
    return True
