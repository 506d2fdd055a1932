"""Workload identity pools and providers over the wire; every change answers with an operation that is done.

https://cloud.google.com/iam/docs/reference/rest/v1/projects.locations.workloadIdentityPools
"""

import uuid
from collections.abc import Mapping
from typing import Any

from wif_pipelines.sandbox.google.call import Call, Handlers
from wif_pipelines.sandbox.google.errors import ApiError, not_found
from wif_pipelines.sandbox.google.iam.names import by_number, project_of
from wif_pipelines.sandbox.google.iam.pages import masked_fields, page, updated
from wif_pipelines.sandbox.google.iam.pools import Pools
from wif_pipelines.sandbox.google.iam.recording import Recorder
from wif_pipelines.sandbox.google.iam.rules import check_id, check_provider, check_texts
from wif_pipelines.sandbox.google.kernel import Kernel
from wif_pipelines.sandbox.google.store import Document
from wif_pipelines.sandbox.google.sts.mapping import DEFAULT_AWS_MAPPING

_RPC = "google.iam.v1.WorkloadIdentityPools"
_LARGEST_PAGE = 1000


class Federation:
    """The methods on pools and providers.

    Args:
        kernel: Checks permissions, keeps operations and the audit log.
        pools: Keeps pools and providers.
    """

    def __init__(self, kernel: Kernel, pools: Pools) -> None:
        self._kernel = kernel
        self._pools = pools
        self._operations = kernel.store.collection("iam.operations")
        self._recorder = Recorder(kernel.audit, "iam.googleapis.com")

    def handlers(self) -> Handlers:
        """The methods by Google's id."""
        pools = "iam.projects.locations.workloadIdentityPools"
        found: Handlers = {}
        for prefix in (pools, f"{pools}.providers"):
            found |= {
                f"{prefix}.create": self._create,
                f"{prefix}.get": self._get,
                f"{prefix}.list": self._list,
                f"{prefix}.patch": self._patch,
                f"{prefix}.delete": self._delete,
                f"{prefix}.undelete": self._undelete,
                f"{prefix}.operations.get": self._get_operation,
            }
        return found

    async def _create(self, call: Call) -> dict[str, Any]:
        parent = by_number(self._kernel.world, call.params["parent"])
        is_provider = "/workloadIdentityPools/" in parent
        field = "workloadIdentityPoolProviderId" if is_provider else "workloadIdentityPoolId"
        kind = "providers" if is_provider else "workloadIdentityPools"
        given = call.params.get(field, "")
        name = f"{parent}/{kind}/{given}"
        with self._recorder.recording(call, f"{_RPC}.Create{_message(name)}", name):
            self._require(call, parent, name, "create")
            check_id(field, given)
            resource = self._checked(name, _settable(call.body))
            if is_provider:
                pool = self._pools.get(parent)
                if pool is None or pool["state"] == "DELETED":
                    raise not_found()
            return self._done(name, self._pools.create(name, resource))

    async def _get(self, call: Call) -> dict[str, Any]:
        name = by_number(self._kernel.world, call.params["name"])
        self._require(call, name, name, "get")
        document = self._pools.get(name)
        if document is None:
            raise not_found()
        return document

    async def _list(self, call: Call) -> dict[str, Any]:
        parent = by_number(self._kernel.world, call.params["parent"])
        kind = "providers" if "/workloadIdentityPools/" in parent else "workloadIdentityPools"
        self._require(call, parent, f"{parent}/{kind}/", "list")
        field = "workloadIdentityPoolProviders" if kind == "providers" else kind
        shown = [
            document
            for document in self._pools.children(parent, kind)
            if call.params.get("showDeleted") or document["state"] == "ACTIVE"
        ]
        return page(field, shown, call.params, largest=_LARGEST_PAGE)

    async def _patch(self, call: Call) -> dict[str, Any]:
        name = by_number(self._kernel.world, call.params["name"])
        with self._recorder.recording(call, f"{_RPC}.Update{_message(name)}", name):
            self._require(call, name, name, "update")
            changes = _settable(call.body)
            paths = masked_fields(call.params.get("updateMask", ""), changes)
            if any(path[0] in ("name", "state", "expireTime", "mode") for path in paths):
                raise ApiError(400, "Request contains an invalid argument.")
            with self._kernel.store.transaction():
                before = self._pools.get(name)
                if before is None:
                    raise not_found()
                after = self._checked(name, updated(before, changes, paths))
                return self._done(name, self._pools.update(name, after, frozenset(path[0] for path in paths)))

    async def _delete(self, call: Call) -> dict[str, Any]:
        name = by_number(self._kernel.world, call.params["name"])
        with self._recorder.recording(call, f"{_RPC}.Delete{_message(name)}", name):
            self._require(call, name, name, "delete")
            return self._done(name, self._pools.delete(name))

    async def _undelete(self, call: Call) -> dict[str, Any]:
        name = by_number(self._kernel.world, call.params["name"])
        with self._recorder.recording(call, f"{_RPC}.Undelete{_message(name)}", name):
            self._require(call, name, name, "undelete")
            return self._done(name, self._pools.undelete(name))

    async def _get_operation(self, call: Call) -> dict[str, Any]:
        name = by_number(self._kernel.world, call.params["name"])
        resource = name.partition("/operations/")[0]
        self._require(call, resource, resource, "get")
        operation = self._operations.get(name)
        if operation is None:
            raise not_found()
        return operation

    def _require(self, call: Call, within: str, name: str, verb: str) -> None:
        resource = "workloadIdentityPoolProviders" if "/providers/" in name else "workloadIdentityPools"
        project = project_of(self._kernel.world, within)
        call.require(f"iam.{resource}.{verb}", project, shown=f"//iam.googleapis.com/{within}")

    def _checked(self, name: str, resource: Document) -> Document:
        if "/providers/" not in name:
            check_texts(resource)
            return resource
        check_provider(resource)
        # An AWS provider that maps nothing gets the default mapping, and shows it.
        return resource if resource.get("attributeMapping") else resource | {"attributeMapping": DEFAULT_AWS_MAPPING}

    def _done(self, name: str, document: Mapping[str, Any]) -> dict[str, Any]:
        operation = f"{name}/operations/{uuid.uuid4().hex}"
        response = {"@type": f"type.googleapis.com/google.iam.v1.{_message(name)}", **document}
        metadata = {"@type": f"type.googleapis.com/google.iam.v1.{_message(name)}OperationMetadata"}
        return self._operations.put(
            operation, {"name": operation, "metadata": metadata, "done": True, "response": response}
        )


def _message(name: str) -> str:
    return "WorkloadIdentityPoolProvider" if "/providers/" in name else "WorkloadIdentityPool"


def _settable(body: Mapping[str, Any]) -> Document:
    return {field: value for field, value in body.items() if field != "name"}
