"""Bodies as they come in: pieces of a bounded size, and the two halves of a multipart/related upload."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable
from typing import Any

from aiohttp import web

from wif_pipelines.sandbox.google.errors import ApiError

_PIECE = 1 << 19
_METADATA_LIMIT = 1 << 20
_SUMS = re.compile(r"(crc32c|md5)=([A-Za-z0-9+/]+=*)")
_BLANK_LINE = re.compile(rb"\r?\n\r?\n")


async def pieces(request: web.BaseRequest) -> AsyncIterator[bytes]:
    """The body in pieces of about half a MiB, so that the work on each may go to a thread."""
    if not request.can_read_body:
        return
    gathered, size = [], 0
    while data := await request.content.readany():
        gathered.append(data)
        size += len(data)
        if size >= _PIECE:
            yield b"".join(gathered)
            gathered, size = [], 0
    if gathered:
        yield b"".join(gathered)


async def pour(body: AsyncIterator[bytes], write: Callable[[bytes], None]) -> None:
    """Write every piece; what is large is written, and summed, beside the event loop."""
    async for data in body:
        if len(data) >= _PIECE:
            await asyncio.to_thread(write, data)
        else:
            write(data)


async def whole(request: web.BaseRequest, limit: int = 4 << 20) -> bytes:
    """A body that is small by its nature.

    Raises:
        ApiError: 413 when it is not.
    """
    body = bytearray()
    async for data in pieces(request):
        body += data
        if len(body) > limit:
            raise ApiError(413, "Request payload size exceeds the limit.", reason="uploadTooLarge")
    return bytes(body)


def hashes(request: web.BaseRequest) -> dict[str, str]:
    """The checksums of an `x-goog-hash` header (which may come in several), and of Content-MD5, by name."""
    said = ",".join(request.headers.getall("X-Goog-Hash", ()))
    found = dict(_SUMS.findall(said))
    if "Content-MD5" in request.headers:
        found.setdefault("md5", request.headers["Content-MD5"])
    return found


class RelatedBody:
    """A multipart/related upload: the object's resource as JSON, then its bytes.

    https://cloud.google.com/storage/docs/uploading-objects#rest-upload-objects
    """

    def __init__(self, request: web.BaseRequest) -> None:
        """Begin to read.

        Raises:
            ApiError: 400 when the Content-Type names no boundary.
        """
        found = re.search(r"boundary=(?:\"([^\"]+)\"|([^;\s]+))", request.headers.get("Content-Type", ""))
        if not found:
            raise _malformed()
        self._boundary = b"--" + (found[1] or found[2]).encode()
        self._pieces = pieces(request)
        self._held = b""

    async def metadata(self) -> tuple[Any, str | None]:
        """The JSON of the first part and the content type of the second, which is then next to be read.

        Raises:
            ApiError: 400.
        """
        await self._until(re.compile(re.escape(self._boundary) + rb"\r?\n"))
        await self._until(_BLANK_LINE)
        text = await self._until(re.compile(rb"\r?\n" + re.escape(self._boundary) + rb"\r?\n"))
        head = b"\r\n" + await self._until(_BLANK_LINE, also=re.compile(rb"\A\r?\n"))
        kind = re.search(rb"\ncontent-type:\s*([^\r\n]+)", head, re.IGNORECASE)
        try:
            return json.loads(text or b"{}"), kind[1].decode().strip() if kind else None
        except ValueError:
            raise ApiError(400, "Parse Error", reason="parseError") from None

    async def media(self) -> AsyncIterator[bytes]:
        """The bytes of the second part.

        Raises:
            ApiError: 400 when the closing boundary does not follow.
        """
        room = len(self._boundary) + 64
        async for data in self._pieces:
            held = self._held + data
            yield held[:-room]
            self._held = held[-room:]
        end = re.search(rb"\r?\n" + re.escape(self._boundary) + rb"--[ \t]*(?:\r?\n)*\Z", self._held)
        if not end:
            raise _malformed()
        yield self._held[: end.start()]

    async def _until(self, pattern: re.Pattern[bytes], also: re.Pattern[bytes] | None = None) -> bytes:
        """What stands before the pattern; the reading goes on behind it."""
        while True:
            found = (also.search(self._held) if also else None) or pattern.search(self._held)
            if found:
                before, self._held = self._held[: found.start()], self._held[found.end() :]
                return before
            data = await anext(self._pieces, b"")
            if not data or len(self._held) > _METADATA_LIMIT:
                raise _malformed()
            self._held += data


def _malformed() -> ApiError:
    return ApiError(400, "Malformed multipart body.", reason="badRequest")
