"""A custom job's run: its containers as local processes, from QUEUED to the end.

A job that runs when the sandbox stops loses its processes, and is run again when the sandbox starts, as Vertex AI runs
a job again whose machines were taken away: a container that keeps checkpoints goes on from the last one.
"""

import asyncio
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from wif_pipelines.sandbox.google.aiplatform.checks import Checks
from wif_pipelines.sandbox.google.aiplatform.containers import Container, Containers
from wif_pipelines.sandbox.google.aiplatform.images import Image
from wif_pipelines.sandbox.google.aiplatform.processes import Child
from wif_pipelines.sandbox.google.aiplatform.surroundings import MetadataServer
from wif_pipelines.sandbox.google.errors import ApiError

TERMINAL = frozenset({"JOB_STATE_SUCCEEDED", "JOB_STATE_FAILED", "JOB_STATE_CANCELLED"})
_LOG = logging.getLogger(__name__)
_DEFAULT_TIMEOUT = 7 * 24 * 3600.0
_PORT = 2222


@dataclass
class _Run:
    """What belongs to one job while it runs."""

    task: "asyncio.Task[None] | None" = None
    cancelled: asyncio.Event = field(default_factory=asyncio.Event)
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    children: dict[str, Child] = field(default_factory=dict)


class JobRunner:
    """Runs custom jobs.

    Args:
        containers: Runs their containers.
        checks: Knows the account of those that name none.
    """

    def __init__(self, containers: Containers, checks: Checks) -> None:
        self.documents = containers.kernel.store.collection("aiplatform.customJobs")
        self._kernel = containers.kernel
        self._containers = containers
        self._checks = checks
        self._runs: dict[str, _Run] = {}
        self._stopping = False

    def launch(self, name: str) -> None:
        """Begin a job's run."""
        run = self._runs[name] = _Run()
        run.task = asyncio.create_task(self._carry_out(name, run))

    def cancel(self, name: str) -> None:
        """Ask a job to end."""
        self._change(name, state="JOB_STATE_CANCELLING")
        if run := self._runs.get(name):
            run.cancelled.set()

    async def ended(self, name: str) -> dict[str, Any]:
        """The job once it has ended."""
        if run := self._runs.get(name):
            await run.ended.wait()
        document = self.documents.get(name)
        return document["job"] if document else {}

    def resume(self) -> None:
        """Run again what an earlier process left unended."""
        for name, document in self.documents.list():
            state = document["job"]["state"]
            if state == "JOB_STATE_CANCELLING":
                self._finish(name, "JOB_STATE_CANCELLED", _cancelled())
            elif state not in TERMINAL:
                self.launch(name)

    async def stop(self) -> None:
        """End all processes; the jobs stay as they are."""
        self._stopping = True
        tasks = [run.task for run in self._runs.values() if run.task]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _carry_out(self, name: str, run: _Run) -> None:
        try:
            await self._follow(name, run)
        except asyncio.CancelledError:
            if not self._stopping:
                raise
        except ApiError as error:
            self._finish(name, "JOB_STATE_FAILED", error)
        except Exception:  # noqa: BLE001 - logged, and the job must end
            _LOG.exception("The custom job %s cannot be run", name)
            self._finish(name, "JOB_STATE_FAILED", ApiError(500, "Internal error occurred for the current attempt."))
        finally:
            self._runs.pop(name, None)
            run.ended.set()

    async def _follow(self, name: str, run: _Run) -> None:
        job = self._change(name, state="JOB_STATE_PENDING")
        spec = job["jobSpec"]
        replicas = _replicas(spec, self._containers)
        metadata = self._containers.metadata(spec.get("serviceAccount") or self._checks.code_agent)
        try:
            await metadata.start()
            for replica in replicas:
                run.children[replica.task] = await self._start(name, job, replica, metadata)
            started = job.get("startTime") or self._kernel.clock.now()
            if not run.cancelled.is_set():
                self._change(name, state="JOB_STATE_RUNNING", startTime=started)
            state, error = await self._outcome(name, spec, run)
        finally:
            await asyncio.gather(*(child.stop() for child in run.children.values()), return_exceptions=True)
            await metadata.stop()
        self._finish(name, state, error)

    async def _start(self, name: str, job: Mapping[str, Any], replica: "_Replica", metadata: MetadataServer) -> Child:
        job_id = name.rpartition("/")[2]
        container = Container(
            image=replica.image,
            spec=replica.container,
            contract=self._contract(name, job, replica),
            home=f"jobs/{job_id}/{replica.task}",
            log=f"{job_id}-{replica.task}",
            sink=self._containers.logs.of_job(job_id, replica.task, job.get("labels", {})),
        )
        try:
            return await self._containers.start(container, metadata)
        except OSError as error:
            told = f"failed to create containerd task: {error.strerror}: {error.filename}"
            raise _exited(replica.task, 128, "StartError", self._link(name), told) from None

    def _contract(self, name: str, job: Mapping[str, Any], replica: "_Replica") -> dict[str, str]:
        """What every training container is promised.

        https://cloud.google.com/vertex-ai/docs/training/code-requirements#environment-variables
        """
        world = self._kernel.world
        output = job["jobSpec"].get("baseOutputDirectory", {}).get("outputUriPrefix", "").rstrip("/")
        places = {"AIP_MODEL_DIR": "model", "AIP_CHECKPOINT_DIR": "checkpoints", "AIP_TENSORBOARD_LOG_DIR": "logs"}
        return {
            "CLOUD_ML_PROJECT_ID": world.project_number,
            "CLOUD_ML_JOB_ID": name.rpartition("/")[2],
            "CLOUD_ML_REGION": name.split("/")[3],
            "CLUSTER_SPEC": json.dumps(replica.cluster_spec()),
            **({variable: f"{output}/{place}/" for variable, place in places.items()} if output else {}),
        }

    async def _outcome(self, name: str, spec: Mapping[str, Any], run: _Run) -> tuple[str, ApiError | None]:
        """How it ends: with the primary replica, the first that fails, a cancellation, or the time."""
        waits = {asyncio.create_task(child.wait()): task for task, child in run.children.items()}
        cancelled = asyncio.create_task(run.cancelled.wait())
        limit = float(spec.get("scheduling", {}).get("timeout", "0s").removesuffix("s")) or _DEFAULT_TIMEOUT
        deadline = asyncio.get_running_loop().time() + limit
        try:
            while True:
                left = deadline - asyncio.get_running_loop().time()
                done, _ = await asyncio.wait(
                    {*waits, cancelled}, timeout=max(0.0, left), return_when=asyncio.FIRST_COMPLETED
                )
                if cancelled in done:
                    return "JOB_STATE_CANCELLED", _cancelled()
                if not done:
                    told = f"The job exceeded its maximum running time of {limit:g} seconds and was stopped."
                    return "JOB_STATE_FAILED", ApiError(504, told)
                for wait in done:
                    task = waits.pop(wait)
                    if status := int(wait.result()):
                        return "JOB_STATE_FAILED", _exited(task, status, "Error", self._link(name))
                    if task == "workerpool0-0":
                        return "JOB_STATE_SUCCEEDED", None
        finally:
            for wait in (*waits, cancelled):
                wait.cancel()

    def _link(self, name: str) -> str:
        number, job_id = self._kernel.world.project_number, name.rpartition("/")[2]
        chosen = quote(f'resource.type="ml_job"\nresource.labels.job_id="{job_id}"', safe="")
        return (
            f"https://console.cloud.google.com/logs/viewer?project={number}"
            f"&resource=ml_job%2Fjob_id%2F{job_id}&advancedFilter={chosen}"
        )

    def _finish(self, name: str, state: str, error: ApiError | None) -> None:
        fields = {"state": state, "endTime": self._kernel.clock.now()}
        self._change(name, **fields, **({"error": error.as_status()} if error else {}))

    def _change(self, name: str, **fields: Any) -> dict[str, Any]:
        with self._kernel.store.transaction():
            document = self.documents.get(name)
            if document is None:
                return {}
            if document["job"]["state"] == "JOB_STATE_CANCELLING" and fields["state"] not in TERMINAL:
                fields.pop("state")  # a cancellation is not taken back
            document["job"] |= {**fields, "updateTime": self._kernel.clock.now()}
            self.documents.put(name, document)
        job: dict[str, Any] = document["job"]
        return job


