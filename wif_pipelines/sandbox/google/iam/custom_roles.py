"""Roles over the wire: Google's own to read, a project's custom ones to make.

https://cloud.google.com/iam/docs/reference/rest/v1/projects.roles
"""

import re
from typing import Any

from wif_pipelines.sandbox.google.access.roles import predefined_roles
from wif_pipelines.sandbox.google.call import Call, Handlers
from wif_pipelines.sandbox.google.errors import ApiError, already_exists, not_found
from wif_pipelines.sandbox.google.iam.names import project_of
from wif_pipelines.sandbox.google.iam.pages import masked_fields, page, updated
from wif_pipelines.sandbox.google.iam.recording import Recorder
from wif_pipelines.sandbox.google.kernel import Kernel
from wif_pipelines.sandbox.google.store import Document

_RPC = "google.iam.admin.v1"
_ROLE_ID = re.compile(r"[a-zA-Z0-9_.]{3,64}")
_ETAG = "BwYAAAAAAAE="
_LARGEST_PAGE = 1000


class Roles:
    """The methods on roles; what a role grants takes effect at once."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._custom = kernel.store.collection("iam.roles")
        self._recorder = Recorder(kernel.audit, "iam.googleapis.com")

    def handlers(self) -> Handlers:
        """The methods by Google's id."""
        return {
            "iam.roles.get": self._get_predefined,
            "iam.roles.list": self._list_predefined,
            "iam.projects.roles.get": self._get,
            "iam.projects.roles.list": self._list,
            "iam.projects.roles.create": self._create,
            "iam.projects.roles.patch": self._patch,
            "iam.projects.roles.delete": self._delete,
            "iam.projects.roles.undelete": self._undelete,
        }

    async def _get_predefined(self, call: Call) -> dict[str, Any]:
        name = call.params["name"]
        if name not in predefined_roles():
            raise not_found(f"The role named {name} was not found.")
        return _predefined(name) | {"includedPermissions": sorted(predefined_roles()[name])}

    async def _list_predefined(self, call: Call) -> dict[str, Any]:
        full = call.params.get("view") == "FULL"
        roles = [
            _predefined(name) | ({"includedPermissions": sorted(permissions)} if full else {})
            for name, permissions in sorted(predefined_roles().items())
        ]
        return page("roles", roles, call.params, largest=_LARGEST_PAGE)

    async def _get(self, call: Call) -> dict[str, Any]:
        return self._role(call, "get")[1]

    async def _list(self, call: Call) -> dict[str, Any]:
        project = project_of(self._kernel.world, call.params["parent"])
        call.require("iam.roles.list", project)
        roles = [role for _, role in self._custom.list(f"{project}/roles/")]
        shown = [role for role in roles if call.params.get("showDeleted") or not role.get("deleted")]
        return page("roles", shown, call.params, largest=_LARGEST_PAGE)

    async def _create(self, call: Call) -> dict[str, Any]:
        project = project_of(self._kernel.world, call.params["parent"])
        role_id = call.body.get("roleId", "")
        name = f"{project}/roles/{role_id}"
        with self._recorder.recording(call, f"{_RPC}.CreateRole", name):
            call.require("iam.roles.create", project)
            if not _ROLE_ID.fullmatch(role_id):
                raise ApiError(400, f"The role_id {role_id} must match [a-zA-Z0-9_.]{{3,64}}.")
            if self._custom.get(name):
                raise already_exists(f"A role named {role_id} in {project} already exists.")
            return self._custom.put(name, {**call.body.get("role", {}), "name": name, "etag": _ETAG})

    async def _patch(self, call: Call) -> dict[str, Any]:
        with self._recorder.recording(call, f"{_RPC}.UpdateRole", call.params["name"]):
            name, role = self._role(call, "update")
            paths = masked_fields(call.params.get("updateMask", ""), call.body)
            return self._custom.put(name, updated(role, call.body, paths) | {"name": name, "etag": _ETAG})

    async def _delete(self, call: Call) -> dict[str, Any]:
        with self._recorder.recording(call, f"{_RPC}.DeleteRole", call.params["name"]):
            name, role = self._role(call, "delete")
            return self._custom.put(name, role | {"deleted": True})

    async def _undelete(self, call: Call) -> dict[str, Any]:
        with self._recorder.recording(call, f"{_RPC}.UndeleteRole", call.params["name"]):
            name, role = self._role(call, "undelete")
            role.pop("deleted", None)
            return self._custom.put(name, role)

    def _role(self, call: Call, verb: str) -> tuple[str, Document]:
        project = project_of(self._kernel.world, call.params["name"])
        call.require(f"iam.roles.{verb}", project)
        name = f"{project}/roles/{call.params['name'].rpartition('/')[2]}"
        role = self._custom.get(name)
        if role is None:
            raise not_found(f"The role named {name} was not found.")
        return name, role


def _predefined(name: str) -> Document:
    words = re.sub(r"(?<=[a-z])(?=[A-Z])|\.", " ", name.removeprefix("roles/"))
    return {"name": name, "title": words.title(), "stage": "GA", "etag": "AA=="}
