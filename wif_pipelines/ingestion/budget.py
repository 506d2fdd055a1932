"""How much memory the bodies under way may take together."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class MemoryBudget:
    """Lets bodies in while they fit, first come first served, so that a large one is not starved by small ones.

    Args:
        limit: Bytes in all. A single body above the limit is let in alone.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._used = 0
        self._turn = threading.Lock()
        self._freed = threading.Condition()

    @contextmanager
    def hold(self, size: int) -> Iterator[None]:
        """Wait until so many bytes are free, and keep them for the block."""
        share = min(size, self._limit)
        with self._turn, self._freed:
            self._freed.wait_for(lambda: self._used + share <= self._limit)
            self._used += share
        try:
            yield
        finally:
            with self._freed:
                self._used -= share
                self._freed.notify()
