"""What AWS' platforms offer a process that runs on them, on loopback: metadata service, container endpoint, STS.

The metadata service insists on version 2, as AWS recommends. https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/
instancedata-data-retrieval.html, https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html
"""

import contextlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs

EXPIRATION = "2099-01-01T00:00:00Z"
_RESULT = """<{action}Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><{action}Result>
<Credentials><AccessKeyId>{key}</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken>
<Expiration>2099-01-01T00:00:00Z</Expiration></Credentials>
<AssumedRoleUser><Arn>{role}/session</Arn><AssumedRoleId>AROA:session</AssumedRoleId></AssumedRoleUser>
</{action}Result><ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></{action}Response>"""


class _Platform(BaseHTTPRequestHandler):
    def do_PUT(self) -> None:
        self._write(200, "metadata-session" if self.path == "/latest/api/token" else "")

    def do_GET(self) -> None:
        if self.path == "/container":
            allowed = self.headers["Authorization"] in {None, "pod-identity-token"}
            self._write(200 if allowed else 401, self._credentials("ASIACONTAINER"))
        elif self.headers["x-aws-ec2-metadata-token"] != "metadata-session":
            self._write(401, "")
        elif self.path == "/latest/meta-data/placement/availability-zone/":
            self._write(200, "eu-north-1b")
        elif self.path.endswith("/security-credentials/"):
            self._write(200, "node-role")
        else:
            self._write(200, self._credentials("ASIAINSTANCE"))

    def do_POST(self) -> None:
        form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        action = form["Action"][0]
        key = {"AssumeRole": "ASIAASSUMED", "AssumeRoleWithWebIdentity": "ASIAWEBIDENTITY"}[action]
        self._write(200, _RESULT.format(action=action, key=key, role=form["RoleArn"][0]))

    def _credentials(self, key: str) -> str:
        secrets = {"AccessKeyId": key, "SecretAccessKey": "s", "Token": "t"}
        return json.dumps({"Code": "Success", **secrets, "Expiration": EXPIRATION})

    def _write(self, status: int, body: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *args: object) -> None:
        """A test's output is its own."""


@contextlib.contextmanager
def running() -> Iterator[str]:
    """Yields the platform's URL."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Platform) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()
