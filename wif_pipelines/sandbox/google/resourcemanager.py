"""Resource Manager: the one project, by id or number, and its allow policy; v1 and v3 differ in shape alone.

https://cloud.google.com/resource-manager/reference/rest/v3/projects
"""

from typing import Any

from wif_pipelines.sandbox.google.call import Call, Handlers
from wif_pipelines.sandbox.google.iam.names import project_id
from wif_pipelines.sandbox.google.iam.pages import page
from wif_pipelines.sandbox.google.iam.policy import allowed_permissions, checked_policy
from wif_pipelines.sandbox.google.iam.recording import Recorder
from wif_pipelines.sandbox.google.kernel import Kernel

_SERVICE = "cloudresourcemanager.googleapis.com"
_LARGEST_PAGE = 500


class Projects:
    """The methods on projects; the policy is where every other service looks last."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._projects = kernel.store.collection("resourcemanager.projects")
        self._recorder = Recorder(kernel.audit, _SERVICE)

    def handlers(self) -> Handlers:
        """The methods by Google's id, which both versions share."""
        methods = {
            "get": self._get,
            "list": self._list,
            "search": self._list,
            "getIamPolicy": self._get_policy,
            "setIamPolicy": self._set_policy,
            "testIamPermissions": self._test,
        }
        return {f"cloudresourcemanager.projects.{method}": handler for method, handler in methods.items()}

    async def _get(self, call: Call) -> dict[str, Any]:
        resource = self._allowed(call, "resourcemanager.projects.get")
        return self._shown(call, resource.removeprefix("projects/"))

    async def _list(self, call: Call) -> dict[str, Any]:
        """Those that the caller may get."""
        found = [
            self._shown(call, name)
            for name, _ in self._projects.list()
            if call.policies.allows(call.principal, "resourcemanager.projects.get", [f"projects/{name}"])
        ]
        return page("projects", found, call.params, largest=_LARGEST_PAGE)

    async def _get_policy(self, call: Call) -> dict[str, Any]:
        return self._kernel.policies.get(self._allowed(call, "resourcemanager.projects.getIamPolicy"))

    async def _set_policy(self, call: Call) -> dict[str, Any]:
        request = {"resource": self._name(call), "policy": call.body.get("policy", {})}
        with self._recorder.recording(call, "SetIamPolicy", self._name(call), request):
            resource = self._allowed(call, "resourcemanager.projects.setIamPolicy")
            return self._kernel.policies.set(resource, checked_policy(call.body))

    async def _test(self, call: Call) -> dict[str, Any]:
        return allowed_permissions(call.policies, call.principal, call.body, [self._name(call)])

    def _allowed(self, call: Call, permission: str) -> str:
        name = self._name(call)
        call.require(permission, name, shown=f"//{_SERVICE}/{name}")
        return name

    def _name(self, call: Call) -> str:
        """`projects/ID` of whatever the version calls it."""
        given = call.params.get("projectId") or call.params.get("resource") or call.params["name"]
        return f"projects/{project_id(self._kernel.world, given.removeprefix('projects/'))}"

    def _shown(self, call: Call, project: str) -> dict[str, Any]:
        document = self._projects.get(project) or {}
        number = self._kernel.world.project_number
        if call.request.url.path.startswith("/v1/"):
            return {
                "projectId": project,
                "projectNumber": number,
                "name": document["displayName"],
                "lifecycleState": "ACTIVE",
                "createTime": document["createTime"],
            }
        return {"name": f"projects/{number}", "projectId": project, "state": "ACTIVE", **document}
