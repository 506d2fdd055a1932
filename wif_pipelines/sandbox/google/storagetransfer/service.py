"""Storage Transfer Service: its methods, over the jobs, the runs, and what carries them out.

https://cloud.google.com/storage-transfer/docs/reference/rest
"""

import asyncio
import base64
import contextlib
import json
import logging
import threading
from collections.abc import Mapping, Sequence
from typing import Any

from wif_pipelines.sandbox.aws.endpoint import AwsEndpoint
from wif_pipelines.sandbox.google.call import Answer, Call, Handlers
from wif_pipelines.sandbox.google.errors import ApiError, bad_request, failed_precondition
from wif_pipelines.sandbox.google.kernel import Kernel
from wif_pipelines.sandbox.google.storage.objects import Objects
from wif_pipelines.sandbox.google.storagetransfer.execution import Execution
from wif_pipelines.sandbox.google.storagetransfer.failure import TransferFailure
from wif_pipelines.sandbox.google.storagetransfer.jobs import Jobs, changes_of, selected
from wif_pipelines.sandbox.google.storagetransfer.runs import Run, Runs, matching
from wif_pipelines.sandbox.google.storagetransfer.sink import GcsSink
from wif_pipelines.sandbox.google.storagetransfer.source import TransferRole
from wif_pipelines.sandbox.google.storagetransfer.specification import check_job
from wif_pipelines.sandbox.google.store import Document

_LOG = logging.getLogger(__name__)
_SERVICE = "storagetransfer.googleapis.com"
_RPC = "google.storagetransfer.v1.StorageTransferService"
_LONG_RUNNING = "google.longrunning.Operations"
_LARGEST_PAGE = 256
_MOST_ACTIVE = 200
_TICK = 0.5
_PATIENCE = 10.0


