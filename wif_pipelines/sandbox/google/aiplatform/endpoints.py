"""Endpoints: made, changed, deployed to, undeployed from.

https://cloud.google.com/vertex-ai/docs/reference/rest/v1/projects.locations.endpoints
"""

import re
from collections.abc import Mapping
from typing import Any

from wif_pipelines.sandbox.google.aiplatform.checks import absent, described, invalid, machine, same_region
from wif_pipelines.sandbox.google.aiplatform.filters import page
from wif_pipelines.sandbox.google.aiplatform.ground import Ground
from wif_pipelines.sandbox.google.aiplatform.models import masked
from wif_pipelines.sandbox.google.aiplatform.names import Name, new_etag, new_id
from wif_pipelines.sandbox.google.aiplatform.registry import Registry
from wif_pipelines.sandbox.google.aiplatform.serving import Deployment, Serving
from wif_pipelines.sandbox.google.call import Call, Handlers
from wif_pipelines.sandbox.google.errors import ApiError, already_exists, failed_precondition

Document = dict[str, Any]
"""{"endpoint": the resource, "key": key version or None, "served": {deployed id: what its server is made from}}."""

_ID = re.compile(r"[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?|[1-9]\d{0,9}")
_CHANGEABLE = {name: name for name in ("displayName", "description", "labels", "trafficSplit")}
_NEWCOMER = "0"
_RESOURCES = ("dedicatedResources", "automaticResources", "sharedResources")


