"""Batches: up to a hundred calls of the JSON API in one request (https://cloud.google.com/storage/docs/batch)."""

import json
import re
import uuid
from http import HTTPStatus
from typing import Any

import yarl
from aiohttp import web

from wif_pipelines.sandbox.google.access.policies import Policies
from wif_pipelines.sandbox.google.access.principal import Principal
from wif_pipelines.sandbox.google.call import Answer, Call, Handlers
from wif_pipelines.sandbox.google.descriptions import load
from wif_pipelines.sandbox.google.errors import ApiError
from wif_pipelines.sandbox.google.schema import Reader, scalar
from wif_pipelines.sandbox.google.storage.incoming import whole

_MOST_CALLS = 100
_LIMIT = 10 << 20
_BLANK_LINE = re.compile(r"\r?\n\r?\n")


class Batches:
    """Serves POST /batch/storage/v1 through the same handlers as single calls."""

    def __init__(self, policies: Policies, handlers: Handlers) -> None:
        self._policies = policies
        self._handlers = handlers
        self._description = load("storage", "v1")

    async def serve(self, request: web.BaseRequest, caller: Principal) -> web.StreamResponse:
        """Answer every call of the batch, in order.

        Raises:
            ApiError: 400 when it cannot be read, or has too many calls.
        """
        boundary = re.search(r"boundary=\"?([^\";]+)", request.headers.get("Content-Type", ""))
        text = (await whole(request, _LIMIT)).decode()
        if not boundary:
            raise ApiError(
                400, "Failed to parse batch request, error: no boundary in the content type.", reason="badRequest"
            )
        parts = re.split(rf"(?:\A|\r?\n)--{re.escape(boundary[1])}(?:--)?[ \t]*(?:\r?\n|\Z)", text)[1:]
        calls = [part for part in parts if part.strip()]
        if len(calls) > _MOST_CALLS:
            raise ApiError(
                400, f"The batch request must not contain more than {_MOST_CALLS} calls.", reason="badRequest"
            )
        name = f"batch_{uuid.uuid4().hex}"
        answers = [await self._part(request, caller, call) for call in calls]
        body = "".join(f"--{name}\r\n{answer}\r\n" for answer in answers) + f"--{name}--\r\n"
        return web.Response(body=body.encode(), headers={"Content-Type": f"multipart/mixed; boundary={name}"})

    async def _part(self, request: web.BaseRequest, caller: Principal, part: str) -> str:
        head, inner = _split(part)
        identity = re.search(r"(?im)^content-id:\s*<?([^>\r\n]*)>?", head)
        try:
            status, body = _shown(await self._answer(request, caller, inner))
        except ApiError as error:
            status, body = error.code, json.dumps(error.as_storage_json())
        lines = ["Content-Type: application/http"]
        lines += [f"Content-ID: <response-{identity[1]}>"] if identity else []
        lines += ["", f"HTTP/1.1 {status} {HTTPStatus(status).phrase}"]
        lines += ["Content-Type: application/json; charset=UTF-8"] if body else []
        return "\r\n".join([*lines, f"Content-Length: {len(body.encode())}", "", body])

    async def _answer(self, request: web.BaseRequest, caller: Principal, inner: str) -> Answer:
        head, payload = _split(inner.lstrip("\r\n"))
        verb, _, rest = head.splitlines()[0].partition(" ")
        url = yarl.URL(rest.rsplit(" ", 1)[0], encoded=True)
        match = self._description.find(verb, url.raw_path)
        handler = self._handlers.get(match.method.id) if match else None
        if match is None or handler is None or url.query.get("alt") == "media":
            raise ApiError(404, f"The requested URL {url.raw_path} was not found on this server.")
        params: dict[str, Any] = dict(url.query) | match.path_params
        for name, schema in match.method.parameters.items():
            if name in url.query:
                values = [scalar(value, schema, name) for value in url.query.getall(name)]
                params[name] = values if schema.get("repeated") else values[-1]
        body: dict[str, Any] = {}
        if match.method.body is not None:
            body = Reader(self._description).read(_json(payload), match.method.body, partial=verb == "PATCH")
        return await handler(Call(match.method, params, body, request, caller, self._policies))


def _split(text: str) -> tuple[str, str]:
    found = _BLANK_LINE.search(text)
    return (text[: found.start()], text[found.end() :]) if found else (text, "")


def _json(payload: str) -> Any:
    try:
        return json.loads(payload.strip() or "{}")
    except ValueError:
        raise ApiError(400, "Parse Error", reason="parseError") from None


def _shown(answer: Answer) -> tuple[int, str]:
    if isinstance(answer, web.Response):
        return answer.status, answer.text or ""
    return 200, json.dumps(answer)
