"""A token service on loopback that answers what a test tells it to, and remembers what it was asked.

It speaks the wire formats of Google's STS, the IAM Credentials API and AWS' GetCallerIdentity, and judges nothing
except whether a bearer token was revoked; what the real services judge is tested against the local cloud.
"""

import contextlib
import itertools
import json
import threading
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

IDENTITY = """<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>
<Arn>{arn}</Arn><UserId>AROAEXAMPLE:session</UserId><Account>210987654321</Account></GetCallerIdentityResult>
<ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></GetCallerIdentityResponse>"""

REFUSAL = """<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type>
<Code>AccessDenied</Code><Message>not you</Message></Error><RequestId>1</RequestId></ErrorResponse>"""


@dataclass
class Answer:
    """An answer other than the usual one."""

    status: int
    body: dict[str, Any]
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class TokenService:
    """The service; all attributes may be changed while it runs."""

    url: str
    lifetime: float = 3600.0
    latency: float = 0.0
    arn: str = "arn:aws:sts::210987654321:assumed-role/pipeline-workload/i-0abc"
    exchange_answers: deque[Answer] = field(default_factory=deque)
    impersonation_answers: deque[Answer] = field(default_factory=deque)
    exchanges: list[dict[str, str]] = field(default_factory=list)
    impersonations: list[dict[str, Any]] = field(default_factory=list)
    callers_asked: int = 0
    clock_ahead: timedelta = timedelta(0)
    revoked: set[str] = field(default_factory=set)
    bearers: list[str] = field(default_factory=list)
    numbers: Any = field(default_factory=itertools.count)

    @property
    def token_url(self) -> str:
        return f"{self.url}/v1/token"

    @property
    def impersonation_url(self) -> str:
        return f"{self.url}/v1/projects/-/serviceAccounts/pipeline@p.iam.gserviceaccount.com:generateAccessToken"

    def exchange(self, form: dict[str, str]) -> Answer:
        self.exchanges.append(form)
        if self.exchange_answers:
            return self.exchange_answers.popleft()
        return Answer(
            200,
            {
                "access_token": f"federated-{next(self.numbers)}",
                "issued_token_type": "urn:ietf:params:oauth:token-type:access_token",
                "token_type": "Bearer",
                "expires_in": self.lifetime,
            },
        )

    def impersonate(self, body: dict[str, Any], authorization: str, path: str) -> Answer:
        self.impersonations.append({**body, "authorization": authorization, "path": path})
        if self.impersonation_answers:
            return self.impersonation_answers.popleft()
        end = datetime.now(tz=UTC) + self.clock_ahead + timedelta(seconds=self.lifetime)
        return Answer(
            200, {"accessToken": f"account-{next(self.numbers)}", "expireTime": end.strftime("%Y-%m-%dT%H:%M:%SZ")}
        )


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.service = TokenService(url=f"http://127.0.0.1:{self.server_port}")


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    @property
    def service(self) -> TokenService:
        return self.server.service

    def date_time_string(self, timestamp: float | None = None) -> str:
        return super().date_time_string((timestamp or time.time()) + self.service.clock_ahead.total_seconds())

    def do_GET(self) -> None:
        bearer = self.headers["Authorization"].removeprefix("Bearer ")
        self.service.bearers.append(bearer)
        self._write(401 if bearer in self.service.revoked else 200, b"", {})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        time.sleep(self.service.latency)
        if self.path == "/v1/token":
            self._send(self.service.exchange({name: values[0] for name, values in parse_qs(body).items()}))
        elif self.path.endswith(":generateAccessToken"):
            self._send(self.service.impersonate(json.loads(body), self.headers["Authorization"], self.path))
        elif self.path.startswith("/refuse"):
            self._write(403, REFUSAL.encode(), {"Content-Type": "text/xml"})
        else:
            self.service.callers_asked += 1
            self._write(200, IDENTITY.format(arn=self.service.arn).encode(), {"Content-Type": "text/xml"})

    def _send(self, answer: Answer) -> None:
        headers = {"Content-Type": "application/json", **answer.headers}
        self._write(answer.status, json.dumps(answer.body).encode(), headers)

    def _write(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """A test's output is its own."""


@contextlib.contextmanager
def running() -> Iterator[TokenService]:
    with _Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server.service
        server.shutdown()
        thread.join()