class Endpoints:
    """The endpoints and what is deployed to them."""

    def __init__(self, ground: Ground, registry: Registry, serving: Serving) -> None:
        self._ground = ground
        self._registry = registry
        self._serving = serving
        self._documents = ground.kernel.store.collection("aiplatform.endpoints")

    def handlers(self) -> Handlers:
        """Methods by id."""
        methods = {
            "create": self._create,
            "get": self._get,
            "list": self._list,
            "patch": self._patch,
            "delete": self._delete,
            "deployModel": self._deploy,
            "undeployModel": self._undeploy,
        }
        return {f"aiplatform.projects.locations.endpoints.{verb}": handler for verb, handler in methods.items()}

    def find(self, name: Name) -> Document:
        """An endpoint's document.

        Raises:
            ApiError: 404.
        """
        document = self._documents.get(str(name))
        if document is None:
            raise absent("Endpoint")
        return document

    def deployments_of(self, model: str, version: str) -> list[dict[str, Any]]:
        """References to the deployments of a model, in one version or in any."""
        return [
            {"endpoint": name, "deployedModelId": deployed["id"]}
            for name, document in self._documents.list(model.partition("/models/")[0] + "/endpoints/")
            for deployed in document["endpoint"].get("deployedModels", [])
            if deployed["model"] == model and version in ("", deployed["modelVersionId"])
        ]

    def resume(self) -> None:
        """Start the servers of everything that is deployed."""
        for _, document in self._documents.list():
            for served in document["served"].values():
                self._serving.resume(Deployment(**served))

    async def _create(self, call: Call) -> dict[str, Any]:
        parent = self._ground.names.of(call)
        call.require("aiplatform.endpoints.create", *parent.chain)
        described(call.body)
        endpoint_id = call.params.get("endpointId", "")
        if endpoint_id and not _ID.fullmatch(endpoint_id):
            raise invalid("endpoint_id", f"The ID {endpoint_id} must match {_ID.pattern}.")
        name = parent.child("endpoints", endpoint_id or new_id())
        if self._documents.get(str(name)) is not None:
            raise already_exists(f"Endpoint {name} already exists.")
        key = self._ground.checks.encrypted(call.body, parent.region)
        now = self._ground.kernel.clock.now()
        own = {"name": str(name), "createTime": now, "updateTime": now, "etag": new_etag()}
        body = {field: value for field, value in call.body.items() if field not in {"trafficSplit", "deployedModels"}}
        self._documents.put(str(name), {"endpoint": body | own, "key": key, "served": {}})

        async def work() -> tuple[str, dict[str, Any]]:
            return "Endpoint", self.find(name)["endpoint"]

        self._ground.audit(call, "EndpointService.CreateEndpoint", name)
        return self._ground.operations.start(name, "CreateEndpointOperationMetadata", work)

    async def _get(self, call: Call) -> dict[str, Any]:
        _, document = self._found(call, "aiplatform.endpoints.get")
        self._ground.checks.readable(document["key"])
        return self._shown(document)

    async def _list(self, call: Call) -> dict[str, Any]:
        parent = self._ground.names.of(call)
        call.require("aiplatform.endpoints.list", *parent.chain)
        found = (self._shown(document) for _, document in self._documents.list(f"{parent}/endpoints/"))
        return page(found, call.params, "endpoints")

    async def _patch(self, call: Call) -> dict[str, Any]:
        name, document = self._found(call, "aiplatform.endpoints.update")
        self._ground.checks.readable(document["key"])
        described(call.body)
        endpoint = document["endpoint"]
        if call.body.get("etag") not in (None, "", endpoint["etag"]):
            raise ApiError(409, "The etag does not match the current state of the Endpoint.", status="ABORTED")
        fields: dict[str, Any] = {}
        for field in masked(call.params.get("updateMask", ""), _CHANGEABLE):
            fields[field] = call.body.get(field, {} if field in ("labels", "trafficSplit") else "")
        if "trafficSplit" in fields:
            fields["trafficSplit"] = _split(fields["trafficSplit"], _ids(endpoint))
        self._ground.audit(call, "EndpointService.UpdateEndpoint", name)
        return self._shown(self._change(name, document, **fields))

    async def _delete(self, call: Call) -> dict[str, Any]:
        name, document = self._found(call, "aiplatform.endpoints.delete")
        self._ground.operations.exclusive(name, "Endpoint")
        if _ids(document["endpoint"]):
            raise failed_precondition(
                f'The Endpoint "{name}" has deployed or being-deployed Model(s): '
                f"{', '.join(sorted(_ids(document['endpoint'])))}. Undeploy them before deleting the Endpoint."
            )

        async def work() -> tuple[str, dict[str, Any]]:
            self._documents.delete(str(name))
            return "", {}

        self._ground.audit(call, "EndpointService.DeleteEndpoint", name)
        return self._ground.operations.start(name, "DeleteOperationMetadata", work)

    async def _deploy(self, call: Call) -> dict[str, Any]:
        name, document = self._found(call, "aiplatform.endpoints.deploy")
        self._ground.operations.exclusive(name, "Endpoint")
        wanted, ids = call.body["deployedModel"], _ids(document["endpoint"])
        self._ground.checks.readable(document["key"])
        _check_deployed(wanted, ids)
        split = call.body.get("trafficSplit", {})
        _split(split, ids | {_NEWCOMER})
        self._ground.checks.act_as(call, wanted.get("serviceAccount", ""))
        deployed, deployment = self._planned(name, wanted)

        async def work() -> tuple[str, dict[str, Any]]:
            await self._serving.deploy(deployment)
            try:
                self._install(name, deployed, deployment, split)
            except BaseException:
                await self._serving.undeploy(deployment.id)
                raise
            return "DeployModelResponse", {"deployedModel": deployed}

        self._ground.audit(call, "EndpointService.DeployModel", name)
        return self._ground.operations.start(name, "DeployModelOperationMetadata", work)

    def _planned(self, name: Name, wanted: Mapping[str, Any]) -> tuple[dict[str, Any], Deployment]:
        """The DeployedModel, and what its server is made from."""
        model = self._ground.names.parse(wanted["model"])
        same_region(name, model, "deployed_model.model")
        found = self._registry.find(model)
        resource = found["model"]
        self._ground.checks.readable(found["key"])
        if "containerSpec" not in resource:
            raise failed_precondition(f'The Model "{model}" has no container_spec and cannot be deployed.')
        account = wanted.get("serviceAccount") or self._ground.checks.code_agent
        deployed = {
            **wanted,
            "id": wanted.get("id") or new_id(),
            "model": str(model),
            "modelVersionId": resource["versionId"],
            "displayName": wanted.get("displayName") or resource["displayName"],
            "createTime": self._ground.kernel.clock.now(),
        }
        machine_type = wanted.get("dedicatedResources", {}).get("machineSpec", {}).get("machineType", "")
        return deployed, Deployment(str(name), deployed["id"], resource, account, machine_type)

    def _install(self, name: Name, deployed: dict[str, Any], deployment: Deployment, split: Mapping[str, int]) -> None:
        with self._ground.kernel.store.transaction():
            document = self.find(name)
            endpoint = document["endpoint"]
            others = endpoint.get("deployedModels", [])
            fields: dict[str, Any] = {"deployedModels": [*others, deployed]}
            if split:
                renamed = {deployment.id if key == _NEWCOMER else key: share for key, share in split.items()}
                fields["trafficSplit"] = _split(renamed, _ids(endpoint) | {deployment.id})
            document["served"][deployment.id] = vars(deployment)
            self._change(name, document, **fields)

    async def _undeploy(self, call: Call) -> dict[str, Any]:
        name, document = self._found(call, "aiplatform.endpoints.undeploy")
        self._ground.operations.exclusive(name, "Endpoint")
        target, endpoint = call.body["deployedModelId"], document["endpoint"]
        ids = _ids(endpoint)
        if target not in ids:
            raise ApiError(404, f'The deployed model "{target}" does not exist on the Endpoint "{name}".')
        split = _split(call.body.get("trafficSplit", {}), ids - {target})
        if not split and endpoint.get("trafficSplit", {}).get(target) and len(ids) > 1:
            raise failed_precondition(
                f'The deployed model "{target}" still has traffic assigned to it; '
                "a traffic_split that unassigns it must be given."
            )

        async def work() -> tuple[str, dict[str, Any]]:
            self._uninstall(name, target, split)
            await self._serving.undeploy(target)
            return "UndeployModelResponse", {}

        self._ground.audit(call, "EndpointService.UndeployModel", name)
        return self._ground.operations.start(name, "UndeployModelOperationMetadata", work)

    def _uninstall(self, name: Name, target: str, split: Mapping[str, int]) -> None:
        with self._ground.kernel.store.transaction():
            document = self.find(name)
            endpoint = document["endpoint"]
            left = [deployed for deployed in endpoint.get("deployedModels", []) if deployed["id"] != target]
            shares = split or {key: share for key, share in endpoint.get("trafficSplit", {}).items() if key != target}
            document["served"].pop(target, None)
            self._change(name, document, deployedModels=left, trafficSplit=dict(shares) if left else {})

    def _found(self, call: Call, permission: str) -> tuple[Name, Document]:
        name = self._ground.names.of(call)
        call.require(permission, *name.chain)
        return name, self.find(name)

    def _change(self, name: Name, document: Document, **fields: Any) -> Document:
        document["endpoint"] |= {**fields, "updateTime": self._ground.kernel.clock.now(), "etag": new_etag()}
        return self._documents.put(str(name), document)

    def _shown(self, document: Document) -> dict[str, Any]:
        endpoint: dict[str, Any] = document["endpoint"]
        deployed = [
            each | {"status": self._serving.status(each["id"], _replicas(each))}
            for each in endpoint.get("deployedModels", [])
        ]
        return endpoint | ({"deployedModels": deployed} if deployed else {})


