"""The control interface, for `wif` and for tests: plain HTTP on the proxy's own port, guarded by a token.

Everything else that is asked for in plain text, such as a metadata server, is refused at once, so that tools which
probe for one go on without waiting.
"""

import dataclasses
import hmac
import json
import logging
import os
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
from aiohttp import web

from wif_pipelines.sandbox.aws.process import AwsProcessError, AwsSession
from wif_pipelines.sandbox.front.faults import FaultBook, InvalidFaultError
from wif_pipelines.sandbox.world import World

__all__ = ["TOKEN_HEADER", "Control"]

TOKEN_HEADER = "X-Sandbox-Token"  # noqa: S105 (a header's name)
_LOGGER = logging.getLogger(__name__)
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "[::1]", "::1"})
_TWELVE_HOURS = 43200

AssumeRole = Callable[[str, str, int], Awaitable[AwsSession]]


class Control:
    """Answers health, faults, sessions and shutdown."""

    def __init__(
        self,
        *,
        token: str,
        world: World,
        faults: FaultBook,
        assume_role: AssumeRole,
        expire_tokens: Callable[[], Awaitable[None]],
        shutdown: Callable[[], None],
        register_image: Callable[[str, dict[str, Any]], None] | None = None,
    ) -> None:
        self._token = token
        self._world = world
        self._faults = faults
        self._assume_role = assume_role
        self._expire_tokens = expire_tokens
        self._shutdown = shutdown
        self._register_image = register_image

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Serve one plain request."""
        host = request.host.rpartition(":")[0] or request.host
        if host not in _LOOPBACK or not request.raw_path.startswith("/"):
            text = f"The sandbox has no {request.host}: no metadata server, and nothing else over plain HTTP.\n"
            return web.Response(status=404, text=text)
        if not hmac.compare_digest(
            request.headers.get(TOKEN_HEADER, "").encode(errors="replace"), self._token.encode()
        ):
            return _error(401, "The control interface wants the token of the sandbox's directory.")
        try:
            return await self._route(request)
        except (InvalidFaultError, ValueError, TypeError, KeyError) as error:
            return _error(400, str(error))
        except (AwsProcessError, aiohttp.ClientError) as error:
            return _error(502, str(error))

    async def _route(self, request: web.BaseRequest) -> web.Response:  # noqa: PLR0911 - a table
        match request.method, request.path.strip("/").split("/"):
            case "GET", [""]:
                return _answer({"status": "ok", "pid": os.getpid(), "world": dataclasses.asdict(self._world)})
            case _, ["faults", *rest]:
                return await self._route_faults(request, rest)
            case "POST", ["sessions"]:
                return await self._open_session(json.loads(await request.read()))
            case "POST", ["expire-tokens"]:
                await self._expire_tokens()
                return _answer({})
            case "POST", ["images"] if self._register_image:
                wanted = json.loads(await request.read())
                self._register_image(str(wanted.pop("image")), wanted)
                return _answer({})
            case "POST", ["shutdown"]:
                self._shutdown()
                return _answer({})
        return _error(404, f"The control interface has no {request.method} {request.path}.")

    async def _route_faults(self, request: web.BaseRequest, rest: list[str]) -> web.Response:
        match request.method, rest:
            case "GET", []:
                return _answer({"faults": [fault.describe() for fault in self._faults.list()]})
            case "POST", []:
                fault = self._faults.add(json.loads(await request.read()))
                _LOGGER.info("%s added: %s of %s %s", fault.id, fault.kind, fault.service, fault.method)
                return _answer(fault.describe())
            case "DELETE", []:
                self._faults.clear()
                return _answer({})
            case "GET", [fault_id]:
                found = self._faults.find(fault_id)
                return _answer(found.describe()) if found else _error(404, f"There is no {fault_id}.")
            case "DELETE", [fault_id]:
                return _answer({}) if self._faults.delete(fault_id) else _error(404, f"There is no {fault_id}.")
        return _error(404, f"The control interface has no {request.method} {request.path}.")

    async def _open_session(self, wanted: dict[str, Any]) -> web.Response:
        role = str(wanted.get("role", self._world.workload_role))
        name, seconds = str(wanted.get("name", "sandbox")), int(wanted.get("seconds", _TWELVE_HOURS))
        session = await self._assume_role(self._world.role_arn(role), name, seconds)
        return _answer(dataclasses.asdict(session))


def _answer(value: dict[str, Any]) -> web.Response:
    return web.Response(text=json.dumps(value), content_type="application/json")


def _error(status: int, text: str) -> web.Response:
    return web.Response(status=status, text=json.dumps({"error": text}), content_type="application/json")
