"""Bodies on disk: written in pieces with their checksums, kept under names of their own, shared by hard links."""

import base64
import hashlib
import os
import uuid
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, NamedTuple

import google_crc32c

from wif_pipelines.sandbox.google.storage.checksums import encode_crc32c

_CHUNK = 1 << 20


class Segment(NamedTuple):
    """A stretch of a body: the file that holds it, and its size in bytes."""

    blob: str
    size: int


class BlobWriter:
    """Takes a body in pieces; until `keep`, it is nobody's.

    Between `suspend` and the next `write` no file is held open, so that many uploads may lie waiting.
    """

    def __init__(self, blobs: "Blobs", path: Path) -> None:
        self._blobs = blobs
        self._path = path
        self._file: IO[bytes] | None = None
        self._crc32c = 0
        self._md5 = hashlib.md5(usedforsecurity=False)
        self.size = 0

    @property
    def crc32c(self) -> str:
        """Of what was written so far, in base64."""
        return encode_crc32c(self._crc32c)

    @property
    def md5(self) -> str:
        """Of what was written so far, in base64."""
        return base64.b64encode(self._md5.digest()).decode()

    def write(self, data: bytes) -> None:
        """Append."""
        if self._file is None:
            self._file = self._path.open("ab")
        self._file.write(data)
        self._account(data)

    def suspend(self) -> None:
        """Put what was written on disk and close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def keep(self) -> tuple[Segment, ...]:
        """Move the body to its place; an empty body needs none."""
        self.suspend()
        if not self.size:
            self._path.unlink(missing_ok=True)
            return ()
        return (Segment(self._blobs.adopt(self._path), self.size),)

    def discard(self) -> None:
        """Forget everything that was written."""
        self.suspend()
        self._path.unlink(missing_ok=True)

    def reread(self) -> None:
        """Take up a body that an earlier process began."""
        if self._path.exists():
            with self._path.open("rb") as file:
                while data := file.read(_CHUNK):
                    self._account(data)

    def _account(self, data: bytes) -> None:
        self._crc32c = google_crc32c.extend(self._crc32c, data)
        self._md5.update(data)
        self.size += len(data)


class Blobs:
    """The folder of bodies.

    A file belongs to one object or one part. What two objects share is linked, so either may go without the other, and
    a reader that has a file open reads on when its object is replaced.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory / "storage"
        self._incoming = self._directory / "incoming"
        self._incoming.mkdir(parents=True, exist_ok=True)
        for number in range(256):
            (self._directory / f"{number:02x}").mkdir(exist_ok=True)

    def writer(self, name: str = "") -> BlobWriter:
        """Takes a new body. A `name` makes it one that `resumed` finds again in a later process."""
        return BlobWriter(self, self._incoming / (name or f"{uuid.uuid4().hex}.tmp"))

    def resumed(self, name: str) -> BlobWriter:
        """A writer that has already what was written under this name."""
        writer = self.writer(name)
        writer.reread()
        return writer

    def sweep(self) -> None:
        """Drop the unnamed bodies that an earlier process left unfinished."""
        for path in self._incoming.glob("*.tmp"):
            path.unlink(missing_ok=True)

    def adopt(self, path: Path) -> str:
        """Give a finished file its place; returns its blob."""
        blob = uuid.uuid4().hex
        path.rename(self._path(blob))
        return blob

    def link(self, segments: Iterable[Segment]) -> tuple[Segment, ...]:
        """The same bytes once more, for another owner; nothing is copied."""
        return tuple(self._link(segment) for segment in segments)

    def drop(self, segments: Iterable[Segment]) -> None:
        """Delete what no one owns any longer."""
        for segment in segments:
            self._path(segment.blob).unlink(missing_ok=True)

    def read(self, segments: Sequence[Segment], start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """The bytes from `start` to before `stop`, in pieces of at most 1 MiB; files are opened as they are reached."""
        position = 0
        stop = sum(segment.size for segment in segments) if stop is None else stop
        for segment in segments:
            first, last = max(start - position, 0), min(stop - position, segment.size)
            if first < last:
                yield from self._stretch(segment, first, last)
            position += segment.size

    def _link(self, segment: Segment) -> Segment:
        copy = uuid.uuid4().hex
        os.link(self._path(segment.blob), self._path(copy))
        return Segment(copy, segment.size)

    def _stretch(self, segment: Segment, first: int, last: int) -> Iterator[bytes]:
        with self._path(segment.blob).open("rb", buffering=0) as file:
            file.seek(first)
            while first < last:
                data = file.read(min(_CHUNK, last - first))
                if not data:
                    raise OSError(f"a body of the local cloud is shorter than its record says: {segment.blob}")
                first += len(data)
                yield data

    def _path(self, blob: str) -> Path:
        return self._directory / blob[:2] / blob