def _check_deployed(wanted: Mapping[str, Any], taken: set[str]) -> None:
    if not any(field in wanted for field in _RESOURCES):
        raise invalid("deployed_model.prediction_resources", "Required field is not set.")
    if "dedicatedResources" in wanted:
        dedicated = wanted["dedicatedResources"]
        machine(dedicated.get("machineSpec", {}))
        least, most = dedicated.get("minReplicaCount", 0), dedicated.get("maxReplicaCount", 0)
        if least < 1:
            raise invalid("deployed_model.dedicated_resources.min_replica_count", "The value must be at least 1.")
        if most and most < least:
            told = "The value must be at least min_replica_count."
            raise invalid("deployed_model.dedicated_resources.max_replica_count", told)
    if own := wanted.get("id"):
        if not re.fullmatch(r"\d{1,19}", own) or own == _NEWCOMER:
            raise invalid("deployed_model.id", "The ID must be a number.")
        if own in taken:
            raise already_exists(f"A deployed model with the ID {own} already exists.")


def _split(split: Mapping[str, int], known: set[str]) -> dict[str, int]:
    """The split, when it can be used: empty, or whole percents of what is there that sum to 100."""
    if strangers := sorted(set(split) - known):
        raise invalid("traffic_split", f"The deployed model(s) {', '.join(strangers)} do not exist on the Endpoint.")
    if any(share < 0 or share > 100 for share in split.values()) or (split and sum(split.values()) != 100):
        raise invalid("traffic_split", "The traffic percentages must be between 0 and 100 and sum to 100.")
    return dict(split)


def _ids(endpoint: Mapping[str, Any]) -> set[str]:
    return {deployed["id"] for deployed in endpoint.get("deployedModels", [])}


def _replicas(deployed: Mapping[str, Any]) -> int:
    resources = deployed.get("dedicatedResources") or deployed.get("automaticResources") or {}
    return int(resources.get("minReplicaCount") or 1)
