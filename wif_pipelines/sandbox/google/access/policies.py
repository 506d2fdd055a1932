"""Allow policies on resources, and the question they answer."""

import base64
from collections.abc import Iterable
from typing import Any

from wif_pipelines.sandbox.google.access.principal import Principal
from wif_pipelines.sandbox.google.access.roles import permissions_of
from wif_pipelines.sandbox.google.errors import ApiError, error_info
from wif_pipelines.sandbox.google.store import Store

Policy = dict[str, Any]
_CONCURRENT = "There were concurrent policy changes. Please retry the whole read-modify-write with exponential backoff."


class Policies:
    """Allow policies by resource name, such as `projects/p`, `buckets/b` or `projects/p/serviceAccounts/a@b`."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._policies = store.collection("access.policies")

    def get(self, resource: str) -> Policy:
        """The resource's own policy; an empty one when none was set."""
        return self._policies.get(resource) or {"version": 1, "bindings": [], "etag": "ACAB"}

    def set(self, resource: str, policy: Policy) -> Policy:
        """Replace a resource's policy.

        Raises:
            ApiError: 409 ABORTED when `policy` carries an etag that is not the current one.
        """
        with self._store.transaction():
            current = self.get(resource)
            if policy.get("etag") and policy["etag"] != current["etag"]:
                raise ApiError(409, _CONCURRENT, status="ABORTED", reason="conflict")
            return self._policies.put(resource, self._stamped(policy, current))

    def bind(self, resource: str, role: str, *members: str) -> None:
        """Add members to a role on a resource; what is already there stays."""
        with self._store.transaction():
            policy = self.get(resource)
            for binding in policy["bindings"]:
                if binding["role"] == role and "condition" not in binding:
                    binding["members"] = sorted({*binding["members"], *members})
                    break
            else:
                policy["bindings"].append({"role": role, "members": sorted(members)})
            self._policies.put(resource, self._stamped(policy, policy))

    def forget(self, resource: str) -> None:
        """Drop the policy of a resource that is gone."""
        self._policies.delete(resource)

    def allows(self, principal: Principal, permission: str, chain: Iterable[str]) -> bool:
        """Whether a binding on any resource of `chain` (the resource, then its ancestors) grants the permission."""
        for resource in chain:
            for binding in self.get(resource)["bindings"]:
                if principal.members.intersection(binding["members"]) and permission in permissions_of(
                    binding["role"], self._store
                ):
                    return True
        return False

    def require(self, principal: Principal, permission: str, chain: Iterable[str], *, shown: str = "") -> None:
        """Refuse a caller who lacks a permission.

        Args:
            principal: The caller.
            permission: For example `storagetransfer.jobs.create`.
            chain: The resource, then its ancestors.
            shown: How the refusal names the resource; by default the first of `chain`.

        Raises:
            ApiError: 403 PERMISSION_DENIED with reason IAM_PERMISSION_DENIED.
        """
        chain = tuple(chain)
        if not self.allows(principal, permission, chain):
            name = shown or chain[0]
            text = f"Permission '{permission}' denied on resource '{name}' (or it may not exist)."
            detail = error_info("IAM_PERMISSION_DENIED", permission=permission, resource=name)
            raise ApiError(403, text, details=[detail])

    @staticmethod
    def _stamped(policy: Policy, previous: Policy) -> Policy:
        revision = int.from_bytes(base64.b64decode(previous["etag"]), "big") + 1
        etag = base64.b64encode(revision.to_bytes(6, "big")).decode()
        return {"version": policy.get("version", 1), "bindings": policy.get("bindings", []), "etag": etag}


def ancestors(resource: str) -> tuple[str, ...]:
    """`projects/p/locations/l/keyRings/r/cryptoKeys/k` and all above it that can carry a policy, nearest first."""
    parts = resource.split("/")
    return tuple("/".join(parts[:end]) for end in range(len(parts), 1, -2))
