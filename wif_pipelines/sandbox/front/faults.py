"""Faults as resources: what is to go wrong, for whom, how often, and how often it did.

A test adds a fault, runs its subject, and reads `used`: a fault that never struck proves nothing.
"""

import dataclasses
import fnmatch
import itertools
from typing import Any, Literal, get_args

__all__ = ["Fault", "FaultBook", "FaultKind", "InvalidFaultError"]

FaultKind = Literal["status", "delay", "reset", "truncate", "corrupt", "expire_tokens", "request_reset"]


class InvalidFaultError(ValueError):
    """A description of a fault that cannot be carried out; says which field."""


@dataclasses.dataclass
class Fault:
    """One thing to go wrong.

    Attributes:
        kind: what happens.
            `status`: the answer is `status` with `body`, and the request does not reach the service.
            `delay`: the request is held for `seconds` first.
            `reset`: the connection is reset after `after_bytes` of a successful answer's body.
            `truncate`: it is closed there in an orderly way, though more was promised.
            `corrupt`: the byte at `after_bytes` of a successful answer's body is inverted.
            `request_reset`: the connection is reset when `after_bytes` of the request's body have arrived.
            `expire_tokens`: every access token of Google's that is out becomes invalid before the request is served.
        service: which services, as a glob: `storage`, `s3`, `*`.
        method: which methods, as a glob: a Google method id (`storage.objects.insert`) or an AWS one (`s3:GetObject`).
        path: which request paths, percent-encoded, as a glob.
        status: for `status`.
        body: for `status`; None means an error as the service words it.
        seconds: for `delay`.
        after_bytes: see the kinds; a body shorter than that is left alone and the fault is not used up.
        count: how many requests it strikes; None means all until it is deleted.
        used: how many it has struck.
        id: by which it is read and deleted.
    """

    kind: FaultKind
    service: str = "*"
    method: str = "*"
    path: str = "*"
    status: int = 503
    body: str | None = None
    seconds: float = 0.0
    after_bytes: int = 0
    count: int | None = 1
    used: int = 0
    id: str = ""

    @property
    def remaining(self) -> int | None:
        """How many more requests it will strike; None means no end."""
        return None if self.count is None else self.count - self.used

    def matches(self, service: str, method: str, path: str) -> bool:
        """Whether it is meant for this request; says nothing of whether any use remains."""
        return all(
            fnmatch.fnmatchcase(actual, pattern)
            for actual, pattern in ((service, self.service), (method, self.method), (path, self.path))
        )

    def describe(self) -> dict[str, Any]:
        """The resource as JSON."""
        return {**dataclasses.asdict(self), "remaining": self.remaining}


class FaultBook:
    """All faults of one sandbox, in the order in which they were added. For one event loop; not for threads."""

    def __init__(self) -> None:
        self._faults: dict[str, Fault] = {}
        self._numbers = itertools.count(1)

    def __len__(self) -> int:
        return len(self._faults)

    def add(self, description: dict[str, Any]) -> Fault:
        """Add a fault described as JSON.

        Raises:
            InvalidFaultError: for an unknown field or kind, or a value of the wrong type.
        """
        fault = Fault(**_checked(description), id=f"fault-{next(self._numbers)}")
        self._faults[fault.id] = fault
        return fault

    def find(self, fault_id: str) -> Fault | None:
        """The fault with this id; None when there is none (any more)."""
        return self._faults.get(fault_id)

    def list(self) -> list[Fault]:
        """All faults, used up or not."""
        return list(self._faults.values())

    def delete(self, fault_id: str) -> bool:
        """Forget a fault; False when there was none."""
        return self._faults.pop(fault_id, None) is not None

    def clear(self) -> None:
        """Forget all faults."""
        self._faults.clear()

    def draw(self, service: str, method: str, path: str) -> Fault | None:
        """Take one use of the first fault that is meant for this request; None when nothing is to go wrong."""
        for fault in self._faults.values():
            if fault.remaining != 0 and fault.matches(service, method, path):
                fault.used += 1
                return fault
        return None

    def give_back(self, fault: Fault) -> None:
        """Return a use that could not be applied, such as a truncation beyond the end of the body."""
        fault.used -= 1


_TYPES: dict[str, tuple[type, ...]] = {
    "kind": (str,),
    "service": (str,),
    "method": (str,),
    "path": (str,),
    "status": (int,),
    "body": (str, type(None)),
    "seconds": (int, float),
    "after_bytes": (int,),
    "count": (int, type(None)),
}


def _checked(description: dict[str, Any]) -> dict[str, Any]:
    for name, value in description.items():
        if name not in _TYPES:
            raise InvalidFaultError(f"A fault has no field {name!r}; it has {', '.join(_TYPES)}.")
        if not isinstance(value, _TYPES[name]) or isinstance(value, bool):
            raise InvalidFaultError(f"The fault's {name} cannot be {value!r}.")
    if description.get("kind") not in get_args(FaultKind):
        raise InvalidFaultError(f"The fault's kind must be one of {', '.join(get_args(FaultKind))}.")
    if any(description.get(name, 0) < 0 for name in ("seconds", "after_bytes")) or description.get("count") == 0:
        raise InvalidFaultError("A fault's seconds and after_bytes cannot be negative, nor its count zero.")
    return description
