"""What the Google side knows of the AWS side: where it answers, and the key with which Google signs its tokens."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import yarl

__all__ = ["AwsAnswer", "AwsEndpoint"]


@dataclasses.dataclass(frozen=True)
class AwsAnswer:
    """One whole answer of AWS: a status, headers with lower-case names, and the body."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclasses.dataclass(frozen=True)
class AwsEndpoint:
    """Plain HTTP on loopback that answers for every `*.amazonaws.com` host, told apart by the Host header.

    Attributes:
        base_url: such as `http://127.0.0.1:41234`, without a trailing slash.
        google_issuer_key: PEM file (mode 600) of the RSA key behind ID tokens with `iss` `https://accounts.google.com`.
            AWS verifies `AssumeRoleWithWebIdentity` against its public half.
        google_issuer_key_id: the `kid` that such tokens name.
    """

    base_url: str
    google_issuer_key: Path
    google_issuer_key_id: str

    async def request(
        self,
        session: aiohttp.ClientSession,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        body: bytes = b"",
    ) -> AwsAnswer:
        """Send a request for an AWS address as it stands: path, query, headers and body are not touched.

        Signatures therefore still hold. Redirects are not followed, and no status is an error.

        Args:
            session: whose connections are used; it should have been made with `auto_decompress=False`.
            method: the HTTP verb.
            url: the real address, such as `https://sts.us-east-1.amazonaws.com/?Action=GetCallerIdentity`.
            headers: what to send; the Host header is taken from `url` unless given.
            body: sent as it is.

        Raises:
            aiohttp.ClientError: when the AWS side cannot be reached.
        """
        parts = urlsplit(url)
        sent = {name: value for name, value in headers.items() if name.lower() not in {"host", "expect"}}
        sent["Host"] = next((value for name, value in headers.items() if name.lower() == "host"), parts.netloc)
        query = f"?{parts.query}" if parts.query else ""
        target = yarl.URL(f"{self.base_url}{parts.path or '/'}{query}", encoded=True)
        async with session.request(method, target, headers=sent, data=body or None, allow_redirects=False) as answer:
            received = {name.lower(): value for name, value in answer.headers.items()}
            return AwsAnswer(answer.status, received, await answer.read())
