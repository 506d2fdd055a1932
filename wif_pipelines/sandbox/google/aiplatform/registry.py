"""Models in versions, as documents: ids, numbers, aliases. Knows nothing of calls.

https://cloud.google.com/vertex-ai/docs/model-registry/versioning
"""

from collections.abc import Iterable
from typing import Any

from wif_pipelines.sandbox.google.aiplatform.checks import absent
from wif_pipelines.sandbox.google.aiplatform.names import Name, new_etag
from wif_pipelines.sandbox.google.errors import failed_precondition
from wif_pipelines.sandbox.google.kernel import Kernel

Document = dict[str, Any]
"""{"model": the resource, "key": key version or None}."""

_DEFAULT = "default"


class Registry:
    """Every version of every model."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._models = kernel.store.collection("aiplatform.models")
        self._versions = kernel.store.collection("aiplatform.modelVersions")

    def exists(self, model: Name) -> bool:
        """Whether there is a model of this name, in any version."""
        return self._models.get(str(model)) is not None

    def add(self, model: Name, resource: Document, key: str | None) -> Document:
        """Make a version: the first one is the default; aliases are taken from the versions that had them."""
        with self._kernel.store.transaction():
            now = self._kernel.clock.now()
            counter = self._models.get(str(model)) or {"last": 0, "createTime": now}
            first = counter["last"] == 0
            counter["last"] += 1
            self._models.put(str(model), counter)
            version = str(counter["last"])
            aliases = resource.get("versionAliases", [])
            self._take(model, aliases)
            own = {
                "name": str(model),
                "versionId": version,
                "versionAliases": list(dict.fromkeys([*aliases, *([_DEFAULT] if first else [])])),
                "createTime": counter["createTime"],
                "updateTime": now,
                "versionCreateTime": now,
                "versionUpdateTime": now,
                "etag": new_etag(),
                "supportedDeploymentResourcesTypes": ["DEDICATED_RESOURCES"],
                "supportedInputStorageFormats": ["jsonl"],
                "supportedOutputStorageFormats": ["jsonl"],
                "modelSourceInfo": {"sourceType": "CUSTOM"},
            }
            return self._versions.put(_key(model, version), {"model": resource | own, "key": key})

    def find(self, model: Name) -> Document:
        """The version that a name means: by number, by alias, or the default.

        Raises:
            ApiError: 404.
        """
        wanted = model.version or _DEFAULT
        for document in self.versions(model):
            resource = document["model"]
            if resource["versionId"] == wanted or wanted in resource["versionAliases"]:
                return document
        raise absent("Model")

    def versions(self, model: Name) -> list[Document]:
        """All versions of a model, oldest first."""
        found = [document for _, document in self._versions.list(f"{model}@")]
        return sorted(found, key=lambda document: int(document["model"]["versionId"]))

    def defaults(self, location: Name) -> list[Document]:
        """The default version of every model in a location."""
        found = [document for _, document in self._versions.list(f"{location}/models/")]
        return [document for document in found if _DEFAULT in document["model"]["versionAliases"]]

    def change(self, model: Name, version: str, **fields: Any) -> Document:
        """Set fields of a version."""
        with self._kernel.store.transaction():
            document = self._versions.get(_key(model, version))
            if document is None:
                raise absent("Model")
            now = self._kernel.clock.now()
            document["model"] |= {**fields, "updateTime": now, "versionUpdateTime": now, "etag": new_etag()}
            return self._versions.put(_key(model, version), document)

    def rename(self, model: Name, version: str, merged: Iterable[str]) -> Document:
        """Give aliases to a version, and take away those that are written with a `-` in front.

        Raises:
            ApiError: 400, when the default alias would be lost.
        """
        added = [alias for alias in merged if not alias.startswith("-")]
        removed = {alias[1:] for alias in merged if alias.startswith("-")}
        if _DEFAULT in removed:
            raise failed_precondition(
                'The "default" alias cannot be removed from a version; assign it to another version instead.'
            )
        with self._kernel.store.transaction():
            self._take(model, added)
            document = self._versions.get(_key(model, version)) or {}
            kept = [alias for alias in document["model"]["versionAliases"] if alias not in removed]
            return self.change(model, version, versionAliases=list(dict.fromkeys([*kept, *added])))

    def remove(self, model: Name, version: str = "") -> None:
        """Forget a version, or the model with all of them."""
        with self._kernel.store.transaction():
            for document in self.versions(model):
                if version in ("", document["model"]["versionId"]):
                    self._versions.delete(_key(model, document["model"]["versionId"]))
            if not self.versions(model):
                self._models.delete(str(model))

    def _take(self, model: Name, aliases: Iterable[str]) -> None:
        wanted = set(aliases)
        for document in self.versions(model):
            resource = document["model"]
            if wanted.intersection(resource["versionAliases"]):
                kept = [alias for alias in resource["versionAliases"] if alias not in wanted]
                self.change(model, resource["versionId"], versionAliases=kept)


def _key(model: Name, version: str) -> str:
    return f"{model}@{version}"
