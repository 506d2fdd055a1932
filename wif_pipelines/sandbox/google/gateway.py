"""Google's front end: finds the method, reads the request by its description, authenticates, and hands it on.

Order of the checks, as the real one answers: unknown method (404), authentication (401), API not enabled (403),
malformed request (400); permissions are the service's to check.
"""

import json
import logging
from collections.abc import Callable, Mapping
from typing import Any

from aiohttp import web

from wif_pipelines.sandbox.google.access.policies import Policies
from wif_pipelines.sandbox.google.access.principal import Principal
from wif_pipelines.sandbox.google.access.tokens import Tokens
from wif_pipelines.sandbox.google.call import Call, Handlers, RawHandler
from wif_pipelines.sandbox.google.descriptions import Description, Match, Method
from wif_pipelines.sandbox.google.errors import ApiError, bad_request
from wif_pipelines.sandbox.google.schema import Reader, scalar
from wif_pipelines.sandbox.google.services import Api, api_of

_LOG = logging.getLogger(__name__)
_JSON_BODY_LIMIT = 32 * 1024 * 1024
# Carries a google.api.HttpBody: over REST the body is whatever the client posts, and its service reads it.
_ANY_BODY = {"GoogleCloudAiplatformV1RawPredictRequest"}
_FRONT_END_PARAMETERS = {"$alt", "alt", "$.xgafv", "uploadType", "upload_id", "upload_protocol", "key", "access_token"}


class Gateway:
    """Serves every Google host.

    Args:
        tokens: Reads bearer tokens.
        policies: Answers what a caller may do.
        require_enabled: Refuses a call to an API that is off in the consumer's project; given the API and its title.
    """

    def __init__(self, tokens: Tokens, policies: Policies, require_enabled: Callable[[Api, str], None]) -> None:
        self._tokens = tokens
        self._policies = policies
        self._require_enabled = require_enabled
        self._handlers: Handlers = {}
        self._raw: dict[str, tuple[RawHandler, Callable[[web.BaseRequest], str]]] = {}

    def serve(self, handlers: Handlers) -> None:
        """Add a service's methods."""
        self._handlers |= handlers

    def serve_raw(self, api: str, handler: RawHandler, describe: Callable[[web.BaseRequest], str]) -> None:
        """Add what serves an API's paths that no description covers; `describe` names the method of a request."""
        self._raw[api] = (handler, describe)

    def describe(self, request: web.BaseRequest) -> tuple[str, str]:
        """(API name, method id) of a request, for matching faults; empty strings when it means nothing."""
        api = api_of(request.url.host or "")
        if api is None:
            return "", ""
        found = api.find(request.method, request.url.raw_path)
        if found:
            return api.name, found[1].method.id
        return api.name, self._raw[api.name][1](request) if api.name in self._raw else ""

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request; every refusal comes in the API's own shape."""
        api = api_of(request.url.host or "")
        if api is None:
            return web.Response(
                status=404, text=f"No Google API is served at {request.url.host} in this local cloud.\n"
            )
        try:
            return await self._answer(api, request)
        except ApiError as error:
            body = error.as_storage_json() if api.name == "storage" else error.as_json()
            return web.json_response(body, status=error.code, headers=error.headers)
        except ConnectionError:
            raise
        except Exception:  # noqa: BLE001 - whatever went wrong, the caller gets an answer, and the log the cause
            _LOG.exception("%s %s failed", request.method, request.url.raw_path)
            fault = ApiError(500, "Internal error encountered.")
            return web.json_response(fault.as_json(), status=500)

    async def _answer(self, api: Api, request: web.BaseRequest) -> web.StreamResponse:
        found = api.find(request.method, request.url.raw_path)
        if found is None and api.name in self._raw:
            return await self._raw[api.name][0](request)
        if found is None:
            raise ApiError(404, f"The requested URL {request.url.raw_path} was not found on this server.")
        description, match = found
        caller = self.authenticate(request) if api.authenticated else None
        self._require_enabled(api, description.title)
        handler = self._handlers.get(match.method.id)
        if handler is None:
            raise ApiError(501, f"The local cloud does not implement {match.method.id}.")
        answer = await handler(await self._call(api, description, match, request, caller))
        if isinstance(answer, web.StreamResponse):
            return answer
        return web.json_response(self._checked(answer, match.method, description))

    def authenticate(self, request: web.BaseRequest) -> Principal:
        """The caller of a request.

        Raises:
            ApiError: 401.
        """
        return self._tokens.read(request.headers.get("Authorization"))

    async def _call(
        self, api: Api, description: Description, match: Match, request: web.BaseRequest, caller: Principal | None
    ) -> Call:
        params = _query(request, match.method, description, lenient=api.lenient)
        body: dict[str, Any] = {}
        if match.method.body is not None and not match.upload and match.method.body.get("$ref") not in _ANY_BODY:
            parsed = await _json_body(request)
            body = Reader(description).read(parsed, match.method.body, partial=request.method == "PATCH")
        return Call(match.method, match.path_params | params, body, request, caller, self._policies, match.upload)

    @staticmethod
    def _checked(answer: dict[str, Any], method: Method, description: Description) -> dict[str, Any]:
        """The answer, checked by the same description: a field that Google's answer cannot have is a fault of ours."""
        if method.answer is None:
            return answer
        try:
            checked: dict[str, Any] = Reader(description, answers=True).read(answer, method.answer)
        except ApiError as error:
            raise RuntimeError(f"the answer of {method.id} does not fit its description: {error.message}") from error
        return checked


