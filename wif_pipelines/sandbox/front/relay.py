"""The way to the AWS process: requests and answers pass as they are, in pieces.

So signatures hold, and memory does not grow with a body.
"""

from collections.abc import Mapping

import aiohttp
import yarl
from aiohttp import web
from multidict import CIMultiDict

from wif_pipelines.sandbox.aws.operations import form_of, operation_of, query_of

__all__ = ["AwsRelay"]

_HOP_BY_HOP = frozenset(
    {
        "connection",
        "expect",  # answered by the front; the gate's server would answer it a second time
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
_WHOLE = 1 << 18


class AwsRelay:
    """Hands requests for AWS to the AWS process."""

    def __init__(self, base_url: str) -> None:
        self._base_url = base_url
        self._session: aiohttp.ClientSession | None = None

    @property
    def session(self) -> aiohttp.ClientSession:
        """The connections to the AWS process; made on first use, inside the event loop."""
        if self._session is None:
            self._session = aiohttp.ClientSession(
                auto_decompress=False,
                connector=aiohttp.TCPConnector(limit=256),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=5),
                read_bufsize=_WHOLE,
                max_line_size=1 << 16,
                max_field_size=1 << 16,
            )
        return self._session

    async def close(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()

    async def describe(self, request: web.BaseRequest) -> tuple[str, str]:
        """Name the service and the operation, such as `s3` and `s3:GetObject`.

        Reads the body of a form to find the operation in it; `handle` then sends it on from memory.
        """
        raw_path, _, raw_query = request.raw_path.partition("?")
        headers = {name.lower(): value for name, value in request.headers.items()}
        kind = headers.get("content-type", "")
        form = form_of(kind, await request.read()) if kind.startswith("application/x-www-form-urlencoded") else {}
        operation = operation_of(
            method=request.method,
            host=request.host,
            raw_path=raw_path,
            query=query_of(raw_query),
            headers=headers,
            form=form,
        )
        return operation.service, operation.method

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Pass a request on and its answer back; an AWS process that cannot be reached is a 503."""
        target = yarl.URL(self._base_url + request.raw_path, encoded=True)
        headers = _end_to_end(request.headers)
        body = (await request.read() if request.content.at_eof() else request.content) if request.body_exists else None
        try:
            async with self.session.request(
                request.method,
                target,
                headers=headers,
                data=body or None,
                allow_redirects=False,
                skip_auto_headers=("Accept", "Accept-Encoding", "Content-Type", "User-Agent"),
            ) as answer:
                return await _pass_back(request, answer)
        except aiohttp.ClientConnectorError:
            text = "<Error><Code>ServiceUnavailable</Code><Message>The sandbox's AWS process is gone.</Message></Error>"
            return web.Response(status=503, text=text, content_type="application/xml")


async def _pass_back(request: web.BaseRequest, answer: aiohttp.ClientResponse) -> web.StreamResponse:
    headers = _end_to_end(answer.headers)
    if request.method != "HEAD" and int(answer.headers.get("Content-Length", _WHOLE + 1)) <= _WHOLE:
        headers.popall("Content-Length", None)
        return web.Response(status=answer.status, reason=answer.reason, headers=headers, body=await answer.read())
    response = web.StreamResponse(status=answer.status, reason=answer.reason, headers=headers)
    await response.prepare(request)
    async for chunk in answer.content.iter_any():
        await response.write(chunk)
    await response.write_eof()
    return response


def _end_to_end(headers: Mapping[str, str]) -> "CIMultiDict[str]":
    return CIMultiDict((name, value) for name, value in headers.items() if name.lower() not in _HOP_BY_HOP)
