"""Time as an argument, so that a test need not wait for it."""

import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """What the package asks of time."""

    def now(self) -> datetime:
        """The wall clock, with its time zone (UTC); compare it with times that a service stated."""
        ...

    def monotonic(self) -> float:
        """Seconds from an arbitrary start; never runs backwards. Measure durations with it."""
        ...

    def sleep(self, seconds: float) -> None:
        """Return after this many seconds."""
        ...


class SystemClock:
    """The machine's own time."""

    def now(self) -> datetime:
        """See `Clock.now`."""
        return datetime.now(tz=UTC)

    def monotonic(self) -> float:
        """See `Clock.monotonic`."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """See `Clock.sleep`."""
        time.sleep(seconds)


class SteppedClock:
    """A time that moves only when somebody sleeps or steps it; safe to share between threads.

    Attributes:
        sleeps: Every wait that was asked for, in seconds, in order.
    """

    def __init__(self, start: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        self._start = start
        self._elapsed = 0.0
        self._lock = threading.Lock()
        self.sleeps: list[float] = []

    def now(self) -> datetime:
        """See `Clock.now`."""
        return self._start + timedelta(seconds=self._elapsed)

    def monotonic(self) -> float:
        """See `Clock.monotonic`."""
        return self._elapsed

    def sleep(self, seconds: float) -> None:
        """Take note of the wait and step over it at once."""
        self.sleeps.append(seconds)
        self.step(seconds)

    def step(self, seconds: float) -> None:
        """Let this many seconds pass."""
        with self._lock:
            self._elapsed += seconds


SYSTEM: Clock = SystemClock()
