"""The proxy's wire: CONNECT becomes TLS in place, in the name of the host asked for; anything else is plain HTTP.

No second hop: the HTTP server's protocol is set on the decrypted side of the very connection that the client opened.
"""

import asyncio
import contextlib
import logging
import ssl
from collections.abc import Callable, Coroutine
from typing import cast

from wif_pipelines.sandbox.front.authority import Authority
from wif_pipelines.sandbox.front.dispatch import is_aws, is_google

__all__ = ["TunnelProtocol"]

_LOGGER = logging.getLogger(__name__)
_HEAD_LIMIT = 1 << 16
_HANDSHAKE_TIMEOUT = 20.0
_SHUTDOWN_TIMEOUT = 2.0
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_VERB = b"CONNECT "


class TunnelProtocol(asyncio.Protocol):
    """The first protocol of every connection; it gives way to another as soon as it knows what the client wants."""

    def __init__(
        self,
        authority: Authority,
        inside: Callable[[], asyncio.Protocol],
        plain: Callable[[], asyncio.Protocol],
        tasks: "set[asyncio.Task[None]]",
    ) -> None:
        self._authority = authority
        self._inside = inside
        self._plain = plain
        self._tasks = tasks
        self._transport: asyncio.Transport | None = None
        self._head = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember the connection."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Read on until it is clear what this connection is for."""
        if self._transport is None:
            return
        self._head += data
        if not _VERB.startswith(self._head[: len(_VERB)]):
            _hand_over(self._transport, self._plain(), self._head)
        elif b"\r\n\r\n" in self._head:
            self._connect(self._transport)
        elif len(self._head) > _HEAD_LIMIT:
            self._transport.close()

    def _connect(self, transport: asyncio.Transport) -> None:
        host, port = _target_of(self._head)
        if host in _LOOPBACK:
            self._spawn(_tunnel_blindly(transport, host, port))
        elif port != 443 or not (is_google(host) or is_aws(host)):
            _refuse(transport, host, port)
        else:
            self._spawn(self._tunnel(transport, host))

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _tunnel(self, transport: asyncio.Transport, host: str) -> None:
        transport.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        waiting = _Waiting()
        loop = asyncio.get_running_loop()
        context = self._authority.context_for(host)
        try:
            secure = await loop.start_tls(
                transport,
                waiting,
                context,
                server_side=True,
                ssl_handshake_timeout=_HANDSHAKE_TIMEOUT,
                ssl_shutdown_timeout=_SHUTDOWN_TIMEOUT,
            )
        except (OSError, ssl.SSLError, TimeoutError) as error:
            # Mostly a client that does not trust the sandbox's authority: it says so itself, and in more detail.
            _LOGGER.info("No TLS for %s: %s", host, error)
            transport.abort()
            return
        if secure is None or waiting.is_lost:
            transport.abort()
            return
        _hand_over(secure, self._inside(), waiting.received)


class _Waiting(asyncio.Protocol):
    """Holds what arrives between the handshake and the server's taking over; often that is the first request."""

    def __init__(self) -> None:
        self.received = b""
        self.is_lost = False

    def data_received(self, data: bytes) -> None:
        self.received += data

    def eof_received(self) -> None:
        self.is_lost = True

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 (asyncio's)
        self.is_lost = True


def _hand_over(transport: asyncio.Transport, protocol: asyncio.Protocol, received: bytes) -> None:
    transport.set_protocol(protocol)
    protocol.connection_made(transport)
    if received:
        protocol.data_received(received)


def _target_of(head: bytes) -> tuple[str, int]:
    words = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ")
    host, _, port = (words[1] if len(words) == 3 else "").rpartition(":")
    return host.strip("[]").lower(), int(port) if port.isdigit() else 0


def _refuse(transport: asyncio.Transport, host: str, port: int) -> None:
    text = (
        f"The sandbox is closed to the world: {host}:{port} is not part of it. It has *.googleapis.com, "
        f"*.amazonaws.com and *.api.aws on port 443. Run this outside of `wif sandbox run`, or unset HTTPS_PROXY.\n"
    )
    _answer_and_close(transport, "403 Not part of the sandbox", text)


def _answer_and_close(transport: asyncio.Transport, status: str, text: str) -> None:
    body = text.encode()
    lines = (f"HTTP/1.1 {status}", "Content-Type: text/plain", f"Content-Length: {len(body)}", "Connection: close")
    transport.write("\r\n".join((*lines, "", "")).encode() + body)
    transport.close()


async def _tunnel_blindly(transport: asyncio.Transport, host: str, port: int) -> None:
    loop = asyncio.get_running_loop()
    near = _Pipe(transport)
    try:
        far, _ = await loop.create_connection(lambda: _Pipe(transport), host, port)
    except OSError as error:
        _answer_and_close(transport, "502 Bad Gateway", f"{host}:{port} does not answer: {error}\n")
        return
    near.peer = far
    transport.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
    transport.set_protocol(near)


class _Pipe(asyncio.Protocol):
    """Writes what it receives to the peer, no faster than the peer's buffers drain."""

    def __init__(self, peer: asyncio.Transport) -> None:
        self.peer = peer

    def data_received(self, data: bytes) -> None:
        self.peer.write(data)

    def pause_writing(self) -> None:
        self.peer.pause_reading()

    def resume_writing(self) -> None:
        with contextlib.suppress(RuntimeError):
            self.peer.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 (asyncio's)
        self.peer.close()
