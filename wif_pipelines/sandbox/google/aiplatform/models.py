"""The model registry's methods.

https://cloud.google.com/vertex-ai/docs/reference/rest/v1/projects.locations.models
"""

import re
from collections.abc import Callable
from typing import Any

from wif_pipelines.sandbox.google.access.principal import Principal, service_account
from wif_pipelines.sandbox.google.aiplatform.checks import absent, described, invalid
from wif_pipelines.sandbox.google.aiplatform.filters import page
from wif_pipelines.sandbox.google.aiplatform.ground import Ground
from wif_pipelines.sandbox.google.aiplatform.names import Name, new_id
from wif_pipelines.sandbox.google.aiplatform.registry import Document, Registry
from wif_pipelines.sandbox.google.call import Call, Handlers
from wif_pipelines.sandbox.google.errors import already_exists, bad_request, failed_precondition

_ID = re.compile(r"[a-z_0-9][a-z0-9_-]{0,62}")
_ALIAS = re.compile(r"[a-z][a-zA-Z0-9-]{0,126}[a-z0-9]")
_CHANGEABLE = {
    "displayName": "displayName",
    "description": "description",
    "labels": "labels",
    "versionDescription": "versionDescription",
}

Deployed = Callable[[str, str], list[dict[str, Any]]]
"""References to the deployments of a model (name) in a version (number; empty for any)."""


