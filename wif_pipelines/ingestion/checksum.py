"""CRC32C as Cloud Storage writes it, over bytes as they pass."""

from __future__ import annotations

import base64
from typing import Any

_SLICE = 1024 * 1024


class Crc32c:
    """A running checksum and a count of what it covers."""

    def __init__(self) -> None:
        self._value = 0
        self.size = 0

    def update(self, content: Any) -> None:
        """Take in bytes, or anything that slices into something `bytes()` takes; at most 1 MiB is copied at a time."""
        import google_crc32c

        length = len(content)
        for start in range(0, length, _SLICE):
            piece = content if length <= _SLICE else content[start : start + _SLICE]
            self._value = google_crc32c.extend(self._value, piece if type(piece) is bytes else bytes(piece))
        self.size += length

    @property
    def base64(self) -> str:
        """Base64 of the big-endian checksum."""
        return base64.b64encode(self._value.to_bytes(4, "big")).decode("ascii")


def crc32c_of(content: Any) -> str:
    """The checksum of one piece of content."""
    whole = Crc32c()
    whole.update(content)
    return whole.base64
