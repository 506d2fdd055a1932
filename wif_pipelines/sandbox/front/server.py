"""The front as a whole: one port on loopback that is both the clouds' proxy and the control interface."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http import RawRequestMessage
from aiohttp.streams import StreamReader
from aiohttp.web_protocol import RequestHandler

from wif_pipelines.sandbox.front.authority import Authority
from wif_pipelines.sandbox.front.interference import FrontRequest
from wif_pipelines.sandbox.front.tunnel import TunnelProtocol

__all__ = ["Front"]

_LOGGER = logging.getLogger(__name__)
_LINE_LIMIT = 1 << 16  # S3 keys and list filters are long once percent-encoded
_READ_BUFFER = 1 << 18

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class Front:
    """Binds a port and serves until it is stopped.

    Bodies are streamed both ways with back-pressure and are handed on as they were sent (never decompressed); there is
    no limit to their size, and no access log.
    """

    def __init__(self, authority: Authority, inside: Handler, plain: Handler) -> None:
        """Take what serves the requests inside tunnels, and what serves plain ones."""
        self._authority = authority
        self._handlers = (inside, plain)
        self._servers: list[web.Server] = []
        self._listener: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> int:
        """Bind a free port of 127.0.0.1 and return it."""
        inside, plain = (_http_server(handler) for handler in self._handlers)
        self._servers = [inside, plain]
        self._listener = await asyncio.get_running_loop().create_server(
            lambda: TunnelProtocol(self._authority, inside, plain, self._tasks), "127.0.0.1", 0, backlog=512
        )
        return int(self._listener.sockets[0].getsockname()[1])

    async def stop(self, grace: float = 2.0) -> None:
        """Stop listening, let requests under way end for `grace` seconds, and close every connection."""
        if self._listener is not None:
            self._listener.close()
        for task in self._tasks:
            task.cancel()
        for server in self._servers:
            server.pre_shutdown()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(server.shutdown(grace), grace + 1)


def _http_server(handler: Handler) -> web.Server:
    return web.Server(
        handler,
        request_factory=_make_request,
        access_log=None,
        auto_decompress=False,
        keepalive_timeout=300,
        max_field_size=_LINE_LIMIT,
        max_line_size=_LINE_LIMIT,
        read_bufsize=_READ_BUFFER,
    )


def _make_request(
    message: RawRequestMessage,
    payload: StreamReader,
    protocol: RequestHandler,
    writer: AbstractStreamWriter,
    task: "asyncio.Task[None]",
) -> FrontRequest:
    return FrontRequest(message, payload, protocol, writer, task, asyncio.get_running_loop(), client_max_size=0)
