"""Long-running operations: begun, polled under either path, waited for, cancelled.

https://cloud.google.com/vertex-ai/docs/general/long-running-operations
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from wif_pipelines.sandbox.google.aiplatform.names import Name, Names, new_id
from wif_pipelines.sandbox.google.call import Call, Handlers
from wif_pipelines.sandbox.google.errors import ApiError, failed_precondition, not_found
from wif_pipelines.sandbox.google.kernel import Kernel

Work = Callable[[], Awaitable[tuple[str, dict[str, Any]]]]
"""What an operation does; returns the type of its response (empty for nothing) and the response."""

_LOG = logging.getLogger(__name__)
_TYPES = "type.googleapis.com/google.cloud.aiplatform.v1."
_EMPTY = {"@type": "type.googleapis.com/google.protobuf.Empty"}
_PARENTS = ("", "models.", "endpoints.", "customJobs.", "trainingPipelines.")
_READ = {
    "models": "aiplatform.models.get",
    "endpoints": "aiplatform.endpoints.get",
    "customJobs": "aiplatform.customJobs.get",
    "trainingPipelines": "aiplatform.trainingPipelines.get",
}
_WAIT = 30.0


class Operations:
    """The operations of all resources."""

    def __init__(self, kernel: Kernel, names: Names) -> None:
        self._clock = kernel.clock
        self._names = names
        self._documents = kernel.store.collection("aiplatform.operations")
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._stopping = False

    def start(self, parent: Name, metadata_type: str, work: Work) -> dict[str, Any]:
        """Begin an operation on a resource and return it as it is then: not done."""
        now = self._clock.now()
        name = str(parent.child("operations", new_id()))
        metadata = {"@type": _TYPES + metadata_type, "genericMetadata": {"createTime": now, "updateTime": now}}
        operation = self._documents.put(name, {"name": name, "metadata": metadata})
        self._tasks[name] = asyncio.create_task(self._run(name, work))
        return operation

    def running(self, resource: Name) -> list[str]:
        """Names of the operations on a resource that have not ended."""
        return [name for name in self._tasks if name.startswith(f"{resource}/operations/")]

    def exclusive(self, resource: Name, kind: str) -> None:
        """Refuse to begin while another operation on the resource runs.

        Raises:
            ApiError: 400 FAILED_PRECONDITION.
        """
        if running := self.running(resource):
            told = f'There are other operations running on the {kind} "{resource}".'
            raise failed_precondition(f"{told} Operation(s) are: {', '.join(running)}.")

    def recover(self) -> None:
        """End what an earlier process left undone: it will never be."""
        for name, operation in self._documents.list():
            if not operation.get("done"):
                lost = ApiError(503, "The service was restarted while the operation was running.")
                self._end(name, error=lost.as_status())

    async def stop(self) -> None:
        """Leave what runs undone."""
        self._stopping = True
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def handlers(self) -> Handlers:
        """The methods of `operations` below every resource that has them here."""
        methods = {
            "get": self._get,
            "list": self._list,
            "wait": self._wait,
            "cancel": self._cancel,
            "delete": self._delete,
        }
        return {
            f"aiplatform.projects.locations.{parent}operations.{verb}": handler
            for parent in _PARENTS
            for verb, handler in methods.items()
        }

    async def _run(self, name: str, work: Work) -> None:
        try:
            kind, response = await work()
        except asyncio.CancelledError:
            if not self._stopping:
                self._end(name, error=ApiError(499, "The operation was cancelled.").as_status())
        except ApiError as error:
            self._end(name, error=error.as_status())
        except Exception:  # noqa: BLE001 - logged, and the operation must end
            _LOG.exception("The operation %s failed", name)
            self._end(name, error=ApiError(500, "Internal error encountered.").as_status())
        else:
            self._end(name, response={"@type": _TYPES + kind, **response} if kind else _EMPTY)
        finally:
            del self._tasks[name]

    def _end(self, name: str, **outcome: Any) -> None:
        operation = self._documents.get(name)
        if operation is not None:
            operation["metadata"]["genericMetadata"]["updateTime"] = self._clock.now()
            self._documents.put(name, {**operation, "done": True, **outcome})

    def _read(self, call: Call) -> tuple[str, dict[str, Any]]:
        name = self._names.of(call)
        collection = name.rest.partition("/")[0]
        call.require(_READ.get(collection, "aiplatform.operations.list"), *name.chain)
        operation = self._documents.get(str(name))
        if operation is None:
            raise not_found(f"The operation {name} does not exist.")
        return str(name), operation

    async def _get(self, call: Call) -> dict[str, Any]:
        return self._read(call)[1]

    async def _list(self, call: Call) -> dict[str, Any]:
        name = self._names.of(call)
        call.require(_READ.get(name.rest.partition("/")[0], "aiplatform.operations.list"), *name.chain)
        found = [operation for _, operation in self._documents.list(f"{name}/operations/")]
        found.sort(key=lambda each: str(each["metadata"]["genericMetadata"]["createTime"]), reverse=True)
        start = int(call.params.get("pageToken") or 0)
        size = int(call.params.get("pageSize") or 100)
        answer: dict[str, Any] = {"operations": found[start : start + size]}
        return answer | ({"nextPageToken": str(start + size)} if len(found) > start + size else {})

    async def _wait(self, call: Call) -> dict[str, Any]:
        name, operation = self._read(call)
        if task := self._tasks.get(name):
            asked = str(call.params.get("timeout") or "").removesuffix("s")
            await asyncio.wait({task}, timeout=min(float(asked or _WAIT), _WAIT))
        return self._documents.get(name) or operation

    async def _cancel(self, call: Call) -> dict[str, Any]:
        name, _ = self._read(call)
        if task := self._tasks.get(name):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait({task}, timeout=_WAIT)
        return {}

    async def _delete(self, call: Call) -> dict[str, Any]:
        name, operation = self._read(call)
        if not operation.get("done"):
            raise failed_precondition(f"The operation {name} is still running.")
        self._documents.delete(name)
        return {}
