"""Looking again and again, without haste and with an end."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

from wif_pipelines.wire import Clock

T = TypeVar("T")


@dataclass(frozen=True)
class Polling:
    """How patiently to poll.

    Attributes:
        first_wait: Seconds before the second look; each wait is half as long again as the last.
        max_wait: The longest wait, in seconds.
        deadline: How long to wait in all.
    """

    first_wait: float = 0.3
    max_wait: float = 30.0
    deadline: timedelta = timedelta(hours=2)

    def wait(self, looks: int) -> float:
        """Seconds to wait after so many looks (1, 2, ...)."""
        # The exponent is bounded because a float is: a job may be looked at thousands of times.
        return float(min(self.max_wait, self.first_wait * 1.5 ** min(looks - 1, 40)))


PATIENT = Polling()


def look_until(
    look: Callable[[], T],
    *,
    done: Callable[[T], bool],
    polling: Polling,
    clock: Clock,
    on_look: Callable[[T], None] | None = None,
) -> T | None:
    """Look until what is seen is done.

    Args:
        look: Looks once.
        done: Whether what was seen is what was waited for.
        polling: How patiently.
        clock: Whose time to wait in.
        on_look: Called with whatever is seen.

    Returns:
        What was seen last, or None when the deadline came first.
    """
    started = clock.monotonic()
    for looks in itertools.count(1):
        seen = look()
        if on_look is not None:
            on_look(seen)
        if done(seen):
            return seen
        wait = polling.wait(looks)
        if clock.monotonic() - started + wait > polling.deadline.total_seconds():
            break
        clock.sleep(wait)
    return None
