"""What becomes of a request from inside a tunnel: its cloud is told from the host, its faults are carried out."""

import asyncio
import inspect
import logging
import socket
from typing import Any, Protocol

from aiohttp import web

from wif_pipelines.sandbox.front.faults import Fault, FaultBook
from wif_pipelines.sandbox.front.interference import (
    FrontRequest,
    answer_with_status,
    reset_during_request,
)
from wif_pipelines.sandbox.front.relay import AwsRelay

__all__ = ["Dispatcher", "GoogleSide", "is_aws", "is_google"]

_LOGGER = logging.getLogger(__name__)


class GoogleSide(Protocol):
    """What the front needs of the Google half."""

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Serve a request for a `*.googleapis.com` host."""

    def describe(self, request: web.BaseRequest) -> tuple[str, str]:
        """Name the service and the method, such as `storage` and `storage.objects.get`, without reading the body."""

    def expire_tokens(self) -> Any:
        """Make every access token that is out invalid; may return an awaitable."""


def is_google(host: str) -> bool:
    """Whether a host name belongs to the Google half."""
    return host.endswith(".googleapis.com")


def is_aws(host: str) -> bool:
    """Whether a host name belongs to the AWS half."""
    return host.endswith((".amazonaws.com", ".api.aws"))


def _acknowledge(request: web.BaseRequest) -> None:
    """Acknowledge the head of a request at once, so that its body comes without delay.

    urllib3 leaves Nagle's algorithm on towards proxies and sends the head apart: its body would wait 40 ms for the
    acknowledgement that this end's kernel puts off.
    """
    if request.can_read_body and request.transport is not None and hasattr(socket, "TCP_QUICKACK"):
        connection = request.transport.get_extra_info("socket")
        if connection is not None:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)


class Dispatcher:
    """Serves the requests inside the tunnels."""

    def __init__(self, google: GoogleSide, aws: AwsRelay, faults: FaultBook) -> None:
        self._google = google
        self._aws = aws
        self._faults = faults

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Serve one request, with the fault that is due to it, if any."""
        if not isinstance(request, FrontRequest):
            raise TypeError("The dispatcher serves the front's own requests")
        _acknowledge(request)
        if request.headers.get("Expect", "").lower() == "100-continue":
            await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        host = request.host.partition(":")[0].lower()
        if not (is_google(host) or is_aws(host)):
            return web.Response(status=421, text=f"The Host header names {host!r}, which the sandbox does not have.\n")
        if not self._faults:
            return await self._serve(request, host)
        service, method = await self._describe(request, host)
        fault = self._faults.draw(service, method, request.raw_path.partition("?")[0])
        if fault is None:
            return await self._serve(request, host)
        _LOGGER.info("%s (%s) strikes %s", fault.id, fault.kind, method)
        return await self._serve_badly(request, host, service, fault)

    async def expire_tokens(self) -> None:
        """Make every access token of Google's that is out invalid."""
        result = self._google.expire_tokens()
        if inspect.isawaitable(result):
            await result

    async def _serve(self, request: FrontRequest, host: str) -> web.StreamResponse:
        return await (self._google.handle(request) if is_google(host) else self._aws.handle(request))

    async def _describe(self, request: FrontRequest, host: str) -> tuple[str, str]:
        return self._google.describe(request) if is_google(host) else await self._aws.describe(request)

    async def _serve_badly(self, request: FrontRequest, host: str, service: str, fault: Fault) -> web.StreamResponse:
        match fault.kind:
            case "status":
                return await answer_with_status(request, fault, service=service, google=is_google(host))
            case "request_reset":
                return await reset_during_request(request, fault.after_bytes)
            case "delay":
                await asyncio.sleep(fault.seconds)
            case "expire_tokens":
                await self.expire_tokens()
            case "reset" | "truncate" | "corrupt":
                return await self._serve_spoilt(request, host, fault)
        return await self._serve(request, host)

    async def _serve_spoilt(self, request: FrontRequest, host: str, fault: Fault) -> web.StreamResponse:
        writer = request.spoil_answer(fault)
        try:
            response = await self._serve(request, host)
            await response.prepare(request)
            await response.write_eof()
        except ConnectionError:
            if not writer.struck:
                raise
            return web.Response()  # goes nowhere: the connection is cut
        finally:
            if not writer.struck:
                self._faults.give_back(fault)
        return response
