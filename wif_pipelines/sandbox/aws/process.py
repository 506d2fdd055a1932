"""The AWS process as its parent sees it: started, asked for sessions, stopped."""

import asyncio
import dataclasses
import json
import re
import sys
from pathlib import Path
from urllib.parse import urlencode

import aiohttp

from wif_pipelines.sandbox.aws.endpoint import AwsEndpoint
from wif_pipelines.sandbox.aws.issuer import IssuerKey

__all__ = ["AwsProcess", "AwsProcessError", "AwsSession"]

_START_TIMEOUT = 30.0
_STOP_TIMEOUT = 15.0


class AwsProcessError(Exception):
    """The AWS process did not start, or would not do what only a defect could keep it from."""


@dataclasses.dataclass(frozen=True)
class AwsSession:
    """Temporary keys of an assumed role; `expires` is RFC 3339 in UTC."""

    access_key_id: str
    secret_access_key: str = dataclasses.field(repr=False)
    session_token: str = dataclasses.field(repr=False)
    expires: str


class AwsProcess:
    """Owns the process and the instance user's key, which is in no file."""

    def __init__(self, directory: Path, issuer: IssuerKey, region: str) -> None:
        self._directory = directory
        self._issuer = issuer
        self._region = region
        self._process: asyncio.subprocess.Process | None = None
        self._port = 0
        self._key: tuple[str, str] = ("", "")

    @property
    def endpoint(self) -> AwsEndpoint:
        """Where it answers; valid once started."""
        return AwsEndpoint(f"http://127.0.0.1:{self._port}", self._issuer.private, self._issuer.key_id)

    async def start(self) -> None:
        """Start the process and wait until it listens.

        Raises:
            AwsProcessError: when it ends or says nothing for 30 seconds; its log says why.
        """
        command = (sys.executable, "-m", "wif_pipelines.sandbox", "aws")
        options = ("--directory", str(self._directory), "--google-keys", str(self._issuer.key_set))
        pipe = asyncio.subprocess.PIPE
        self._process = await asyncio.create_subprocess_exec(*command, *options, stdin=pipe, stdout=pipe)
        try:
            ready = json.loads(await asyncio.wait_for(_first_line(self._process.stdout), _START_TIMEOUT))
        except (TimeoutError, ValueError) as error:
            await self.stop()
            raise AwsProcessError("The AWS process did not start; the lines above say why.") from error
        self._port = ready["port"]
        self._key = (ready["access_key_id"], ready["secret"])

    async def wait(self) -> int:
        """Wait for the end of the process, wanted or not, and return its exit status; -1 if it was never started."""
        return -1 if self._process is None else await self._process.wait()

    async def stop(self) -> None:
        """Let it write its state and end; after 15 seconds it is killed."""
        if self._process is None or self._process.returncode is not None:
            return
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            await asyncio.wait_for(self._process.wait(), _STOP_TIMEOUT)
        except TimeoutError:
            self._process.kill()
            await self._process.wait()

    async def assume_role(self, session: aiohttp.ClientSession, role_arn: str, name: str, seconds: int) -> AwsSession:
        """Assume a role as the instance user does.

        Args:
            session: whose connections are used.
            role_arn: of a role whose trust policy names the instance user.
            name: the session's name, which GetCallerIdentity shows.
            seconds: 900 to 43200.

        Raises:
            AwsProcessError: when AWS refuses; with its code and text.
        """
        form = {
            "Action": "AssumeRole",
            "Version": "2011-06-15",
            "RoleArn": role_arn,
            "RoleSessionName": name,
            "DurationSeconds": str(seconds),
        }
        url = f"https://sts.{self._region}.amazonaws.com/"
        body = urlencode(form).encode()
        answer = await self.endpoint.request(session, "POST", url, headers=self._sign(url, body), body=body)
        fields = dict(re.findall(r"<(\w+)>([^<]*)</\1>", answer.body.decode()))
        if answer.status != 200:
            text = f"AWS would not let the instance assume {role_arn}: {fields.get('Code')}: {fields.get('Message')}"
            raise AwsProcessError(text)
        return AwsSession(
            fields["AccessKeyId"], fields["SecretAccessKey"], fields["SessionToken"], fields["Expiration"]
        )

    def _sign(self, url: str, body: bytes) -> dict[str, str]:
        from botocore.auth import SigV4Auth
        from botocore.awsrequest import AWSRequest
        from botocore.credentials import Credentials

        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        request = AWSRequest("POST", url, headers=headers, data=body)
        SigV4Auth(Credentials(*self._key), "sts", self._region).add_auth(request)
        return dict(request.headers.items())


async def _first_line(stream: asyncio.StreamReader | None) -> bytes:
    return b"" if stream is None else await stream.readline()
