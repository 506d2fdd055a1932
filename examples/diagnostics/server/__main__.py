"""Serve a model over HTTP as Vertex AI asks a container to.

The port and the routes come from ``AIP_HTTP_PORT``, ``AIP_HEALTH_ROUTE`` and ``AIP_PREDICT_ROUTE``, the model from
``AIP_STORAGE_URI``. The health route answers 503 until the model is loaded, then 200. The process exits with status 2
when the model cannot be loaded, so that a deployment fails instead of hanging.
https://cloud.google.com/vertex-ai/docs/predictions/custom-container-requirements
"""

import json
import logging
import os
import signal
import sys
import threading
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from diagnostics.artefact import MODEL_FILE, Artefact, unpacked
from diagnostics.server.answering import BadRequestError, answer
from diagnostics.storage import directory

LOG = logging.getLogger("diagnostics.server")

MAX_BODY = 32 * 1024 * 1024


@dataclass
class Service:
    """What the requests share.

    Attributes:
        health_route: Path that tells whether the model is loaded.
        predict_route: Path that predicts.
        artefact: The model, once it is loaded.
    """

    health_route: str
    predict_route: str
    artefact: Artefact | None = None
    failure: threading.Event = field(default_factory=threading.Event)


class Server(ThreadingHTTPServer):
    """One thread for each connection; connections are kept open (HTTP/1.1)."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], service: Service) -> None:
        super().__init__(address, Handler)
        self.service = service


class Handler(BaseHTTPRequestHandler):
    """Routes one request."""

    protocol_version = "HTTP/1.1"
    server: Server
    timeout = 75  # seconds of silence after which a connection is closed
    # Headers and body leave in two writes; without this the second waits for the first's acknowledgement (40 ms).
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        """Health."""
        service = self.server.service
        if self._path() != service.health_route:
            self._refuse(HTTPStatus.NOT_FOUND, f"no such route: {self._path()}")
        elif service.artefact is None:
            self._refuse(HTTPStatus.SERVICE_UNAVAILABLE, "the model is being loaded")
        else:
            self._send(HTTPStatus.OK, {"status": "ready"})

    def do_POST(self) -> None:
        """Prediction."""
        body = self._body()
        if body is None:
            return
        service = self.server.service
        if self._path() != service.predict_route:
            self._refuse(HTTPStatus.NOT_FOUND, f"no such route: {self._path()}")
        elif service.artefact is None:
            self._refuse(HTTPStatus.SERVICE_UNAVAILABLE, "the model is being loaded")
        else:
            self._predict(service.artefact, body)

    def _predict(self, artefact: Artefact, body: bytes) -> None:
        try:
            answered = answer(artefact, json.loads(body))
        except BadRequestError as error:
            self._refuse(HTTPStatus.BAD_REQUEST, str(error))
        except ValueError as error:
            self._refuse(HTTPStatus.BAD_REQUEST, f"the body is not JSON: {error}")
        except Exception:
            LOG.exception("a prediction failed")
            self._refuse(HTTPStatus.INTERNAL_SERVER_ERROR, "the prediction failed; the server's log says why")
        else:
            self._send(HTTPStatus.OK, answered)

    def _body(self) -> bytes | None:
        """The body, or None when it was refused; then the connection is closed, for the body is still on its way."""
        length = self.headers.get("Content-Length", "")
        if not length.isdigit():
            self.close_connection = True
            self._refuse(HTTPStatus.LENGTH_REQUIRED, "a Content-Length is needed")
            return None
        if int(length) > MAX_BODY:
            self.close_connection = True
            self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"a body holds at most {MAX_BODY} bytes")
            return None
        return self.rfile.read(int(length))

    def _path(self) -> str:
        return self.path.partition("?")[0]

    def _refuse(self, status: HTTPStatus, message: str) -> None:
        self._send(status, {"error": message})

    def _send(self, status: HTTPStatus, content: dict[str, Any]) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is the base class's
        """One line a request; health checks come every few seconds and are left out."""
        if self._path() != self.server.service.health_route:
            LOG.info(format, *args)


def main() -> int:
    """Serve until told to stop; returns the exit status."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stdout)
    service = Service(
        health_route=os.environ.get("AIP_HEALTH_ROUTE", "/health"),
        predict_route=os.environ.get("AIP_PREDICT_ROUTE", "/predict"),
    )
    uri = os.environ.get("AIP_STORAGE_URI", "")
    if not uri:
        LOG.error("AIP_STORAGE_URI does not say where the model is")
        return 2
    # The image says 0.0.0.0, for Vertex AI reaches the container from outside it; a desk needs no open port.
    host = os.environ.get("DIAGNOSTICS_HOST", "127.0.0.1")
    server = Server((host, int(os.environ.get("AIP_HTTP_PORT", "8080"))), service)
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    threading.Thread(target=_load, args=(server, uri), daemon=True).start()
    LOG.info("listening on port %d, loading the model", server.server_address[1])
    server.serve_forever(poll_interval=0.1)
    return 2 if service.failure.is_set() else 0


def _load(server: Server, uri: str) -> None:
    try:
        server.service.artefact = unpacked(directory(uri).read(MODEL_FILE))
        LOG.info("serving the model of %s", uri)
    except Exception:
        LOG.exception("the model of %r cannot be loaded", uri)
        server.service.failure.set()
        server.shutdown()


if __name__ == "__main__":
    sys.exit(main())
