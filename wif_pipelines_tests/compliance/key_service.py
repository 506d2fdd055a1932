"""Cloud KMS and Cloud Storage, as far as policies look at them: over TLS, behind a proxy, told by a test what to hold.

It answers in the services' wire formats and judges nothing; what the real services judge is the local cloud's to say.
"""

import contextlib
import json
import socket
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import trustme


@dataclass
class KeyService:
    """What there is. A number in place of a resource is the status that its reader is answered with."""

    proxy: str
    bundle: Path
    keys: dict[str, dict[str, Any] | int] = field(default_factory=dict)
    buckets: dict[str, dict[str, Any] | int] = field(default_factory=dict)
    reads: list[str] = field(default_factory=list)
    busy: int = 0

    def answer(self, path: str) -> tuple[int, dict[str, Any]]:
        self.reads.append(path)
        if self.busy:
            self.busy -= 1
            return 503, _error(503, "busy")
        kind, _, name = path.partition("?")[0].removeprefix("/storage/v1/b/").rpartition("/v1/")
        found = (self.keys if kind == "" and "/cryptoKeys/" in path else self.buckets).get(name, 404)
        if isinstance(found, int):
            permission = "cloudkms.cryptoKeys.get" if "/cryptoKeys/" in path else "storage.buckets.get"
            return found, _error(found, f"Permission '{permission}' denied on resource (or it may not exist).")
        return 200, found


def _error(status: int, message: str) -> dict[str, Any]:
    return {"error": {"code": status, "message": message, "errors": [{"message": message, "reason": "x"}]}}


class _Proxy(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, context: ssl.SSLContext, bundle: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.context = context
        self.service = KeyService(proxy=f"http://127.0.0.1:{self.server_port}", bundle=bundle)


class _Handler(BaseHTTPRequestHandler):
    server: _Proxy

    def do_CONNECT(self) -> None:
        """Answer for whatever host is asked for, over TLS, on the same connection."""
        self.send_response(200)
        self.end_headers()
        with contextlib.suppress(OSError):
            self.connection: socket.socket = self.server.context.wrap_socket(self.connection, server_side=True)
            self.rfile = self.connection.makefile("rb")
            self.wfile = self.connection.makefile("wb", buffering=0)
            self.close_connection = False

    def do_GET(self) -> None:
        status, body = self.server.service.answer(self.path)
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
        self.close_connection = True

    def finish(self) -> None:
        with contextlib.suppress(OSError):
            super().finish()
        self.connection.close()

    def log_message(self, *args: object) -> None:
        """A test's output is its own."""


@contextlib.contextmanager
def running(directory: Path) -> Iterator[KeyService]:
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("cloudkms.googleapis.com", "storage.googleapis.com").configure_cert(context)
    bundle = directory / "authority.pem"
    authority.cert_pem.write_to_path(str(bundle))
    with _Proxy(context, bundle) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server.service
        server.shutdown()
        thread.join()
