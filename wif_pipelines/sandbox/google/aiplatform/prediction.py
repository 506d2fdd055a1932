"""Online prediction: a request goes to one of the deployed models, by their shares of the traffic.

https://cloud.google.com/vertex-ai/docs/reference/rest/v1/projects.locations.endpoints/predict
"""

import base64
import json
import random
from typing import Any

from aiohttp import web

from wif_pipelines.sandbox.google.aiplatform.checks import Checks
from wif_pipelines.sandbox.google.aiplatform.endpoints import Endpoints
from wif_pipelines.sandbox.google.aiplatform.names import Name, Names
from wif_pipelines.sandbox.google.aiplatform.serving import Serving
from wif_pipelines.sandbox.google.call import Call, Handlers
from wif_pipelines.sandbox.google.errors import ApiError, failed_precondition

_LIMIT = 10 * 1024 * 1024
_JSON = "application/json"


class Predictions:
    """Answers predict and rawPredict."""

    def __init__(self, names: Names, checks: Checks, endpoints: Endpoints, serving: Serving) -> None:
        self._names = names
        self._checks = checks
        self._endpoints = endpoints
        self._serving = serving

    def handlers(self) -> Handlers:
        """Methods by id."""
        prefix = "aiplatform.projects.locations.endpoints."
        return {prefix + "predict": self._predict, prefix + "rawPredict": self._raw_predict}

    async def _predict(self, call: Call) -> dict[str, Any]:
        _, deployed = self._chosen(call)
        asked = {field: call.body[field] for field in ("instances", "parameters") if field in call.body}
        status, _, body = await self._serving.ask(deployed["id"], json.dumps(asked).encode(), {"Content-Type": _JSON})
        if status >= 400:
            raise _refused(status, body)
        answered = _parsed(body)
        answer = {
            "predictions": answered["predictions"],
            "deployedModelId": deployed["id"],
            "model": deployed["model"],
            "modelDisplayName": deployed["displayName"],
            "modelVersionId": deployed["modelVersionId"],
        }
        return answer | ({"metadata": answered["metadata"]} if "metadata" in answered else {})

    async def _raw_predict(self, call: Call) -> web.StreamResponse:
        name, deployed = self._chosen(call)
        content, body = await _raw_body(call)
        status, kind, answered = await self._serving.ask(deployed["id"], body, {"Content-Type": content})
        if status >= 400:
            raise _refused(status, answered)
        headers = {
            "Content-Type": kind,
            "X-Vertex-AI-Endpoint-Id": name.id,
            "X-Vertex-AI-Deployed-Model-Id": deployed["id"],
        }
        return web.Response(status=status, body=answered, headers=headers)

    def _chosen(self, call: Call) -> tuple[Name, dict[str, Any]]:
        name = self._names.of(call)
        call.require("aiplatform.endpoints.predict", *name.chain)
        try:
            document = self._endpoints.find(name)
        except ApiError:
            raise ApiError(404, f"Endpoint `{name}` not found.") from None
        self._checks.readable(document["key"])
        endpoint = document["endpoint"]
        split = {key: share for key, share in endpoint.get("trafficSplit", {}).items() if share}
        if not split:
            raise failed_precondition(f"Endpoint `{name}` has no deployed model that receives traffic.")
        chosen = random.choices(list(split), weights=list(split.values()))[0]  # noqa: S311 - a load balancer's choice
        deployed: dict[str, Any] = next(each for each in endpoint["deployedModels"] if each["id"] == chosen)
        return name, deployed


async def _raw_body(call: Call) -> tuple[str, bytes]:
    """Whatever was posted; generated clients wrap it as {"httpBody": {"contentType": …, "data": base64}}."""
    if call.request.content_length and call.request.content_length > _LIMIT:
        raise ApiError(413, "Request payload size exceeds the limit.", status="INVALID_ARGUMENT")
    raw = await call.request.content.read() if call.request.can_read_body else b""
    try:
        wrapped = json.loads(raw)
        inner = wrapped["httpBody"] if set(wrapped) == {"httpBody"} else None
    except (ValueError, TypeError):
        inner = None
    if isinstance(inner, dict):
        return inner.get("contentType", _JSON), base64.b64decode(inner.get("data", ""))
    return call.request.headers.get("Content-Type", _JSON), raw


def _parsed(body: bytes) -> dict[str, Any]:
    try:
        answered = json.loads(body)
    except ValueError:
        answered = None
    if not isinstance(answered, dict) or not isinstance(answered.get("predictions"), list):
        shown = body[:200].decode(errors="replace")
        raise ApiError(500, f'The model server\'s answer is not of the form {{"predictions": […]}}: {shown}')
    return answered


def _refused(status: int, body: bytes) -> ApiError:
    """The container's refusal: its status, and its own words as the message."""
    return ApiError(status, body[:4096].decode(errors="replace") or f"The model server answered {status}.")