class Models:
    """Upload, read, list, change, name and delete model versions.

    Args:
        ground: What all resources share.
        registry: Keeps the versions.
        deployed: Knows where a version is deployed.
    """

    def __init__(self, ground: Ground, registry: Registry, deployed: Deployed) -> None:
        self._ground = ground
        self._registry = registry
        self._deployed = deployed

    def handlers(self) -> Handlers:
        """Methods by id."""
        methods = {
            "upload": self._upload,
            "get": self._get,
            "list": self._list,
            "listVersions": self._list_versions,
            "patch": self._patch,
            "mergeVersionAliases": self._merge,
            "delete": self._delete,
            "deleteVersion": self._delete_version,
        }
        return {f"aiplatform.projects.locations.models.{verb}": handler for verb, handler in methods.items()}

    def place(self, parent: Name, model_id: str, parent_model: str) -> Name:
        """The model that an upload makes, or adds a version to.

        Raises:
            ApiError: 400, 404 or 409.
        """
        if parent_model:
            model = self._ground.names.parse(parent_model)
            if model.location != parent.location or not self._registry.exists(model):
                raise absent("Model")
            return model
        if model_id and not _ID.fullmatch(model_id):
            told = "The ID must be up to 63 characters of [a-z0-9_-]; the first cannot be a number or hyphen."
            raise invalid("model_id", told)
        model = parent.child("models", model_id or new_id())
        if self._registry.exists(model):
            raise already_exists(f"Model {model} already exists. To add a version to it, use parent_model.")
        return model

    def check(self, resource: dict[str, Any], region: str) -> str | None:
        """Refuse a model that cannot be made, and return the key version that encrypts it.

        Raises:
            ApiError: 400.
        """
        described(resource)
        for alias in resource.get("versionAliases", []):
            if alias != "default" and not _ALIAS.fullmatch(alias):
                raise invalid("model.version_aliases", f"The version alias {alias} must match {_ALIAS.pattern}.")
        return self._ground.checks.encrypted(resource, region)

    def register(self, model: Name, resource: dict[str, Any], key: str | None, reader: Principal) -> dict[str, Any]:
        """Make a version once its artefacts are seen to be readable.

        Raises:
            ApiError: 400.
        """
        if uri := resource.get("artifactUri"):
            self._ground.checks.artifacts(uri, reader)
        made: dict[str, Any] = self._registry.add(model, resource, key)["model"]
        return made

    async def _upload(self, call: Call) -> dict[str, Any]:
        parent = self._ground.names.of(call)
        call.require("aiplatform.models.upload", *parent.chain)
        resource, account = call.body["model"], call.body.get("serviceAccount", "")
        self._ground.checks.act_as(call, account)
        model = self.place(parent, call.body.get("modelId", ""), call.body.get("parentModel", ""))
        self._ground.operations.exclusive(model, "Model")
        key = self.check(resource, parent.region)
        reader = service_account(account) if account else self._ground.checks.agent

        async def work() -> tuple[str, dict[str, Any]]:
            made = self.register(model, resource, key, reader)
            return "UploadModelResponse", {"model": made["name"], "modelVersionId": made["versionId"]}

        self._ground.audit(call, "ModelService.UploadModel", str(model))
        return self._ground.operations.start(model, "UploadModelOperationMetadata", work)

    async def _get(self, call: Call) -> dict[str, Any]:
        _, document = self._find(call, "aiplatform.models.get")
        self._ground.checks.readable(document["key"])
        return self._shown(document)

    async def _list(self, call: Call) -> dict[str, Any]:
        parent = self._ground.names.of(call)
        call.require("aiplatform.models.list", *parent.chain)
        return page((self._shown(found) for found in self._registry.defaults(parent)), call.params, "models")

    async def _list_versions(self, call: Call) -> dict[str, Any]:
        model = self._ground.names.of(call)
        call.require("aiplatform.modelVersions.list", *model.chain)
        versions = self._registry.versions(model)
        if not versions:
            raise absent("Model")
        return page((self._shown(found) for found in reversed(versions)), call.params, "models")

    async def _patch(self, call: Call) -> dict[str, Any]:
        model, document = self._find(call, "aiplatform.models.update")
        described(call.body)
        fields = {
            field: call.body.get(field, {} if field == "labels" else "")
            for field in masked(call.params.get("updateMask", ""), _CHANGEABLE)
        }
        changed = self._registry.change(model, document["model"]["versionId"], **fields)
        self._ground.audit(call, "ModelService.UpdateModel", str(model))
        return self._shown(changed)

    async def _merge(self, call: Call) -> dict[str, Any]:
        model, document = self._find(call, "aiplatform.modelVersions.edit")
        merged = call.body["versionAliases"]
        for alias in merged:
            if not _ALIAS.fullmatch(alias.removeprefix("-")):
                raise invalid("version_aliases", f"The version alias {alias} must match {_ALIAS.pattern}.")
        renamed = self._registry.rename(model, document["model"]["versionId"], merged)
        self._ground.audit(call, "ModelService.MergeVersionAliases", str(model))
        return self._shown(renamed)

    async def _delete(self, call: Call) -> dict[str, Any]:
        model, _ = self._find(call, "aiplatform.models.delete")
        self._undeployed(model, "")
        return self._removal(call, model, "", "DeleteModel")

    async def _delete_version(self, call: Call) -> dict[str, Any]:
        model, document = self._find(call, "aiplatform.modelVersions.delete")
        version = document["model"]["versionId"]
        if not model.version:
            raise invalid("name", "The version must be given, as in models/MODEL@VERSION.")
        self._undeployed(model, version)
        if "default" in document["model"]["versionAliases"]:
            raise failed_precondition(
                f'The default version of the Model "{model}" cannot be deleted; '
                "assign the default alias to another version first, or delete the Model."
            )
        return self._removal(call, model, version, "DeleteModelVersion")

    def _removal(self, call: Call, model: Name, version: str, method: str) -> dict[str, Any]:
        async def work() -> tuple[str, dict[str, Any]]:
            self._registry.remove(model, version)
            return "", {}

        self._ground.audit(call, f"ModelService.{method}", str(model))
        return self._ground.operations.start(model, "DeleteOperationMetadata", work)

    def _find(self, call: Call, permission: str) -> tuple[Name, Document]:
        model = self._ground.names.of(call)
        call.require(permission, *model.chain)
        return model, self._registry.find(model)

    def _undeployed(self, model: Name, version: str) -> None:
        if places := sorted({reference["endpoint"] for reference in self._deployed(str(model), version)}):
            shown = f"{model}@{version}" if version else str(model)
            raise failed_precondition(
                f'The Model "{shown}" is deployed or being deployed at the following Endpoint(s): {", ".join(places)}.'
            )

    def _shown(self, document: Document) -> dict[str, Any]:
        resource: dict[str, Any] = document["model"]
        deployed = self._deployed(resource["name"], resource["versionId"])
        return resource | ({"deployedModels": deployed} if deployed else {})


def masked(mask: str, changeable: dict[str, str]) -> list[str]:
    """Which fields an update mask names.

    Raises:
        ApiError: 400, for one that cannot be changed.
    """
    fields = []
    for path in filter(None, (part.strip() for part in mask.split(","))):
        name = re.sub(r"_([a-z])", lambda letter: letter[1].upper(), path.partition(".")[0])
        if name not in changeable:
            raise bad_request(f'Update of the field "{path}" is not supported.', ("update_mask", "Not supported."))
        fields.append(changeable[name])
    if not fields:
        raise invalid("update_mask", "Required field is not set.")
    return fields
