"""Running a check in a forked child, which ends after ten seconds whatever it waits for."""

import os
import signal
from collections.abc import Callable


def holds_in_a_child(check: Callable[[], bool], *, meanwhile: Callable[[], object] = lambda: None) -> bool:
    """Whether the check is true in a child that is forked now; `meanwhile` runs here once the child has begun."""
    child = os.fork()
    if child == 0:  # pragma: no cover - another process
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(10)
        os._exit(0 if check() else 1)
    ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    meanwhile()
    return ended == 0
