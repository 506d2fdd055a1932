"""Vertex AI as far as the clients' last step, `requests`: what it holds can be set, what it was sent can be read.

It is for what the local cloud cannot be brought to show: answers that are lost at a chosen call, races, operations that
an earlier attempt left running, replicas that died. It checks nothing; the local cloud does.
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import requests
from requests.adapters import BaseAdapter

from wif_pipelines.vertex.connection import VertexConnection
from wif_pipelines.wire import SteppedClock

PLACE = "projects/736251948012/locations/us-central1"
Body = dict[str, Any]


class RefusalError(Exception):
    """An error answer."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass
class Operation:
    """A long-running operation; `looks` more polls find it running, None means for ever."""

    name: str
    looks: int | None
    response: Body = field(default_factory=dict)
    error: Body | None = None
    effect: Callable[[], None] | None = None

    def look(self) -> Body:
        if self.looks is None or self.looks > 0:
            self.looks = None if self.looks is None else self.looks - 1
            return {"name": self.name}
        if self.effect:
            self.effect()
            self.effect = None
        outcome = {"error": self.error} if self.error else {"response": {"@type": "t", **self.response}}
        return {"name": self.name, "done": True, **outcome}


class VertexService(BaseAdapter):
    """The service; every attribute may be changed by a test.

    Attributes:
        calls: How often each method was called, by the names that end its path, as in ``POST deployModel``.
        lose: How many answers to each method are lost after the work was done.
        before: Done once before a call of the method, as somebody else would do it.
        failure: The error with which the next operation ends.
        looks: How often a new operation is found running.
    """

    def __init__(self) -> None:
        super().__init__()
        self.jobs: dict[str, Body] = {}
        self.models: dict[str, list[Body]] = {}
        self.endpoints: dict[str, Body] = {}
        self.operations: list[Operation] = []
        self.calls: Counter[str] = Counter()
        self.lose: Counter[str] = Counter()
        self.before: dict[str, Callable[[], None]] = {}
        self.failure: Body | None = None
        self.looks: int | None = 1
        self._time = datetime(2026, 11, 1, tzinfo=UTC)

    def connection(self) -> VertexConnection:
        """A connection whose clients end here, on a clock that nobody waits for."""
        from google.auth.credentials import AnonymousCredentials

        made = VertexConnection(
            project="p", region="us-central1", credentials=AnonymousCredentials(), clock=SteppedClock()
        )
        clients = (made.jobs, made.models, made.endpoints, made.predictions)
        for session in (made.session, *(client.transport._session for client in clients)):
            session.mount("https://", self)
        return made

    def close(self) -> None:
        """Nothing is open."""

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        """Answer one request."""
        address = urlsplit(str(request.url))
        path = unquote(address.path).removeprefix("/v1/").replace("projects/p/", "projects/736251948012/")
        method = f"{request.method} {re.split('[:/]', path)[-1]}"
        self.calls[method] += 1
        if method in self.before:
            self.before.pop(method)()
        query = {name: values[0] for name, values in parse_qs(address.query).items()}
        try:
            status, content = 200, self._answer(method, path, query, json.loads(request.body or b"{}"))
        except RefusalError as refusal:
            status, content = refusal.status, {"error": {"code": refusal.status, "message": str(refusal)}}
        if status == 200 and self.lose[method] > 0:
            self.lose[method] -= 1
            raise requests.ConnectionError("the answer was lost")
        response = requests.Response()
        response.status_code, response.url, response.request = status, str(request.url), request
        response._content = json.dumps(content).encode()
        return response

    def deploy(self, endpoint_id: str, version: str, share: int, **more: Any) -> str:
        """Put a version of the model ``diagnostics`` on an endpoint; the other shares are the caller's to mind."""
        endpoint = self.endpoints[f"{PLACE}/endpoints/{endpoint_id}"]
        number = str(100 + len(endpoint["deployedModels"]))
        endpoint["deployedModels"].append(
            {
                "id": number,
                "model": f"{PLACE}/models/diagnostics",
                "modelVersionId": version,
                "createTime": self._now(),
                **more,
            }
        )
        endpoint["trafficSplit"][number] = share
        self._touch(endpoint)
        return number

    def make_endpoint(self, endpoint_id: str, **more: Any) -> Body:
        """Make an endpoint, as somebody else would."""
        name = f"{PLACE}/endpoints/{endpoint_id}"
        empty = {"displayName": endpoint_id, "deployedModels": [], "trafficSplit": {}, "etag": "1"}
        self.endpoints[name] = {**more, **empty, "name": name}
        return self.endpoints[name]

    def make_version(self, model: Mapping[str, Any], model_id: str = "diagnostics") -> Body:
        """Make a version, as somebody else would."""
        name = f"{PLACE}/models/{model_id}"
        versions = self.models.setdefault(name, [])
        made = {**model, "name": name, "versionId": str(len(versions) + 1), "versionCreateTime": self._now()}
        aliases = made.pop("versionAliases", [])
        versions.append({**made, "versionAliases": []})
        self._name(versions, versions[-1], [*aliases, *([] if len(versions) > 1 else ["default"])])
        return versions[-1]

    def start(self, resource: str, effect: Callable[[], None] | None = None, response: Body | None = None) -> Operation:
        """Start an operation that takes effect when it is first found done."""
        name = f"{PLACE}/{resource}/operations/{len(self.operations) + 1}"
        failure, self.failure = self.failure, None
        self.operations.append(Operation(name, self.looks, response or {}, failure, None if failure else effect))
        return self.operations[-1]

    def _answer(self, method: str, path: str, query: Mapping[str, str], body: Body) -> Body:
        if method == "GET operations":
            return self._listed(path.removesuffix("/operations"), query)
        if "/operations/" in path:
            return next(operation for operation in self.operations if operation.name == path).look()
        collection = path.removeprefix(f"{PLACE}/").partition("/")[0].partition(":")[0]
        answers = {"customJobs": self._job, "models": self._model, "endpoints": self._endpoint}
        return answers[collection](method, path, query, body)

    def _listed(self, resource: str, query: Mapping[str, str]) -> Body:
        """One operation a page."""
        found = [operation for operation in self.operations if operation.name.startswith(f"{resource}/")]
        at = int(query.get("pageToken") or 0)
        running = [{"name": one.name, "done": one.looks == 0} for one in found[at : at + 1]]
        return {"operations": running, **({"nextPageToken": str(at + 1)} if at + 1 < len(found) else {})}

    def _job(self, method: str, path: str, query: Mapping[str, str], body: Body) -> Body:
        if method == "POST customJobs":
            name = f"{path}/{len(self.jobs) + 1}"
            self.jobs[name] = {**body, "name": name, "state": "JOB_STATE_PENDING", "createTime": self._now()}
            return self.jobs[name]
        if method == "GET customJobs":
            wanted = dict(re.findall(r'labels\.([\w-]+)="([^"]*)"', query["filter"]))
            return {"customJobs": [job for job in self.jobs.values() if wanted.items() <= job["labels"].items()]}
        job = self._there(self.jobs, path)
        if method == "POST cancel":
            job["state"] = "JOB_STATE_CANCELLED"
            return {}
        return job

    def _model(self, method: str, path: str, query: Mapping[str, str], body: Body) -> Body:
        if method == "POST upload":
            model_id = body.get("modelId") or body["parentModel"].rpartition("/")[2]
            if "modelId" in body and f"{PLACE}/models/{model_id}" in self.models:
                raise RefusalError(409, "Model already exists.")
            if self.failure:
                return {"name": self.start(f"models/{model_id}").name}
            made = self.make_version(body["model"], model_id)
            response = {"model": made["name"], "modelVersionId": made["versionId"]}
            return {"name": self.start(f"models/{model_id}", response=response).name}
        name, _, version = path.partition(":")[0].partition("@")
        versions = self._there(self.models, name)
        if method == "GET listVersions":
            return {"models": versions}
        chosen = next((one for one in versions if version in {one["versionId"], *one["versionAliases"]}), None)
        if chosen is None:
            raise RefusalError(404, "no such version")
        self._name(versions, chosen, body.get("versionAliases", []))
        return chosen

    def _endpoint(self, method: str, path: str, query: Mapping[str, str], body: Body) -> Body:
        if method == "POST endpoints":
            endpoint_id = query["endpointId"]
            if f"{PLACE}/endpoints/{endpoint_id}" in self.endpoints:
                raise RefusalError(409, "Endpoint already exists.")
            return {"name": self.start(f"endpoints/{endpoint_id}", lambda: self._make_quietly(endpoint_id, body)).name}
        endpoint = self._there(self.endpoints, path.partition(":")[0])
        endpoint_id = endpoint["name"].rpartition("/")[2]
        if method == "POST deployModel":
            return {"name": self.start(f"endpoints/{endpoint_id}", lambda: self._deploy(endpoint_id, body)).name}
        if method == "POST undeployModel":
            return {"name": self.start(f"endpoints/{endpoint_id}", lambda: self._undeploy(endpoint, body)).name}
        if method == f"PATCH {endpoint_id}":
            if body["etag"] != endpoint["etag"]:
                raise RefusalError(409, "The etag does not match.")
            endpoint["trafficSplit"] = body["trafficSplit"]
            self._touch(endpoint)
        return endpoint

    def _make_quietly(self, endpoint_id: str, body: Body) -> None:
        self.make_endpoint(endpoint_id, encryptionSpec=body.get("encryptionSpec", {}))

    def _deploy(self, endpoint_id: str, body: Body) -> None:
        version = body["deployedModel"]["model"].rpartition("@")[2]
        number = self.deploy(endpoint_id, version, 0)
        split = {number if model == "0" else model: share for model, share in body["trafficSplit"].items()}
        self.endpoints[f"{PLACE}/endpoints/{endpoint_id}"]["trafficSplit"] = split

    def _undeploy(self, endpoint: Body, body: Body) -> None:
        gone = body["deployedModelId"]
        endpoint["deployedModels"] = [model for model in endpoint["deployedModels"] if model["id"] != gone]
        endpoint["trafficSplit"].pop(gone, None)
        self._touch(endpoint)

    def _there(self, things: Mapping[str, Any], path: str) -> Any:
        found = things.get(path.partition(":")[0])
        if found is None:
            raise RefusalError(404, f"{path} is not there")
        return found

    def _name(self, versions: list[Body], chosen: Body, aliases: list[str]) -> None:
        for alias in aliases:
            for version in versions:
                version["versionAliases"] = [one for one in version["versionAliases"] if one != alias.lstrip("-")]
            if not alias.startswith("-"):
                chosen["versionAliases"].append(alias)

    def _touch(self, endpoint: Body) -> None:
        endpoint["etag"] = str(int(endpoint["etag"]) + 1)

    def _now(self) -> str:
        self._time += timedelta(minutes=1)
        return self._time.isoformat().replace("+00:00", "Z")
