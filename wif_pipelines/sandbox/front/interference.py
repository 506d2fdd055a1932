"""Carrying out faults: a request that can be told to answer badly, and connections cut in rude and polite ways."""

import asyncio
import contextlib
import json
import socket
import struct
from typing import TypeAlias
from xml.sax.saxutils import escape

from aiohttp import web
from aiohttp.base_protocol import BaseProtocol
from aiohttp.http import StreamWriter
from multidict import CIMultiDict

from wif_pipelines.sandbox.front.faults import Fault

__all__ = ["FrontRequest", "answer_with_status", "reset_connection", "reset_during_request"]

_SETTLE = 0.05
_GOOGLE_STATUS = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    408: "DEADLINE_EXCEEDED",
    409: "ABORTED",
    412: "FAILED_PRECONDITION",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
_AWS_CODE = {
    403: "AccessDenied",
    404: "NotFound",
    429: "TooManyRequests",
    500: "InternalError",
    503: "SlowDown",
}


Buffer: TypeAlias = "bytes | bytearray | memoryview[int] | memoryview[bytes]"


class FrontRequest(web.BaseRequest):
    """A request whose answer can be spoilt on its way out, whoever writes it."""

    def spoil_answer(self, fault: Fault) -> "SpoilingWriter":
        """Route the answer through a writer that carries out the fault; tells afterwards whether it struck."""
        writer = SpoilingWriter(self.protocol, self._loop, fault)
        self._payload_writer = writer
        return writer


class SpoilingWriter(StreamWriter):
    """Passes the body of a successful answer on until the fault's byte is reached, then does what the fault says."""

    def __init__(self, protocol: BaseProtocol, loop: asyncio.AbstractEventLoop, fault: Fault) -> None:
        super().__init__(protocol, loop)
        self._fault = fault
        self._position = 0
        self._armed = False
        self.struck = False

    async def write_headers(self, status_line: str, headers: "CIMultiDict[str]") -> None:
        """Note whether the answer is a success; errors are left alone."""
        self._armed = status_line.split(" ")[1].startswith("2")
        await super().write_headers(status_line, headers)

    async def write(
        self,
        chunk: Buffer,
        *,
        drain: bool = True,
        LIMIT: int = 0x10000,  # noqa: N803 (aiohttp's)
    ) -> None:
        """Write a part of the body, or as much of it as the fault lets through."""
        await super().write(await self._spoilt(chunk), drain=drain, LIMIT=LIMIT)

    async def write_eof(self, chunk: bytes = b"") -> None:
        """Write the last part of the body, or as much of it as the fault lets through."""
        await super().write_eof(bytes(await self._spoilt(chunk)) if chunk else chunk)

    async def _spoilt(self, chunk: Buffer) -> Buffer:
        offset = self._fault.after_bytes - self._position
        self._position += len(chunk)
        if not self._armed or not 0 <= offset < len(chunk):
            return chunk
        self._armed, self.struck = False, True
        if self._fault.kind == "corrupt":
            spoilt = bytearray(chunk)
            spoilt[offset] ^= 0xFF
            return bytes(spoilt)
        await super().write(chunk[:offset])
        self.send_headers()
        await self._cut()
        raise ConnectionResetError("A fault of the sandbox cut this answer short")

    async def _cut(self) -> None:
        transport = self.transport
        if transport is None:
            return
        if self._fault.kind == "reset":
            await asyncio.sleep(_SETTLE)  # what was written before is to arrive first
            reset_connection(transport)
        else:
            transport.close()


def reset_connection(transport: asyncio.BaseTransport) -> None:
    """Close so that the peer sees a reset (RST) and not an end of file."""
    handle = transport.get_extra_info("socket")
    if handle is not None:
        handle.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    if isinstance(transport, asyncio.WriteTransport):
        transport.abort()


async def reset_during_request(request: web.BaseRequest, after_bytes: int) -> web.StreamResponse:
    """Read so much of the request's body, or all of a shorter one, then reset the connection."""
    with contextlib.suppress(asyncio.IncompleteReadError):
        await request.content.readexactly(after_bytes)
    if request.transport is not None:
        reset_connection(request.transport)
    return web.Response()  # goes nowhere


async def answer_with_status(request: web.BaseRequest, fault: Fault, *, service: str, google: bool) -> web.Response:
    """Answer with the fault's status without serving; the request's body is read and dropped first."""
    async for _ in request.content.iter_any():
        pass
    text = f"A fault of the sandbox ({fault.id}) answers this request with {fault.status}."
    if fault.body is not None:
        content_type = "application/json" if fault.body.lstrip().startswith("{") else "application/xml"
        return web.Response(status=fault.status, text=fault.body, content_type=content_type)
    if google:
        status = _GOOGLE_STATUS.get(fault.status, "UNKNOWN")
        error = {
            "code": fault.status,
            "message": text,
            "status": status,
            "errors": [{"message": text, "reason": status}],
        }
        return web.Response(status=fault.status, text=json.dumps({"error": error}), content_type="application/json")
    return web.Response(
        status=fault.status, text=_aws_error(fault.status, text, service), content_type="application/xml"
    )


def _aws_error(status: int, text: str, service: str) -> str:
    error = f"<Error><Code>{_AWS_CODE.get(status, 'InternalError')}</Code><Message>{escape(text)}</Message></Error>"
    return error if service == "s3" else f"<ErrorResponse>{error}<RequestId>fault</RequestId></ErrorResponse>"
