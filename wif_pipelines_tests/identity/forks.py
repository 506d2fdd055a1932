"""Running a check in a forked child, which ends after ten seconds whatever it waits for."""

import os
import signal
from collections.abc import Callable


def holds_in_a_child(check: Callable[[], bool]) -> bool:
    """Whether the check is true in a child that is forked now."""
    child = os.fork()
    if child == 0:  # pragma: no cover - another process
        status = 1
        try:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.alarm(10)
            status = 0 if check() else 1
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
