"""Sessions of resumable uploads: what arrived, what is missing, and the object at the end.

https://cloud.google.com/storage/docs/performing-resumable-uploads. A session outlives a restart: its body lies on disk
under the session's name, and its checksums are computed anew from there.
"""

import asyncio
import hashlib
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from aiohttp import web

from wif_pipelines.sandbox.google.errors import ApiError
from wif_pipelines.sandbox.google.kernel import Kernel
from wif_pipelines.sandbox.google.storage.blobs import BlobWriter
from wif_pipelines.sandbox.google.storage.incoming import hashes, pieces, pour
from wif_pipelines.sandbox.google.storage.masks import masked
from wif_pipelines.sandbox.google.storage.objects import Objects
from wif_pipelines.sandbox.google.storage.record import Preconditions
from wif_pipelines.sandbox.google.storage.resources import object_resource

_CONTENT_RANGE = re.compile(r"bytes (?:(\d+)-(\d+)|\*)/(\d+|\*)")
_GRANULE = 256 * 1024
_LIFETIME = 7 * 86400


@dataclass
class _Body:
    """What one session has received; requests of a session take turns."""

    writer: BlobWriter
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)


@dataclass(frozen=True)
class _Span:
    """A Content-Range header: the first byte's offset (None when there is no body), and the whole size if known."""

    first: int | None
    total: int | None
    final: bool = False


class Sessions:
    """Every session that was begun in the last week, by the hash of its id."""

    def __init__(self, kernel: Kernel, objects: Objects) -> None:
        self._sessions = kernel.store.collection("storage.sessions")
        self._clock = kernel.clock
        self._objects = objects
        self._bodies: dict[str, _Body] = {}
        for name, session in self._sessions.list():
            if session["begun"] + _LIFETIME < self._clock.time():
                self._forget(name)

    def begin(
        self, token: str, fields: Mapping[str, Any], demands: Preconditions, total: int | None, mask: str | None
    ) -> None:
        """Open a session.

        Args:
            token: Its id, a secret.
            fields: Arguments of `Objects.writer`.
            demands: What must hold at the end.
            total: The body's size in bytes, if it was announced.
            mask: The `fields` parameter for the answer at the end.
        """
        session = {"fields": dict(fields), "demands": asdict(demands), "total": total, "mask": mask}
        self._sessions.put(_digest(token), session | {"begun": self._clock.time()})

    async def serve(self, request: web.BaseRequest) -> web.StreamResponse:
        """Take more of the body, say how much there is, or cancel.

        Raises:
            ApiError: 404 for an unknown session, 499 for one that is thereby cancelled, 400 and 503 for a body that
                does not follow on what is there, and what `Objects.writer` raises.
        """
        name = _digest(request.query.get("upload_id", ""))
        if self._sessions.get(name) is None:
            raise ApiError(404, "No such resumable upload session (or it has expired).")
        if request.method == "DELETE":
            self._forget(name)
            raise ApiError(499, "The upload was cancelled by the client.", reason="clientClosedRequest")
        body = self._bodies.get(name) or self._bodies.setdefault(name, _Body(self._objects.blobs.resumed(name)))
        async with body.turn:
            session = self._sessions.get(name)
            if session is None:
                raise ApiError(404, "No such resumable upload session (or it has expired).")
            if "answer" in session:
                return web.json_response(session["answer"])
            return await self._advance(request, name, session, body.writer)

    async def _advance(
        self, request: web.BaseRequest, name: str, session: dict[str, Any], writer: BlobWriter
    ) -> web.StreamResponse:
        span = _span(request, session["total"])
        if span.first is not None:
            try:
                await pour(_unseen(request, writer.size - span.first), writer.write)
            finally:
                writer.suspend()
        if span.total is not None and writer.size > span.total:
            self._forget(name)
            text = f"Invalid request. There were {writer.size} bytes uploaded, more than the {span.total} announced."
            raise ApiError(400, text, reason="badRequest")
        if span.final or writer.size == span.total:
            return await self._finish(request, name, session, writer)
        if span.first is not None and writer.size % _GRANULE:
            text = (
                "Invalid request. The number of bytes uploaded is required to be equal or greater than 262144, except "
                "for the final request (it's recommended to be the exact multiple of 262144). The received request "
                f"contained {writer.size - span.first} bytes, which does not meet this requirement."
            )
            raise ApiError(400, text, reason="badRequest")
        return _incomplete(request, writer.size)

    async def _finish(
        self, request: web.BaseRequest, name: str, session: dict[str, Any], body: BlobWriter
    ) -> web.StreamResponse:
        writer = self._objects.writer(**session["fields"], preconditions=Preconditions(**session["demands"]), body=body)
        try:
            with writer:
                writer.expect(**hashes(request))
                record = writer.commit()
        except ApiError:
            self._forget(name)
            raise
        answer = masked(object_resource(record), session["mask"])
        self._sessions.put(name, {"begun": session["begun"], "answer": answer})
        self._bodies.pop(name, None)
        return web.json_response(answer)

    def _forget(self, name: str) -> None:
        self._sessions.delete(name)
        self._bodies.pop(name, None)
        self._objects.blobs.writer(name).discard()


async def _unseen(request: web.BaseRequest, seen: int) -> AsyncIterator[bytes]:
    """The body without the bytes that came before.

    Raises:
        ApiError: 503 when bytes are missing before it.
    """
    if seen < 0:
        text = (
            "Invalid request. According to the Content-Range header, the upload offset exceeds already uploaded size "
            f"by {-seen} byte(s)."
        )
        raise ApiError(503, text)
    async for data in pieces(request):
        yield data[seen:]
        seen = max(seen - len(data), 0)


def _span(request: web.BaseRequest, total: int | None) -> _Span:
    header = request.headers.get("Content-Range")
    if header is None:
        return _Span(first=0, total=total, final=True)
    found = _CONTENT_RANGE.fullmatch(header.strip())
    if not found:
        raise ApiError(400, "Failed to parse Content-Range header.", reason="badRequest")
    first, _, whole = found.groups()
    return _Span(None if first is None else int(first), total if whole == "*" else int(whole))


def _incomplete(request: web.BaseRequest, size: int) -> web.Response:
    headers = {"Range": f"bytes=0-{size - 1}"} if size else {}
    if request.headers.get("X-GUploader-No-308", "").lower() == "yes":  # Go's client follows no 308
        return web.Response(status=200, headers=headers | {"X-HTTP-Status-Code-Override": "308"})
    return web.Response(status=308, reason="Resume Incomplete", headers=headers)


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
