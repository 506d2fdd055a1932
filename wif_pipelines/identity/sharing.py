"""One of a thing for each key in a process, whatever the number of threads, and locks that survive a fork."""

import os
import threading
import weakref
from collections.abc import Callable, Hashable
from typing import Any, Generic, Protocol, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class ForkAware(Protocol):
    """Holds locks, which a fork copies in whatever state another thread of the parent left them."""

    def after_fork(self) -> None:
        """Put new locks in place; called in the child before any other thread of it runs."""
        ...


_aware: "weakref.WeakSet[ForkAware]" = weakref.WeakSet()


def mend_after_fork(holder: ForkAware) -> None:
    """Have the holder's `after_fork` called in every child of this process, for as long as somebody refers to it."""
    _aware.add(holder)


def _mend_all() -> None:
    for holder in list(_aware):
        holder.after_fork()


os.register_at_fork(after_in_child=_mend_all)


_shared: "weakref.WeakSet[PerProcess[Any, Any]]" = weakref.WeakSet()


def forget() -> None:
    """Forget every credential and token that this process shares, so that the next to ask starts anew.

    For whoever changes who the process is while it runs: a notebook after another ``aws sso login``, a test.
    Credentials already handed out go on as they are.
    """
    for shared in list(_shared):
        shared.clear()


class PerProcess(Generic[K, V]):
    """Makes a value for each key once in a process and keeps it for the process's life.

    Args:
        inherit: Whether a forked child takes over the values; if not, it makes its own.
    """

    def __init__(self, *, inherit: bool) -> None:
        self._inherit = inherit
        self._values: dict[K, V] = {}
        self._lock = threading.RLock()
        mend_after_fork(self)
        _shared.add(self)

    def clear(self) -> None:
        """Keep nothing."""
        with self._lock:
            self._values.clear()

    def get(self, key: K, make: Callable[[], V]) -> V:
        """The key's value, made by the first caller; the others wait. A failure is not kept."""
        with self._lock:
            if key not in self._values:
                self._values[key] = make()
            return self._values[key]

    def after_fork(self) -> None:
        """See `ForkAware`."""
        self._lock = threading.RLock()
        if not self._inherit:
            self._values = {}