@dataclass(frozen=True)
class _Replica:
    """One container of a job."""

    pool: int
    index: int
    container: Mapping[str, Any]
    image: Image
    sizes: tuple[int, ...]

    @property
    def task(self) -> str:
        return f"workerpool{self.pool}-{self.index}"

    def cluster_spec(self) -> dict[str, Any]:
        """What the containers of a job know of each other; all are on this machine.

        https://cloud.google.com/vertex-ai/docs/training/distributed-training#cluster-spec-format
        """
        cluster = {
            f"workerpool{pool}": [f"127.0.0.1:{_PORT + 100 * pool + index}" for index in range(size)]
            for pool, size in enumerate(self.sizes)
            if size
        }
        own = {"type": f"workerpool{self.pool}", "index": self.index, "cloud": "google"}
        return {"cluster": cluster, "environment": "cloud", "task": own}


def _replicas(spec: Mapping[str, Any], containers: Containers) -> list[_Replica]:
    pools = spec["workerPoolSpecs"]
    sizes = tuple(int(pool.get("replicaCount", "1")) if pool else 0 for pool in pools)
    found = []
    for number, (pool, size) in enumerate(zip(pools, sizes, strict=True)):
        for index in range(size):
            container = pool["containerSpec"]
            image = containers.image(container["imageUri"])
            found.append(_Replica(number, index, container, image, sizes))
    return found


def _exited(task: str, status: int, reason: str, link: str, told: str = "") -> ApiError:
    message = f" Termination log message: {told}." if told else ""
    text = f"The replica {task} exited with a non-zero status of {status}. Termination reason: {reason}.{message}"
    return ApiError(400, f"{text} To find out more about why your job exited please check the logs: {link}")


def _cancelled() -> ApiError:
    return ApiError(499, "The job was cancelled by the user.")