class StorageTransfer:
    """The service.

    Args:
        kernel: The ground floor.
        objects: Cloud Storage, which holds manifests and sinks.
        aws: Where the sources are.
    """

    def __init__(self, kernel: Kernel, objects: Objects, aws: AwsEndpoint) -> None:
        self._kernel = kernel
        self._objects = objects
        self._aws = aws
        self._jobs = Jobs(kernel.store, kernel.clock)
        self._runs = Runs(kernel.store, kernel.clock)
        self._executions: dict[str, Execution] = {}
        self._lock = threading.Lock()
        self._ticking: asyncio.Task[None] | None = None

    def handlers(self) -> Handlers:
        """The methods, by Google's id."""
        jobs, operations = "storagetransfer.transferJobs", "storagetransfer.transferOperations"
        return {
            "storagetransfer.googleServiceAccounts.get": self._get_account,
            f"{jobs}.create": self._create_job,
            f"{jobs}.get": self._get_job,
            f"{jobs}.list": self._list_jobs,
            f"{jobs}.patch": self._patch_job,
            f"{jobs}.delete": self._delete_job,
            f"{jobs}.run": self._run_job,
            f"{operations}.get": self._get_operation,
            f"{operations}.list": self._list_operations,
            f"{operations}.pause": self._pause,
            f"{operations}.resume": self._resume,
            f"{operations}.cancel": self._cancel,
        }

    async def start(self) -> None:
        """Go on with what was under way, and keep the schedules."""
        for run in self._runs.active():
            if run.status != "PAUSED":
                self._launch(run)
        self._ticking = asyncio.create_task(self._keep_schedules())

    async def stop(self) -> None:
        """Stop what is under way where it is; the next start goes on with it."""
        if self._ticking is not None:
            self._ticking.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._ticking
        with self._lock:
            running = list(self._executions.values())
        await asyncio.gather(*(asyncio.to_thread(each.suspend, _PATIENCE) for each in running))

    async def _get_account(self, call: Call) -> Answer:
        self._require(call, "storagetransfer.projects.getServiceAccount", call.params["projectId"])
        world = self._kernel.world
        return {"accountEmail": world.transfer_agent, "subjectId": world.transfer_agent_subject}

    async def _create_job(self, call: Call) -> Answer:
        project = self._require(call, "storagetransfer.jobs.create", call.body.get("projectId", ""))
        job = {**call.body, "projectId": project}
        check_job(job)
        self._jobs.refuse_taken(job.get("name", ""))
        await self._prove(job["transferSpec"])
        made = self._jobs.create(job)
        self._audit(call, f"{_RPC}.CreateTransferJob", made["name"], {"transferJob": made})
        self._run_due()
        return self._jobs.find(project, made["name"])

    async def _get_job(self, call: Call) -> Answer:
        project = self._require(call, "storagetransfer.jobs.get", call.params["projectId"])
        return self._jobs.find(project, call.params["jobName"])

    async def _list_jobs(self, call: Call) -> Answer:
        wanted = _filter(call)
        project = self._require(call, "storagetransfer.jobs.list", wanted["projectId"])
        return _page(call, "transferJobs", selected(self._jobs.all(project), wanted))

    async def _patch_job(self, call: Call) -> Answer:
        project = self._require(call, "storagetransfer.jobs.update", call.body.get("projectId", ""))
        job = self._jobs.find(project, call.params["jobName"])
        changes = changes_of(call.body, job)
        if changes.get("status") == "DELETED":
            self._require(call, "storagetransfer.jobs.delete", project)
        if "transferSpec" in changes:
            await self._prove(changes["transferSpec"])
        changed = self._jobs.change(job, changes)
        self._audit(call, f"{_RPC}.UpdateTransferJob", job["name"], {"transferJob": changes})
        self._run_due()
        return changed

    async def _delete_job(self, call: Call) -> Answer:
        project = self._require(call, "storagetransfer.jobs.delete", call.params["projectId"])
        job = self._jobs.find(project, call.params["jobName"])
        if job["status"] != "DELETED":
            self._jobs.change(job, {"status": "DELETED"})
        self._audit(call, f"{_RPC}.DeleteTransferJob", job["name"], {})
        return {}

    async def _run_job(self, call: Call) -> Answer:
        project = self._require(call, "storagetransfer.jobs.run", call.body.get("projectId", ""))
        job = self._jobs.find(project, call.params["jobName"])
        if job["status"] != "ENABLED":
            raise failed_precondition(f"Transfer job '{job['name']}' is not enabled: its status is {job['status']}.")
        run = self._begin(job)
        self._audit(call, f"{_RPC}.RunTransferJob", job["name"], {"operation": run["name"]})
        return run

    async def _get_operation(self, call: Call) -> Answer:
        return self._operation(call, "storagetransfer.operations.get").as_operation()

    async def _list_operations(self, call: Call) -> Answer:
        wanted = _filter(call)
        project = self._require(call, "storagetransfer.operations.list", wanted["projectId"])
        runs = [run for run in matching(self._runs.all(), wanted) if run.metadata["projectId"] == project]
        return _page(call, "operations", [run.as_operation() for run in runs])

    async def _pause(self, call: Call) -> Answer:
        run = self._operation(call, "storagetransfer.operations.pause")
        execution = self._executions.get(run.name)
        if execution is None or run.status not in ("IN_PROGRESS", "QUEUED"):
            raise failed_precondition(f"Transfer operation '{run.name}' cannot be paused: its status is {run.status}.")
        execution.pause()
        self._audit(call, f"{_RPC}.PauseTransferOperation", run.name, {})
        return {}

    async def _resume(self, call: Call) -> Answer:
        run = self._operation(call, "storagetransfer.operations.resume")
        if run.status != "PAUSED":
            raise failed_precondition(f"Transfer operation '{run.name}' is not paused: its status is {run.status}.")
        if (execution := self._executions.get(run.name)) is not None:
            execution.resume()
        else:
            run.metadata["status"] = "IN_PROGRESS"
            self._runs.put(run)
            self._launch(run)
        self._audit(call, f"{_RPC}.ResumeTransferOperation", run.name, {})
        return {}

    async def _cancel(self, call: Call) -> Answer:
        run = self._operation(call, "storagetransfer.operations.cancel")
        if (execution := self._executions.get(run.name)) is not None:
            execution.cancel()
        elif run.active:
            run.end("ABORTED", self._kernel.clock.now(), TransferFailure("CANCELLED", "The transfer was cancelled."))
            self._runs.put(run)
            self._runs.forget_objects(run)
        self._audit(call, f"{_LONG_RUNNING}.CancelOperation", run.name, {})
        return {}

    def _begin(self, job: Document) -> dict[str, Any]:
        """Start a run of a job that has none.

        Raises:
            ApiError: 400 FAILED_PRECONDITION when it has; 429 when too many runs are under way.
        """
        active = self._runs.active()
        for run in active:
            if run.metadata["transferJobName"] == job["name"]:
                text = f"Transfer job '{job['name']}' already has an active operation: '{run.name}'."
                raise failed_precondition(text)
        if len(active) >= _MOST_ACTIVE:
            raise ApiError(429, f"Quota exceeded: at most {_MOST_ACTIVE} transfer operations may be active at a time.")
        run = Run.of(job, self._kernel.clock.now())
        self._runs.put(run)
        self._jobs.note_run(job, run.name)
        operation = json.loads(
            json.dumps(run.as_operation())
        )  # as of now: the run's own thread changes it from here on
        self._launch(run)
        return dict(operation)

    def _launch(self, run: Run) -> None:
        execution = Execution(self._kernel, self._objects, self._aws, runs=self._runs, run=run, on_end=self._ended)
        with self._lock:
            self._executions[run.name] = execution
        execution.start()

    def _ended(self, run: Run) -> None:
        with self._lock:
            self._executions.pop(run.name, None)

    async def _prove(self, spec: Mapping[str, Any]) -> None:
        """See that the transfer account gets into the sink, and into the source.

        Raises:
            ApiError: 400 FAILED_PRECONDITION with what was refused.
        """
        data = spec["awsS3DataSource"]
        role = TransferRole(self._aws, self._kernel.world, data["roleArn"])

        def look() -> None:
            GcsSink(self._objects, self._kernel.world, spec).check()
            role.source(data["bucketName"]).probe(data.get("path", ""))

        try:
            await asyncio.to_thread(look)
        except TransferFailure as failure:
            raise failed_precondition(failure.message) from None

    async def _keep_schedules(self) -> None:
        while True:
            try:
                self._run_due()
            except Exception:  # noqa: BLE001 - the next tick may do better
                _LOG.exception("A schedule could not be kept")
            await asyncio.sleep(_TICK)

    def _run_due(self) -> None:
        for job in self._jobs.take_due():
            with contextlib.suppress(ApiError):  # its last run has not ended: this one is left out
                self._begin(job)

    def _operation(self, call: Call, permission: str) -> Run:
        run = self._runs.get(call.params["name"])
        self._require(call, permission, run.metadata["projectId"] if run else self._kernel.world.project)
        if run is None:
            raise ApiError(404, f"Transfer operation '{call.params['name']}' was not found.")
        return run

    def _require(self, call: Call, permission: str, project: str) -> str:
        """Refuse a caller without a permission on a project; returns the project's id."""
        if not project:
            text = "The project ID must be specified."
            raise bad_request(text, ("project_id", text))
        world = self._kernel.world
        known = world.project if project == world.project_number else project
        call.require(permission, f"projects/{known}")
        return known

    def _audit(self, call: Call, method: str, resource: str, request: Mapping[str, Any]) -> None:
        self._kernel.audit.write(
            service=_SERVICE,
            method=method,
            resource=resource,
            principal=call.principal,
            request=request,
            user_agent=call.request.headers.get("User-Agent", ""),
        )


