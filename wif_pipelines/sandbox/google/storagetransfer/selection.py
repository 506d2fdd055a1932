"""Which objects a run is about: those under the source's path, or a manifest's, that satisfy the job's conditions."""

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True)
class Conditions:
    """`ObjectConditions`, as of the start of a run.

    Prefixes are relative to the path of the source (and of the sink). Times are seconds since the epoch.
    """

    include: tuple[str, ...]
    exclude: tuple[str, ...]
    since: float
    before: float

    @classmethod
    def read(cls, conditions: Mapping[str, Any], started: float) -> "Conditions":
        """Read the API's message; what is relative to the start of the run is counted from `started`."""
        since, before = [-float("inf")], [float("inf")]
        if at := conditions.get("lastModifiedSince"):
            since.append(_epoch(at))
        if at := conditions.get("lastModifiedBefore"):
            before.append(_epoch(at))
        if span := conditions.get("maxTimeElapsedSinceLastModification"):
            since.append(started - float(span[:-1]) + 1e-6)
        if span := conditions.get("minTimeElapsedSinceLastModification"):
            before.append(started - float(span[:-1]) + 1e-6)
        include, exclude = conditions.get("includePrefixes", ()), conditions.get("excludePrefixes", ())
        return cls(tuple(include), tuple(exclude), max(since), min(before))

    def name_passes(self, name: str) -> bool:
        """Whether a name, relative to the path, satisfies the prefixes."""
        return (not self.include or name.startswith(self.include)) and not name.startswith(self.exclude or "\0")

    def time_passes(self, modified: float) -> bool:
        """Whether a last modification satisfies the times."""
        return self.since <= modified < self.before

    def roots(self, path: str) -> list[str]:
        """The prefixes to list, whole, in order."""
        return [path + prefix for prefix in sorted(self.include)] or [path]


def manifest_rows(chunks: Iterable[bytes]) -> Iterator[tuple[str, str | None]]:
    """(name relative to the path, version or None) of each row of a manifest that is read in pieces.

    See https://cloud.google.com/storage-transfer/docs/manifest

    Raises:
        UnicodeDecodeError: It is not UTF-8.
    """
    stream = io.BufferedReader(_Pieces(iter(chunks).__next__), 1 << 16)
    with io.TextIOWrapper(stream, encoding="utf-8", newline="") as text:
        for row in csv.reader(text):
            if row and row[0]:
                yield row[0], (row[1].strip() or None) if len(row) > 1 else None


class _Pieces(io.RawIOBase):
    """A file of the pieces that a function gives until it raises StopIteration."""

    def __init__(self, give: Callable[[], bytes]) -> None:
        self._give = give
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._rest:
            try:
                self._rest = self._give()
            except StopIteration:
                return 0
        taken = self._rest[: len(buffer)]
        buffer[: len(taken)] = taken
        self._rest = self._rest[len(taken) :]
        return len(taken)


def _epoch(stamp: str) -> float:
    return datetime.fromisoformat(stamp).timestamp()
