"""Serving WSGI on loopback with connections that stay open.

Werkzeug's own handler closes every connection and lingers 10 ms on it, which costs more than moto's work on a small
object. The gate reads every body to its end, so that keeping a connection is safe here.
"""

import logging
import socket
from collections.abc import Callable, Iterable
from typing import Any

from moto.moto_server.werkzeug_app import MotoRequestHandler
from werkzeug.serving import ThreadedWSGIServer

from wif_pipelines.sandbox.aws.gate import HEADERS_KEY

__all__ = ["bind"]

_LOGGER = logging.getLogger(__name__)
_BODILESS = frozenset({204, 304})


def bind(application: Callable[..., Iterable[bytes]]) -> ThreadedWSGIServer:
    """Bind a threaded server to a free port of 127.0.0.1; it serves when `serve_forever` is called."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    return _Server("127.0.0.1", 0, application, handler=_Handler)


class _Server(ThreadedWSGIServer):  # type: ignore[misc]
    """Its threads end with the process."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 256


class _Handler(MotoRequestHandler):  # type: ignore[misc]
    """Answers whole bodies with a length, and hands the request's headers on as they came."""

    protocol_version = "HTTP/1.1"
    wbufsize = 1 << 16

    def setup(self) -> None:
        super().setup()
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def make_environ(self) -> dict[str, Any]:
        environ: dict[str, Any] = super().make_environ()
        headers: dict[str, str] = {}
        for name, value in self.headers.items():
            lower = name.lower()
            headers[lower] = f"{headers[lower]},{value}" if lower in headers else value
        environ[HEADERS_KEY] = headers
        return environ

    def run_wsgi(self) -> None:
        status, headers = 500, list[tuple[str, str]]()

        def start_response(line: str, sent: list[tuple[str, str]], _: object = None) -> None:
            nonlocal status, headers
            status, headers = int(line.partition(" ")[0]), sent

        answer = self.server.app(self.make_environ(), start_response)
        try:
            body = b"".join(answer)
        finally:
            getattr(answer, "close", lambda: None)()
        self._send(status, headers, body)

    def _send(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        self.send_response(status)
        measured = self.command == "HEAD" or status in _BODILESS
        for name, value in headers:
            if name.lower() not in {"connection", "transfer-encoding"} and (
                measured or name.lower() != "content-length"
            ):
                self.send_header(name, value)
        if not measured:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
        self.wfile.flush()

    def log_request(self, *_: Any, **__: Any) -> None:
        """Say nothing: the addresses of presigned requests hold signatures."""