def _filter(call: Call) -> dict[str, Any]:
    """The JSON of a list's `filter`, which must name a project.

    Raises:
        ApiError: 400.
    """
    try:
        found = json.loads(call.params.get("filter", ""))
    except json.JSONDecodeError:
        found = None
    if not isinstance(found, dict):
        text = "The filter must be a JSON object."
        raise bad_request(text, ("filter", text))
    for plural in ("jobNames", "operationNames", "jobStatuses", "transferStatuses"):
        if not isinstance(found.get(plural, []), list):
            text = f"{plural} must be an array."
            raise bad_request(text, ("filter", text))
    found["projectId"] = found.get("projectId") or found.get("project_id", "")
    return found


def _page(call: Call, field: str, items: Sequence[Document]) -> dict[str, Any]:
    size = min(int(call.params.get("pageSize") or _LARGEST_PAGE), _LARGEST_PAGE)
    try:
        start = int(base64.urlsafe_b64decode(call.params.get("pageToken", "")) or b"0")
    except ValueError:
        raise bad_request("Invalid page token.", ("page_token", "Invalid page token.")) from None
    answer: dict[str, Any] = {field: list(items[start : start + size])}
    if start + size < len(items):
        answer["nextPageToken"] = base64.urlsafe_b64encode(str(start + size).encode()).decode()
    return answer
