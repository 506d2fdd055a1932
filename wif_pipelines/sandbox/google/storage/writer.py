"""One object on its way in."""

from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any

from wif_pipelines.sandbox.google.errors import ApiError
from wif_pipelines.sandbox.google.storage.blobs import Blobs, BlobWriter
from wif_pipelines.sandbox.google.storage.record import ObjectRecord, Preconditions


class ObjectWriter:
    """An object on its way in; made by `Objects.writer`."""

    def __init__(
        self,
        publish: Callable[[Mapping[str, Any], Preconditions], ObjectRecord],
        blobs: Blobs,
        fields: Mapping[str, Any],
        demands: Preconditions,
        body: BlobWriter,
        *,
        crc32c: str | None,
        md5: str | None,
    ) -> None:
        self._publish = publish
        self._blobs = blobs
        self._fields = fields
        self._demands = demands
        self._body = body
        self._expected = (crc32c, md5)
        self._committed = False

    def __enter__(self) -> "ObjectWriter":
        """Itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Forget the body unless it was committed."""
        if not self._committed:
            self._body.discard()

    @property
    def size(self) -> int:
        """Bytes written so far."""
        return self._body.size

    def write(self, data: bytes) -> None:
        """Append to the body."""
        self._body.write(data)

    def expect(self, *, crc32c: str | None = None, md5: str | None = None) -> None:
        """Name checksums that came after the body."""
        self._expected = (crc32c or self._expected[0], md5 or self._expected[1])

    def commit(self) -> ObjectRecord:
        """Check what was written, and make it the live generation.

        Raises:
            ApiError: 400 when a checksum differs, 412 when a precondition no longer holds.
        """
        check_checksums(self._body.crc32c, self._body.md5, *self._expected)
        sums = {"size": self._body.size, "crc32c": self._body.crc32c, "md5": self._body.md5}
        segments = self._body.keep()
        self._committed = True
        try:
            return self._publish({**self._fields, **sums, "segments": segments}, self._demands)
        except BaseException:
            self._blobs.drop(segments)
            raise


def check_checksums(crc32c: str, md5: str | None, said_crc32c: str | None, said_md5: str | None) -> None:
    """Refuse a body that is not what its sender says.

    Raises:
        ApiError: 400.
    """
    if said_crc32c and said_crc32c != crc32c:
        text = f'Provided CRC32C "{said_crc32c}" doesn\'t match calculated CRC32C "{crc32c}".'
        raise ApiError(400, text, reason="invalid")
    if said_md5 and md5 and said_md5 != md5:
        raise ApiError(
            400, f'Provided MD5 hash "{said_md5}" doesn\'t match calculated MD5 hash "{md5}".', reason="invalid"
        )
