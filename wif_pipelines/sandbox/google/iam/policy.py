"""Reading, replacing and testing allow policies, alike on every resource that has one."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from wif_pipelines.sandbox.google.access.policies import Policies
from wif_pipelines.sandbox.google.access.principal import Principal
from wif_pipelines.sandbox.google.errors import ApiError

_MEMBER = re.compile(
    r"allUsers|allAuthenticatedUsers"
    r"|(?:user|serviceAccount|group|deleted:[a-zA-Z]+):\S+@\S+|domain:\S+"
    r"|project(?:Owner|Editor|Viewer):\S+"
    r"|principal(?:Set)?://iam\.googleapis\.com/\S+"
    r"|deleted:principal(?:Set)?://iam\.googleapis\.com/\S+"
)
_ROLE = re.compile(r"(?:(?:projects|organizations)/[^/]+/)?roles/[A-Za-z0-9_.]+")


def checked_policy(body: Mapping[str, Any]) -> dict[str, Any]:
    """The policy of a SetIamPolicyRequest.

    Raises:
        ApiError: 400 when there is none, or a role or member is not well-formed. Whether a member exists is not
            checked, nor is whether anything speaks for a principalSet.
    """
    policy = body.get("policy")
    if policy is None:
        raise ApiError(400, "Request contains an invalid argument.")
    for binding in policy.get("bindings", ()):
        if not _ROLE.fullmatch(binding.get("role", "")):
            raise ApiError(400, f"Role {binding.get('role', '')} is not supported for this resource.")
        for member in binding.get("members", ()):
            if not _MEMBER.fullmatch(member):
                raise ApiError(400, f"The member {member} is of an unknown type. Please set a valid type prefix.")
    bindings = [binding for binding in policy.get("bindings", ()) if binding.get("members")]
    return {**policy, "bindings": bindings}


def allowed_permissions(
    policies: Policies, caller: Principal, body: Mapping[str, Any], chain: Iterable[str]
) -> dict[str, Any]:
    """A TestIamPermissionsResponse: which of the permissions asked for the caller has."""
    chain = tuple(chain)
    asked = body.get("permissions", [])
    if any("*" in permission for permission in asked):
        raise ApiError(400, "Permissions with wildcards are not allowed in this request.")
    allowed = [permission for permission in asked if policies.allows(caller, permission, chain)]
    return {"permissions": allowed} if allowed else {}
