"""Custom jobs: created, read, listed, cancelled, deleted.

https://cloud.google.com/vertex-ai/docs/reference/rest/v1/projects.locations.customJobs
"""

from typing import Any

from wif_pipelines.sandbox.google.aiplatform.checks import absent, described, invalid, machine
from wif_pipelines.sandbox.google.aiplatform.filters import page
from wif_pipelines.sandbox.google.aiplatform.ground import Ground
from wif_pipelines.sandbox.google.aiplatform.names import Name, new_id
from wif_pipelines.sandbox.google.aiplatform.running import TERMINAL, JobRunner
from wif_pipelines.sandbox.google.call import Call, Handlers
from wif_pipelines.sandbox.google.errors import ApiError, failed_precondition


class CustomJobs:
    """The custom jobs; each runs its containers."""

    def __init__(self, ground: Ground, runner: JobRunner) -> None:
        self._ground = ground
        self._runner = runner
        self._documents = runner.documents

    def handlers(self) -> Handlers:
        """Methods by id."""
        prefix = "aiplatform.projects.locations.customJobs."
        return {
            prefix + "create": self._create,
            prefix + "get": self._get,
            prefix + "list": self._list,
            prefix + "cancel": self._cancel,
            prefix + "delete": self._delete,
        }

    def check(self, call: Call, job: dict[str, Any], region: str) -> str | None:
        """Refuse a job that cannot be run, and return the key version that encrypts it.

        Raises:
            ApiError: 400 or 403.
        """
        described(job)
        spec = job["jobSpec"]
        pools = spec.get("workerPoolSpecs") or []
        if not pools:
            raise invalid("job_spec.worker_pool_specs", "Required field is not set.")
        for index, pool in enumerate(pools):
            _check_pool(pool, f"job_spec.worker_pool_specs[{index}]", first=index == 0)
        self._ground.checks.act_as(call, spec.get("serviceAccount", ""))
        if output := spec.get("baseOutputDirectory", {}).get("outputUriPrefix"):
            self._ground.checks.output(output, region)
        return self._ground.checks.encrypted(job, region)

    def add(self, job: dict[str, Any], parent: Name, key: str | None) -> dict[str, Any]:
        """Create a checked job and let it run; returns it as it is then."""
        name = parent.child("customJobs", new_id())
        now = self._ground.kernel.clock.now()
        resource = {**job, "name": str(name), "state": "JOB_STATE_QUEUED", "createTime": now, "updateTime": now}
        self._documents.put(str(name), {"job": resource, "key": key})
        self._runner.launch(str(name))
        return resource

    async def _create(self, call: Call) -> dict[str, Any]:
        parent = self._ground.names.of(call)
        call.require("aiplatform.customJobs.create", *parent.chain)
        job = self.add(call.body, parent, self.check(call, call.body, parent.region))
        self._ground.audit(call, "JobService.CreateCustomJob", job["name"])
        return job

    async def _get(self, call: Call) -> dict[str, Any]:
        _, document = self._find(call, "aiplatform.customJobs.get")
        self._ground.checks.readable(document["key"])
        job: dict[str, Any] = document["job"]
        return job

    async def _list(self, call: Call) -> dict[str, Any]:
        parent = self._ground.names.of(call)
        call.require("aiplatform.customJobs.list", *parent.chain)
        found = [document["job"] for _, document in self._documents.list(f"{parent}/customJobs/")]
        return page(found, call.params, "customJobs")

    async def _cancel(self, call: Call) -> dict[str, Any]:
        name, document = self._find(call, "aiplatform.customJobs.cancel")
        state = document["job"]["state"]
        if state in TERMINAL:
            raise failed_precondition(f"CustomJob {name} is in state {state} and cannot be cancelled.")
        self._runner.cancel(str(name))
        self._ground.audit(call, "JobService.CancelCustomJob", str(name))
        return {}

    async def _delete(self, call: Call) -> dict[str, Any]:
        name, document = self._find(call, "aiplatform.customJobs.delete")
        if document["job"]["state"] not in TERMINAL:
            raise failed_precondition(f"CustomJob {name} is in a non-terminal state; cancel it before deleting it.")

        async def work() -> tuple[str, dict[str, Any]]:
            self._documents.delete(str(name))
            return "", {}

        self._ground.audit(call, "JobService.DeleteCustomJob", str(name))
        return self._ground.operations.start(name, "DeleteOperationMetadata", work)

    def _find(self, call: Call, permission: str) -> tuple[Name, dict[str, Any]]:
        name = self._ground.names.of(call)
        call.require(permission, *name.chain)
        document = self._documents.get(str(name))
        if document is None:
            raise absent("CustomJob")
        return name, document


def _check_pool(pool: dict[str, Any], field: str, *, first: bool) -> None:
    if not pool:
        return  # an empty pool keeps the places of those behind it
    machine(pool.get("machineSpec", {}))
    if not pool.get("machineSpec", {}).get("machineType"):
        raise invalid(f"{field}.machine_spec.machine_type", "Required field is not set.")
    if "pythonPackageSpec" in pool:
        raise ApiError(501, "The local cloud runs containers of their own (container_spec), not Python packages.")
    if "containerSpec" not in pool:
        raise invalid(f"{field}.task", "Required field is not set.")
    replicas = int(pool.get("replicaCount", "1"))
    if first and replicas != 1:
        raise invalid(f"{field}.replica_count", "The first worker pool must have exactly one replica.")
    if replicas < 0:
        raise invalid(f"{field}.replica_count", "The replica count must not be negative.")