async def _json_body(request: web.BaseRequest) -> Any:
    raw = await request.content.read(_JSON_BODY_LIMIT + 1) if request.can_read_body else b""
    while raw and not request.content.at_eof() and len(raw) <= _JSON_BODY_LIMIT:
        raw += await request.content.read(_JSON_BODY_LIMIT)
    if len(raw) > _JSON_BODY_LIMIT:
        raise ApiError(413, "Request payload size exceeds the limit.", status="INVALID_ARGUMENT")
    if request.content_type == "application/x-www-form-urlencoded" and raw and not raw.lstrip().startswith(b"{"):
        return _form(raw)
    try:
        return json.loads(raw or b"{}")
    except (json.JSONDecodeError, UnicodeDecodeError):
        shown = raw[:40].decode(errors="replace")
        raise bad_request(f"Invalid JSON payload received. Unexpected token.\n{shown}\n^") from None


def _form(raw: bytes) -> dict[str, str]:
    """A form body, as OAuth clients send to the token exchange."""
    from urllib.parse import parse_qsl

    names = dict(parse_qsl(raw.decode(), keep_blank_values=True))
    return {k: v for k, v in names.items() if v}


def _query(request: web.BaseRequest, method: Method, description: Description, *, lenient: bool) -> dict[str, Any]:
    known: Mapping[str, Any] = method.parameters
    out: dict[str, Any] = {}
    for name in dict.fromkeys(request.url.query):
        field = name if name in known else _camel(name)
        if field in known:
            values = [scalar(value, known[field], name) for value in request.url.query.getall(name)]
            out[field] = values if known[field].get("repeated") else values[-1]
        elif name in description.global_parameters or name in _FRONT_END_PARAMETERS:
            out[name] = request.url.query[name]
        elif not lenient:
            text = (
                f'Invalid JSON payload received. Unknown name "{name}": Cannot bind query parameter. '
                f"Field '{name}' could not be found in request message."
            )
            raise bad_request(text, ("", text))
    for name, schema in known.items():
        if schema.get("required") and schema["location"] == "query" and name not in out:
            raise ApiError(
                400, f"Required parameter: {name}", reason="required", location=name, location_type="parameter"
            )
    return out


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(part.title() for part in rest)
