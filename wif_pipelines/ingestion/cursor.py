"""Which objects are new since the last look: a small value that a sensor keeps between its ticks.

S3 lists by key, not by time, so what is new shows only in a pass over the keys (a *sweep*). A tick looks at a bounded
number of keys and the next tick goes on after them. What a sweep must remember is bounded too:

- `floor`: objects last modified before it are settled, and not looked at again.
- `seen`: fingerprints of (key, ETag, time) of the objects at or after the floor that were handed out. It comes from the
  sweep itself, so that deleted keys drop out, and a modified, overwritten or same-second key has another fingerprint
  and is new.

The floor trails each sweep's start by `lag`, because S3 shows some objects late: a multipart upload carries the time at
which it *began*. An upload that takes longer than the lag is not found here but by the next full plan (the weekly
schedule), which compares with the landing bucket and needs no cursor. Buckets with more fresh objects than `max_seen`
get a shorter lag, never below `MINIMUM_LAG`; they are better served by S3's event notifications.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from wif_pipelines.errors import ConfigurationError
from wif_pipelines.ingestion.inventory import SourceObject

DEFAULT_LAG = timedelta(days=1)
MINIMUM_LAG = timedelta(minutes=15)
MAX_SEEN = 20_000
"""Remembered fingerprints; 20,000 make a cursor of about 350 KB."""

_VERSION = 1
_STAMP, _PRINT = 5, 8
"""Bytes of a time (seconds since 1970) and of a fingerprint. Of 20,000, two collide in one of 10^11 cursors."""

Seen = frozenset[tuple[int, bytes]]
"""(Seconds since 1970 of the last modification, fingerprint)."""


@dataclass(frozen=True, slots=True)
class ListingCursor:
    """Where a sensor stands. Keep it as the text of `to_json`, read it with `from_json`.

    Attributes:
        floor: Seconds since 1970; objects last modified before it are settled. 0 when everything is new.
        seen: Objects at or after the floor that were handed out by the last complete sweep.
        position: The key after which the current sweep goes on; empty between two sweeps.
        next_floor: The floor once the current sweep is complete.
        fresh: What the current sweep found at or after `next_floor` so far.
        started: Seconds since 1970 at which the current sweep began.
    """

    floor: int = 0
    seen: Seen = frozenset()
    position: str = ""
    next_floor: int = 0
    fresh: Seen = frozenset()
    started: int = 0

    @classmethod
    def since(cls, moment: datetime) -> ListingCursor:
        """A cursor for which everything last modified before the moment is old."""
        return cls(floor=int(moment.timestamp()))

    @property
    def sweeping(self) -> bool:
        """Whether a sweep is under way, so that there is more to look at right now."""
        return self.position != ""

    def to_json(self) -> str:
        """Write as text that `from_json` reads; it holds no key except `position`."""
        state = {
            "version": _VERSION,
            "floor": self.floor,
            "seen": _pack(self.seen),
            "position": self.position,
            "next_floor": self.next_floor,
            "fresh": _pack(self.fresh),
            "started": self.started,
        }
        return json.dumps(state, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str | None) -> ListingCursor:
        """Read what `to_json` wrote; nothing at all is the cursor for which everything is new.

        Raises:
            ConfigurationError: The text is not a cursor of this version.
        """
        if not text:
            return cls()
        try:
            return cls(**_state(json.loads(text)))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ConfigurationError(
                f"The sensor's cursor cannot be read ({type(error).__name__}: {error}).",
                remedy="Reset the cursor. Everything then counts as new; what has already landed is not copied again.",
            ) from error


def new_objects(
    cursor: ListingCursor,
    listing: Iterable[SourceObject],
    *,
    now: datetime,
    max_scanned: int = 50_000,
    max_batch: int = 10_000,
    lag: timedelta = DEFAULT_LAG,
    max_seen: int = MAX_SEEN,
) -> tuple[tuple[SourceObject, ...], ListingCursor]:
    """Look at the next stretch of a listing and tell what is new in it. Pure; reads the listing only as far as needed.

    Args:
        cursor: Where the last look stopped.
        listing: The source in ascending order of keys, beginning after `cursor.position`.
        now: The time of this look; the clock may differ from S3's by less than the lag.
        max_scanned: Objects to look at before stopping in mid-sweep.
        max_batch: New objects to find before stopping in mid-sweep.
        lag: How late S3 may show an object with an earlier time.
        max_seen: Fingerprints to remember at most, as far as `MINIMUM_LAG` allows.

    Returns:
        The new objects in order of keys, and the cursor for the next look.
    """
    state = cursor if cursor.sweeping else _begin(cursor, now, lag)
    batch: list[SourceObject] = []
    fresh = set(state.fresh)
    position, scanned = state.position, 0
    for found in listing:
        mark = _mark(found)
        if mark[0] >= state.floor and mark not in state.seen:
            batch.append(found)
        if mark[0] >= state.next_floor:
            fresh.add(mark)
        position, scanned = found.key, scanned + 1
        if scanned >= max_scanned or len(batch) >= max_batch:
            return tuple(batch), _bounded(replace(state, position=position, fresh=frozenset(fresh)), max_seen)
    done = _bounded(replace(state, fresh=frozenset(fresh)), max_seen)
    return tuple(batch), ListingCursor(floor=done.next_floor, seen=done.fresh)


def _begin(cursor: ListingCursor, now: datetime, lag: timedelta) -> ListingCursor:
    """Start a sweep; its floor never falls behind the last one's, whatever the clock does."""
    started = int(now.timestamp())
    next_floor = max(cursor.floor, started - int(max(lag, MINIMUM_LAG).total_seconds()))
    return replace(cursor, started=started, next_floor=next_floor, fresh=frozenset())


def _bounded(cursor: ListingCursor, max_seen: int) -> ListingCursor:
    """Raise the next floor until few enough fingerprints are left, but not above the minimum lag."""
    if len(cursor.fresh) <= max_seen:
        return cursor
    newest_first = sorted((stamp for stamp, _ in cursor.fresh), reverse=True)
    highest = cursor.started - int(MINIMUM_LAG.total_seconds())
    floor = max(cursor.next_floor, min(highest, newest_first[max_seen - 1] + 1))
    return replace(cursor, next_floor=floor, fresh=frozenset(mark for mark in cursor.fresh if mark[0] >= floor))


def _mark(found: SourceObject) -> tuple[int, bytes]:
    stamp = int(found.last_modified.timestamp())
    text = f"{found.etag}\0{found.last_modified.astimezone(UTC).isoformat()}\0{found.key}"
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=_PRINT)
    return stamp, digest.digest()


def _state(saved: dict[str, Any]) -> dict[str, Any]:
    if saved.pop("version") != _VERSION:
        raise ValueError("written by another version")
    return saved | {"seen": _unpack(saved["seen"]), "fresh": _unpack(saved["fresh"])}


def _pack(seen: Seen) -> str:
    raw = b"".join(stamp.to_bytes(_STAMP, "big") + mark for stamp, mark in sorted(seen))
    return base64.b64encode(raw).decode("ascii")


def _unpack(text: str) -> Seen:
    raw = base64.b64decode(text, validate=True)
    starts = range(0, len(raw), _STAMP + _PRINT)
    pieces = (raw[start : start + _STAMP + _PRINT] for start in starts)
    return frozenset((int.from_bytes(piece[:_STAMP], "big"), piece[_STAMP:]) for piece in pieces)
