"""A front of its own in a process of its own, with a Google side that answers what it received.

It stands where the Google half does, at the seam that the front defines, so that the front can be tested and its memory
measured alone. Run as a module with a directory; says its port and ends with standard input.
"""

import asyncio
import json
import os
import sys
from pathlib import Path

from aiohttp import web

from wif_pipelines.sandbox.aws.process import AwsProcessError, AwsSession
from wif_pipelines.sandbox.front.authority import Authority
from wif_pipelines.sandbox.front.control import Control
from wif_pipelines.sandbox.front.dispatch import Dispatcher
from wif_pipelines.sandbox.front.faults import FaultBook
from wif_pipelines.sandbox.front.relay import AwsRelay
from wif_pipelines.sandbox.front.server import Front
from wif_pipelines.sandbox.world import World

CHUNK = b"0123456789abcdef" * 4096


class EchoCloud:
    """Answers `/bytes/N` with N bytes, `/chunked/N` with N bytes of no announced length, all else with what arrived."""

    def __init__(self) -> None:
        self.expired = 0

    def describe(self, request: web.BaseRequest) -> tuple[str, str]:
        return "echo", f"echo.{request.path.split('/')[1]}.{request.method.lower()}"

    def expire_tokens(self) -> None:
        self.expired += 1

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        kind, _, size = request.path.strip("/").partition("/")
        if kind in {"bytes", "chunked"}:
            return await _send(request, int(size), announced=kind == "bytes")
        received, first = 0, b""
        async for chunk in request.content.iter_any():
            received += len(chunk)
            first = (first + chunk)[:64]
        answer = {
            "method": request.method,
            "raw_path": request.raw_path,
            "host": request.host,
            "received": received,
            "first": first.hex(),
            "encoding": request.headers.get("Content-Encoding"),
            "expired": self.expired,
            "peer": list(request.transport.get_extra_info("peername")) if request.transport else None,
        }
        return web.Response(text=json.dumps(answer), content_type="application/json")


async def _send(request: web.BaseRequest, size: int, *, announced: bool) -> web.StreamResponse:
    headers = {"Content-Length": str(size)} if announced else {}
    response = web.StreamResponse(headers=headers)
    await response.prepare(request)
    while size > 0:
        await response.write(CHUNK[:size])
        size -= len(CHUNK)
    await response.write_eof()
    return response


async def _no_role(arn: str, _name: str, _seconds: int) -> AwsSession:
    raise AwsProcessError(f"There is no AWS here to assume {arn} in.")


async def serve(directory: Path) -> None:
    faults, stopping = FaultBook(), asyncio.Event()
    dispatcher = Dispatcher(EchoCloud(), AwsRelay("http://127.0.0.1:9"), faults)
    control = Control(
        token="the-token",
        world=World(),
        faults=faults,
        assume_role=_no_role,
        expire_tokens=dispatcher.expire_tokens,
        shutdown=stopping.set,
    )
    front = Front(Authority(directory), dispatcher.handle, control.handle)
    sys.stdout.write(json.dumps({"port": await front.start(), "pid": os.getpid()}) + "\n")
    sys.stdout.flush()
    asyncio.get_running_loop().add_reader(sys.stdin.fileno(), stopping.set)
    await stopping.wait()
    await front.stop()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1])))
