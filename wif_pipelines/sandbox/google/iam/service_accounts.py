"""Service accounts over the wire: no key can be made for them, and their policies say who may become them.

https://cloud.google.com/iam/docs/reference/rest/v1/projects.serviceAccounts
"""

import re
from typing import Any

from wif_pipelines.sandbox.google.call import Call, Handlers
from wif_pipelines.sandbox.google.errors import ApiError, not_found
from wif_pipelines.sandbox.google.iam.accounts import Accounts
from wif_pipelines.sandbox.google.iam.names import ACCOUNT_NAME, project_of
from wif_pipelines.sandbox.google.iam.pages import masked_fields, page, updated
from wif_pipelines.sandbox.google.iam.policy import allowed_permissions, checked_policy
from wif_pipelines.sandbox.google.iam.recording import Recorder
from wif_pipelines.sandbox.google.iam.signing import AccountKeys
from wif_pipelines.sandbox.google.kernel import Kernel
from wif_pipelines.sandbox.google.store import Document

_RPC = "google.iam.admin.v1"
_ACCOUNT_ID = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])")
_LARGEST_PAGE = 100
_TITLE_LIMIT = 100
_SETTABLE = ("displayName", "description")


class ServiceAccounts:
    """The methods on service accounts and their keys.

    Args:
        kernel: Checks permissions, keeps policies and the audit log.
        accounts: Keeps the accounts.
        keys: Knows the keys that Google holds for them.
    """

    def __init__(self, kernel: Kernel, accounts: Accounts, keys: AccountKeys) -> None:
        self._kernel = kernel
        self._accounts = accounts
        self._keys = keys
        self._recorder = Recorder(kernel.audit, "iam.googleapis.com")

    def handlers(self) -> Handlers:
        """The methods by Google's id."""
        methods = {
            "create": self._create,
            "get": self._get,
            "list": self._list,
            "patch": self._patch,
            "delete": self._delete,
            "undelete": self._undelete,
            "enable": self._enable,
            "disable": self._disable,
            "getIamPolicy": self._get_policy,
            "setIamPolicy": self._set_policy,
            "testIamPermissions": self._test,
            "keys.list": self._list_keys,
            "keys.create": self._create_key,
            "keys.upload": self._create_key,
        }
        return {f"iam.projects.serviceAccounts.{method}": handler for method, handler in methods.items()}

    async def _create(self, call: Call) -> dict[str, Any]:
        project = project_of(self._kernel.world, call.params["name"])
        account_id = call.body.get("accountId", "")
        with self._recorder.recording(call, f"{_RPC}.CreateServiceAccount", project, {"account_id": account_id}):
            call.require("iam.serviceAccounts.create", project)
            if not _ACCOUNT_ID.fullmatch(account_id) or not 6 <= len(account_id) <= 30:
                text = (
                    f'Invalid service account ID "{account_id}": it must be 6-30 characters of [a-z0-9-], start with a '
                    "letter and not end with a dash."
                )
                raise ApiError(400, text)
            given = call.body.get("serviceAccount", {})
            fields = {field: given[field] for field in _SETTABLE if field in given}
            _check_title(fields)
            return self._accounts.create(project.removeprefix("projects/"), account_id, **fields)

    async def _get(self, call: Call) -> dict[str, Any]:
        return self._account(call, "get")

    async def _list(self, call: Call) -> dict[str, Any]:
        project = project_of(self._kernel.world, call.params["name"])
        call.require("iam.serviceAccounts.list", project)
        found = self._accounts.of_project(project.removeprefix("projects/"))
        return page("accounts", found, call.params, largest=_LARGEST_PAGE)

    async def _patch(self, call: Call) -> dict[str, Any]:
        with self._recorder.recording(call, f"{_RPC}.PatchServiceAccount", call.params["name"]):
            account = self._account(call, "update")
            changes = call.body.get("serviceAccount", {})
            paths = masked_fields(call.body.get("updateMask", ""), changes)
            if any(path[0] not in _SETTABLE for path in paths):
                raise ApiError(400, "Request contains an invalid argument.")
            _check_title(changes)
            return self._accounts.save(updated(account, changes, paths))

    async def _delete(self, call: Call) -> dict[str, Any]:
        with self._recorder.recording(call, f"{_RPC}.DeleteServiceAccount", call.params["name"]):
            self._accounts.delete(self._account(call, "delete"))
        return {}

    async def _undelete(self, call: Call) -> dict[str, Any]:
        name = call.params["name"]
        with self._recorder.recording(call, f"{_RPC}.UndeleteServiceAccount", name):
            call.require("iam.serviceAccounts.undelete", f"projects/{self._kernel.world.project}")
            account = self._accounts.undelete(name.rpartition("/")[2])
            if account is None:
                raise not_found(f"Unknown service account: {name}")
            return {"restoredAccount": account}

    async def _enable(self, call: Call) -> dict[str, Any]:
        return self._switch(call, "Enable", disabled=False)

    async def _disable(self, call: Call) -> dict[str, Any]:
        return self._switch(call, "Disable", disabled=True)

    def _switch(self, call: Call, verb: str, *, disabled: bool) -> dict[str, Any]:
        with self._recorder.recording(call, f"{_RPC}.{verb}ServiceAccount", call.params["name"]):
            account = self._account(call, verb.lower())
            self._accounts.save(account | {"disabled": disabled})
        return {}

    async def _get_policy(self, call: Call) -> dict[str, Any]:
        return self._kernel.policies.get(self._account(call, "getIamPolicy")["name"])

    async def _set_policy(self, call: Call) -> dict[str, Any]:
        request = {"resource": call.params["resource"], "policy": call.body.get("policy", {})}
        with self._recorder.recording(call, f"{_RPC}.SetIAMPolicy", call.params["resource"], request):
            account = self._account(call, "setIamPolicy")
            return self._kernel.policies.set(account["name"], checked_policy(call.body))

    async def _test(self, call: Call) -> dict[str, Any]:
        account = self._find(call)
        if account is None:
            return {}
        return allowed_permissions(call.policies, call.principal, call.body, _chain(account))

    async def _list_keys(self, call: Call) -> dict[str, Any]:
        account = self._account(call, "list", resource="serviceAccountKeys")
        kinds = call.params.get("keyTypes") or ["SYSTEM_MANAGED"]
        if "SYSTEM_MANAGED" not in kinds:
            return {}
        key = {
            "name": f"{account['name']}/keys/{self._keys.key_id(account['email'])}",
            "keyAlgorithm": "KEY_ALG_RSA_2048",
            "keyOrigin": "GOOGLE_PROVIDED",
            "keyType": "SYSTEM_MANAGED",
        }
        return {"keys": [key]}

    async def _create_key(self, call: Call) -> dict[str, Any]:
        """Refused, as in an organisation that wants none.

        https://cloud.google.com/resource-manager/docs/organization-policy/restricting-service-accounts
        """
        with self._recorder.recording(call, f"{_RPC}.CreateServiceAccountKey", call.params["name"]):
            account = self._account(call, "create", resource="serviceAccountKeys")
            text = "Key creation is not allowed on this service account."
            violation = {
                "type": "constraints/iam.disableServiceAccountKeyCreation",
                "subject": f"{account['name']}?configvalue={account['email']}",
                "description": text,
            }
            detail = {"@type": "type.googleapis.com/google.rpc.PreconditionFailure", "violations": [violation]}
            raise ApiError(400, text, status="FAILED_PRECONDITION", details=[detail])

    def _account(self, call: Call, verb: str, *, resource: str = "serviceAccounts") -> Document:
        """The account that the call names, if the caller may do this to it."""
        account = self._find(call)
        named = call.params.get("resource") or call.params["name"]
        project = project_of(self._kernel.world, named)
        if project == "projects/-":
            project = f"projects/{self._kernel.world.project}"
        call.require(f"iam.{resource}.{verb}", *(_chain(account) if account else (project,)), shown=named)
        if account is None:
            raise not_found(f"Unknown service account: {named}")
        return account

    def _find(self, call: Call) -> Document | None:
        named = call.params.get("resource") or call.params["name"]
        found = ACCOUNT_NAME.fullmatch(named)
        account = self._accounts.find(found[2]) if found else None
        if account and found and found[1] not in ("-", account["projectId"], self._kernel.world.project_number):
            return None
        return account


def _chain(account: Document) -> tuple[str, str]:
    return account["name"], f"projects/{account['projectId']}"


def _check_title(fields: Document) -> None:
    if len(fields.get("displayName", "").encode()) > _TITLE_LIMIT:
        raise ApiError(400, f"The display name must be at most {_TITLE_LIMIT} bytes.")
