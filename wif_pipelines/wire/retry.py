"""The one retry of the package.

Every wait is drawn evenly from zero to a bound that doubles ("full jitter"), so that many workers that failed together
do not come back together. A service that says how long to wait is believed, within the deadline.
https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
"""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from wif_pipelines.wire.clock import SYSTEM, Clock
from wif_pipelines.wire.google_errors import retry_after

T = TypeVar("T")

Worthwhile = Callable[[Exception], bool]


@dataclass(frozen=True)
class Backoff:
    """How long and how often to try again.

    Attributes:
        attempts: Calls in all, the first included.
        deadline: Seconds after which no new attempt begins. An attempt that runs is not interrupted.
        first_wait: Upper bound of the first wait, in seconds; it doubles with each attempt.
        max_wait: Upper bound of any wait that the service did not ask for, in seconds.
    """

    attempts: int = 6
    deadline: float = 60.0
    first_wait: float = 0.5
    max_wait: float = 16.0

    def wait(self, failures: int) -> float:
        """Seconds to wait after so many failures (1, 2, ...)."""
        bound = min(self.max_wait, self.first_wait * 2.0 ** (failures - 1))
        return random.uniform(0.0, bound)  # noqa: S311 - spreads load, guards nothing


def retrying(
    call: Callable[[], T],
    *,
    on: type[Exception] | tuple[type[Exception], ...] | Worthwhile,
    backoff: Backoff = Backoff(),
    clock: Clock = SYSTEM,
) -> T:
    """Call until it succeeds, fails for good, or the time is up.

    Args:
        call: What to do. It is called again after a failure, so it must be safe to repeat.
        on: The exceptions worth another attempt, or a function that says whether one is. Nothing is retried by default.
        backoff: How long and how often.
        clock: Whose time to wait in.

    Returns:
        What the first successful call returned.

    Raises:
        Exception: The last failure, unchanged.
    """
    worthwhile = _predicate(on)
    started = clock.monotonic()
    failures = 0
    while True:
        try:
            return call()
        except Exception as error:
            failures += 1
            wait = _next_wait(error, failures, backoff)
            out_of_time = clock.monotonic() - started + wait > backoff.deadline
            if failures >= backoff.attempts or out_of_time or not worthwhile(error):
                raise
        clock.sleep(wait)


def _predicate(on: type[Exception] | tuple[type[Exception], ...] | Worthwhile) -> Worthwhile:
    if isinstance(on, type | tuple):
        return lambda error: isinstance(error, on)
    return on


def _next_wait(error: Exception, failures: int, backoff: Backoff) -> float:
    """The longer of our own wait and the service's, when our error or its answer's Retry-After header says."""
    asked = getattr(error, "retry_after", None)
    if not isinstance(asked, int | float):
        asked = retry_after(error) or 0.0
    return max(backoff.wait(failures), float(asked))
