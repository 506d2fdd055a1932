"""Service Usage: an API can be off in a project, and then nothing of it answers.

Sources: https://cloud.google.com/service-usage/docs/reference/rest/v1/services and, for the refusals,
https://cloud.google.com/apis/design/errors and https://cloud.google.com/service-usage/docs/troubleshooting.
"""

import re
import uuid
from collections.abc import Callable, Iterable
from typing import Any

from wif_pipelines.sandbox.google.call import Call, Handler, Handlers
from wif_pipelines.sandbox.google.errors import ApiError, bad_request, error_info, failed_precondition, not_found
from wif_pipelines.sandbox.google.kernel import Kernel
from wif_pipelines.sandbox.google.paging import key_of, token_behind
from wif_pipelines.sandbox.google.services import Api

Document = dict[str, Any]
_TYPE = "type.googleapis.com/google.api.serviceusage.v1."
_RPC = "google.api.serviceusage.v1.ServiceUsage."
_SERVICE = "serviceusage.googleapis.com"
# Title, and whether it is on in a project that uses what the local cloud serves.
_CATALOGUE: dict[str, tuple[str, bool]] = {
    "aiplatform.googleapis.com": ("Agent Platform API", True),
    "artifactregistry.googleapis.com": ("Artifact Registry API", True),
    "bigquery.googleapis.com": ("BigQuery API", False),
    "cloudbuild.googleapis.com": ("Cloud Build API", False),
    "cloudkms.googleapis.com": ("Cloud Key Management Service (KMS) API", True),
    "cloudresourcemanager.googleapis.com": ("Cloud Resource Manager API", True),
    "compute.googleapis.com": ("Compute Engine API", False),
    "iam.googleapis.com": ("Identity and Access Management (IAM) API", True),
    "iamcredentials.googleapis.com": ("IAM Service Account Credentials API", True),
    "logging.googleapis.com": ("Cloud Logging API", True),
    "monitoring.googleapis.com": ("Cloud Monitoring API", False),
    "pubsub.googleapis.com": ("Cloud Pub/Sub API", True),
    "secretmanager.googleapis.com": ("Secret Manager API", False),
    "serviceusage.googleapis.com": ("Service Usage API", True),
    "storage.googleapis.com": ("Cloud Storage JSON API", True),
    "storagetransfer.googleapis.com": ("Storage Transfer API", True),
    "sts.googleapis.com": ("Security Token Service API", True),
}
_BATCH = {"get": 30, "enable": 20}
_PAGE, _LARGEST_PAGE = 50, 200


