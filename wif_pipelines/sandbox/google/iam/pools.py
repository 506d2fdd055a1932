"""Workload identity pools and their providers, as they are kept: created, found, soft-deleted for 30 days.

https://cloud.google.com/iam/docs/manage-workload-identity-pools-providers
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from wif_pipelines.sandbox.google.clock import timestamp
from wif_pipelines.sandbox.google.errors import already_exists, failed_precondition, not_found
from wif_pipelines.sandbox.google.kernel import Kernel
from wif_pipelines.sandbox.google.store import Document

_KEPT_SECONDS = 30 * 24 * 3600


class Pools:
    """Pools and providers by resource name (always with the project's number)."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._documents = kernel.store.collection("iam.workloadIdentity")

    def get(self, name: str) -> Document | None:
        """The pool or provider of this name, soft-deleted ones too; None when there is none, or it has been purged."""
        document = self._documents.get(name)
        if document and "expireTime" in document:
            expires = datetime.fromisoformat(document["expireTime"]).timestamp()
            if expires <= self._kernel.clock.time():
                self._documents.delete(name)
                return None
        return document

    def active(self, name: str) -> Document | None:
        """The provider of this name if credentials may be exchanged at it now: neither it nor its pool is off."""
        pool, provider = self.get(name.partition("/providers/")[0]), self.get(name)
        usable = all(it and it["state"] == "ACTIVE" and not it.get("disabled") for it in (pool, provider))
        return provider if usable else None

    def usable(self, subject: str) -> bool:
        """Whether tokens of a federated principal (`principal://…`) count: not while its pool is disabled or deleted.

        https://cloud.google.com/iam/docs/reference/rest/v1/projects.locations.workloadIdentityPools
        """
        pool = self.get(subject.removeprefix("principal://iam.googleapis.com/").partition("/subject/")[0])
        return bool(pool and pool["state"] == "ACTIVE" and not pool.get("disabled"))

    def children(self, parent: str, kind: str) -> list[Document]:
        """Pools of a location, or providers of a pool (`kind` is the last-but-one part of their names)."""
        prefix = f"{parent}/{kind}/"
        names = [name for name, _ in self._documents.list(prefix) if "/" not in name.removeprefix(prefix)]
        return [document for name in names if (document := self.get(name))]

    def create(self, name: str, resource: Mapping[str, Any]) -> Document:
        """Keep a new pool or provider; what it may be, the caller has checked.

        Raises:
            ApiError: 409 when the name is taken, be it by a soft-deleted one.
        """
        with self._kernel.store.transaction():
            if self.get(name):
                raise already_exists()
            return self._documents.put(name, {**resource, "name": name, "state": "ACTIVE"})

    def update(self, name: str, changes: Mapping[str, Any], fields: frozenset[str]) -> Document:
        """Set or clear `fields` by `changes`.

        Raises:
            ApiError: 404; 400 FAILED_PRECONDITION when it is deleted.
        """
        with self._kernel.store.transaction():
            document = self._existing(name)
            if document["state"] == "DELETED":
                raise failed_precondition(f"Resource {name} is deleted.")
            kept = {field: value for field, value in document.items() if field not in fields}
            return self._documents.put(name, kept | {field: changes[field] for field in fields if field in changes})

    def delete(self, name: str) -> Document:
        """Soft-delete: it answers `state: DELETED` for 30 days, takes no credential, and can be undeleted.

        Raises:
            ApiError: 404, also when it is deleted already.
        """
        with self._kernel.store.transaction():
            document = self._existing(name)
            if document["state"] == "DELETED":
                raise not_found()
            expires = timestamp(self._kernel.clock.time() + _KEPT_SECONDS)
            return self._documents.put(name, document | {"state": "DELETED", "expireTime": expires})

    def undelete(self, name: str) -> Document:
        """Bring back what was soft-deleted.

        Raises:
            ApiError: 404; 400 FAILED_PRECONDITION when it is not deleted.
        """
        with self._kernel.store.transaction():
            document = self._existing(name)
            if document["state"] != "DELETED":
                raise failed_precondition(f"Resource {name} is not deleted.")
            del document["expireTime"]
            return self._documents.put(name, document | {"state": "ACTIVE"})

    def _existing(self, name: str) -> Document:
        document = self.get(name)
        if document is None:
            raise not_found()
        return document