class ServiceUsage:
    """Which APIs are on in the one project; a change takes effect with the next request."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._states = kernel.store.collection("serviceusage.states")
        self._operations = kernel.store.collection("serviceusage.operations")
        self._container = f"projects/{kernel.world.project_number}"

    def handlers(self) -> Handlers:
        """Services and operations."""
        served: dict[str, Callable[[Call], Document]] = {
            "serviceusage.services.get": self._get,
            "serviceusage.services.list": self._list,
            "serviceusage.services.batchGet": self._batch_get,
            "serviceusage.services.enable": self._enable,
            "serviceusage.services.disable": self._disable,
            "serviceusage.services.batchEnable": self._batch_enable,
            "serviceusage.operations.get": self._operation,
            "serviceusage.operations.list": self._list_operations,
        }
        return {method: _handler(act) for method, act in served.items()}

    def is_enabled(self, service: str) -> bool:
        """Whether an API such as `storage.googleapis.com` is on."""
        state = self._states.get(service)
        return bool(state["enabled"]) if state else _CATALOGUE.get(service, ("", False))[1]

    def require_enabled(self, api: Api, title: str) -> None:
        """Refuse a call to an API that is off. Service Usage itself always answers: else nothing could be put right.

        Raises:
            ApiError: 403 PERMISSION_DENIED with reason SERVICE_DISABLED.
        """
        if api.service != _SERVICE and not self.is_enabled(api.service):
            raise _disabled(api.service, title, self._kernel.world.project_number)

    def _get(self, call: Call) -> Document:
        service = self._named(call.params["name"])
        self._require(call, "get", f"get service [{service}]")
        return self._resource(service)

    def _list(self, call: Call) -> Document:
        self._project_of(call.params["parent"])
        self._require(call, "list", f"list services for consumer container [{self._container}]")
        wanted = _state_filter(call.params.get("filter", ""))
        after = key_of(call.params.get("pageToken", ""))
        size = min(call.params.get("pageSize") or _PAGE, _LARGEST_PAGE)
        names = [s for s in sorted(_CATALOGUE) if s > after and (wanted is None or self.is_enabled(s) == wanted)]
        token = {"nextPageToken": token_behind(names[size - 1])} if len(names) > size else {}
        return {"services": [self._resource(name) for name in names[:size]]} | token

    def _batch_get(self, call: Call) -> Document:
        self._project_of(call.params["parent"])
        names = call.params.get("names", [])
        _limit(names, "names", _BATCH["get"])
        services = [self._named(name) for name in names]
        self._require(call, "get", f"get services {services}")
        return {"services": [self._resource(service) for service in services]}

    def _enable(self, call: Call) -> Document:
        service = self._named(call.params["name"])
        self._require(call, "enable", f"enable service [{service}]")
        changed = self._switch([service], enabled=True)
        self._audit(call, "EnableService", [service])
        response = {"@type": f"{_TYPE}EnableServiceResponse", "service": self._resource(service)}
        return self._done([service], response, changed=changed)

    def _disable(self, call: Call) -> Document:
        service = self._named(call.params["name"])
        self._require(call, "disable", f"disable service [{service}]")
        if not self.is_enabled(service):
            raise failed_precondition(f"The service {service} is not enabled, and so cannot be disabled.")
        self._switch([service], enabled=False)
        self._audit(call, "DisableService", [service])
        response = {"@type": f"{_TYPE}DisableServiceResponse", "service": self._resource(service)}
        return self._done([service], response, changed=True)

    def _batch_enable(self, call: Call) -> Document:
        self._project_of(call.params["parent"])
        ids = call.body.get("serviceIds", [])
        _limit(ids, "service_ids", _BATCH["enable"])
        services = [self._known(name) for name in ids]
        self._require(call, "enable", f"enable services {services}")
        changed = self._switch(services, enabled=True)
        self._audit(call, "BatchEnableServices", services)
        enabled = [self._resource(service) for service in services]
        return self._done(
            services, {"@type": f"{_TYPE}BatchEnableServicesResponse", "services": enabled}, changed=changed
        )

    def _operation(self, call: Call) -> Document:
        self._require(call, "get", f"get operation [{call.params['name']}]")
        operation = self._operations.get(call.params["name"])
        if operation is None:
            raise not_found(f"Operation {call.params['name']} not found.")
        return operation

    def _list_operations(self, call: Call) -> Document:
        self._require(call, "list", "list operations")
        if call.params.get("filter"):
            raise ApiError(501, "The local cloud lists all operations or none: it evaluates no filter on them.")
        after = key_of(call.params.get("pageToken", ""))
        size = min(call.params.get("pageSize") or _PAGE, _LARGEST_PAGE)
        found = self._operations.list(after=after, limit=size + 1)
        token = {"nextPageToken": token_behind(found[size - 1][0])} if len(found) > size else {}
        return {"operations": [operation for _, operation in found[:size]]} | token

    def _switch(self, services: Iterable[str], *, enabled: bool) -> bool:
        with self._kernel.store.transaction():
            changing = [service for service in services if self.is_enabled(service) != enabled]
            for service in changing:
                self._states.put(service, {"enabled": enabled})
        return bool(changing)

    def _done(self, services: Iterable[str], response: Document, *, changed: bool) -> Document:
        """A finished operation; what changed nothing is the one no-op, which Google keeps for everybody."""
        number = self._kernel.world.project_number
        name = f"operations/acf.p2-{number}-{uuid.uuid4()}" if changed else "operations/noop.DONE_OPERATION"
        names = [f"{self._container}/services/{service}" for service in services]
        metadata = {"@type": f"{_TYPE}OperationMetadata", "resourceNames": names}
        operation = {"name": name, "metadata": metadata, "done": True, "response": response}
        return self._operations.put(name, operation) if changed else operation

    def _resource(self, service: str) -> Document:
        return {
            "name": f"{self._container}/services/{service}",
            "parent": self._container,
            "config": {"name": service, "title": _CATALOGUE[service][0]},
            "state": "ENABLED" if self.is_enabled(service) else "DISABLED",
        }

    def _named(self, name: str) -> str:
        container, _, service = name.partition("/services/")
        self._project_of(container)
        return self._known(service)

    def _known(self, service: str) -> str:
        if service not in _CATALOGUE:
            raise _refused(f"Not found or permission denied for service(s): {service}.", "220002", service)
        return service

    def _project_of(self, container: str) -> None:
        if container not in {self._container, f"projects/{self._kernel.world.project}"}:
            raise _refused(f"Permission denied on resource {container} (or it may not exist).", "110002", container)

    def _require(self, call: Call, verb: str, what: str) -> None:
        project = f"projects/{self._kernel.world.project}"
        if not call.policies.allows(call.principal, f"serviceusage.services.{verb}", (project,)):
            raise _refused(f"Permission denied to {what}", "110002", what)

    def _audit(self, call: Call, method: str, services: list[str]) -> None:
        for service in services:
            self._kernel.audit.write(
                service=_SERVICE,
                method=_RPC + method,
                resource=f"{self._container}/services/{service}",
                principal=call.principal,
                user_agent=call.request.headers.get("User-Agent", ""),
            )


def _handler(act: Callable[[Call], Document]) -> Handler:
    async def handle(call: Call) -> Document:
        return act(call)

    return handle


def _disabled(service: str, title: str, number: str) -> ApiError:
    url = f"https://console.developers.google.com/apis/api/{service}/overview?project={number}"
    text = (
        f"{title} has not been used in project {number} before or it is disabled. Enable it by visiting {url} then "
        "retry. If you enabled this API recently, wait a few minutes for the action to propagate to our systems and "
        "retry."
    )
    info = error_info(
        "SERVICE_DISABLED",
        service=service,
        serviceTitle=title,
        consumer=f"projects/{number}",
        containerInfo=number,
        activationUrl=url,
    )
    localized = {"@type": "type.googleapis.com/google.rpc.LocalizedMessage", "locale": "en-US", "message": text}
    link = {"description": "Google developers console API activation", "url": url}
    help_ = {"@type": "type.googleapis.com/google.rpc.Help", "links": [link]}
    return ApiError(403, text, reason="accessNotConfigured", details=[info, localized, help_])


def _refused(text: str, code: str, subject: str) -> ApiError:
    """Service Usage's refusals: 403 whether it is not there or not allowed."""
    reason = "SERVICE_CONFIG_NOT_FOUND_OR_PERMISSION_DENIED" if code == "220002" else "AUTH_PERMISSION_DENIED"
    violation = {"type": "googleapis.com", "subject": f"?error_code={code}&subject={subject}"}
    precondition = {"@type": "type.googleapis.com/google.rpc.PreconditionFailure", "violations": [violation]}
    return ApiError(403, text, details=[precondition, error_info(reason, _SERVICE)])


def _state_filter(text: str) -> bool | None:
    """True or False for `state:ENABLED` or `state:DISABLED`, None for no filter: Google allows no other."""
    found = re.fullmatch(r"\s*state\s*[:=]\s*(ENABLED|DISABLED)\s*", text)
    if text.strip() and not found:
        raise bad_request(f"Invalid filter: {text}", ("filter", "Allowed: state:ENABLED, state:DISABLED"))
    return found[1] == "ENABLED" if found else None


def _limit(names: list[str], field: str, most: int) -> None:
    if not 0 < len(names) <= most:
        raise bad_request(f"Between 1 and {most} services can be named.", (field, f"{len(names)} given"))
