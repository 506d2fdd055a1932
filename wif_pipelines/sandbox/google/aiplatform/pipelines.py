"""Training pipelines of the custom-task kind: a custom job, and the upload of what it made.

The library's CustomContainerTrainingJob speaks this; other kinds (AutoML) are not here.
https://cloud.google.com/vertex-ai/docs/reference/rest/v1/projects.locations.trainingPipelines
"""

import asyncio
import logging
from typing import Any

from wif_pipelines.sandbox.google.aiplatform.checks import absent, described, invalid
from wif_pipelines.sandbox.google.aiplatform.filters import page
from wif_pipelines.sandbox.google.aiplatform.ground import Ground
from wif_pipelines.sandbox.google.aiplatform.jobs import CustomJobs
from wif_pipelines.sandbox.google.aiplatform.models import Models
from wif_pipelines.sandbox.google.aiplatform.names import Name, new_id
from wif_pipelines.sandbox.google.aiplatform.running import JobRunner
from wif_pipelines.sandbox.google.call import Call, Handlers
from wif_pipelines.sandbox.google.descriptions import load
from wif_pipelines.sandbox.google.errors import ApiError, failed_precondition
from wif_pipelines.sandbox.google.schema import Reader

_LOG = logging.getLogger(__name__)
_CUSTOM_TASK = "gs://google-cloud-aiplatform/schema/trainingjob/definition/custom_task_1.0.0.yaml"
_SPEC = {"$ref": "GoogleCloudAiplatformV1CustomJobSpec"}
_TERMINAL = frozenset(f"PIPELINE_STATE_{state}" for state in ("SUCCEEDED", "FAILED", "CANCELLED"))


class TrainingPipelines:
    """The training pipelines; each follows its custom job."""

    def __init__(self, ground: Ground, jobs: CustomJobs, runner: JobRunner, models: Models) -> None:
        self._ground = ground
        self._jobs = jobs
        self._runner = runner
        self._models = models
        self._documents = ground.kernel.store.collection("aiplatform.trainingPipelines")
        self._tasks: set[asyncio.Task[None]] = set()

    def handlers(self) -> Handlers:
        """Methods by id."""
        prefix = "aiplatform.projects.locations.trainingPipelines."
        return {
            prefix + "create": self._create,
            prefix + "get": self._get,
            prefix + "list": self._list,
            prefix + "cancel": self._cancel,
            prefix + "delete": self._delete,
        }

    def resume(self) -> None:
        """Follow again what had not ended."""
        for name, document in self._documents.list():
            if document["pipeline"]["state"] not in _TERMINAL:
                self._begin(self._ground.names.parse(name))

    async def stop(self) -> None:
        """Follow no more."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _create(self, call: Call) -> dict[str, Any]:
        parent = self._ground.names.of(call)
        call.require("aiplatform.trainingPipelines.create", *parent.chain)
        pipeline = call.body
        described(pipeline)
        if pipeline["trainingTaskDefinition"] != _CUSTOM_TASK:
            raise ApiError(501, "The local cloud runs training pipelines of custom tasks only.")
        if "inputDataConfig" in pipeline:
            raise ApiError(404, "The Dataset does not exist.")
        job = {
            "displayName": f"{pipeline['displayName']}-custom-job",
            "jobSpec": Reader(load("aiplatform", "v1")).read(pipeline["trainingTaskInputs"], _SPEC),
            "labels": pipeline.get("labels", {}),
            **({"encryptionSpec": pipeline["encryptionSpec"]} if "encryptionSpec" in pipeline else {}),
        }
        job_key = self._jobs.check(call, job, parent.region)
        upload = self._checked_upload(call, pipeline, job, parent)
        made = self._jobs.add(job, parent, job_key)
        name = parent.child("trainingPipelines", new_id())
        now = self._ground.kernel.clock.now()
        resource = {
            **pipeline,
            "name": str(name),
            "state": "PIPELINE_STATE_RUNNING",
            "createTime": now,
            "startTime": now,
            "updateTime": now,
            "trainingTaskMetadata": {"backingCustomJob": made["name"]},
        }
        self._documents.put(str(name), {"pipeline": resource, "key": job_key, "upload": upload})
        self._ground.audit(call, "PipelineService.CreateTrainingPipeline", name)
        self._begin(name)
        return resource

    def _checked_upload(
        self, call: Call, pipeline: dict[str, Any], job: dict[str, Any], parent: Name
    ) -> dict[str, Any] | None:
        """Where the model goes, and under which key version; refused now rather than after the training."""
        model = pipeline.get("modelToUpload")
        if model is None:
            return None
        call.require("aiplatform.models.upload", *parent.chain)
        if not job["jobSpec"].get("baseOutputDirectory", {}).get("outputUriPrefix"):
            raise invalid("training_task_inputs.base_output_directory", "Required field is not set.")
        place = self._models.place(parent, pipeline.get("modelId", ""), pipeline.get("parentModel", ""))
        return {"model": str(place), "key": self._models.check(model, parent.region)}

    def _begin(self, name: Name) -> None:
        task = asyncio.create_task(self._follow(name))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _follow(self, name: Name) -> None:
        document = self._documents.get(str(name)) or {}
        job = await self._runner.ended(document["pipeline"]["trainingTaskMetadata"]["backingCustomJob"])
        state = str(job.get("state", "JOB_STATE_FAILED")).removeprefix("JOB_STATE_")
        if state not in {"SUCCEEDED", "FAILED", "CANCELLED"}:
            return  # the sandbox is going down
        fields: dict[str, Any] = {"error": job["error"]} if "error" in job else {}
        if state == "SUCCEEDED" and document["upload"]:
            try:
                fields["modelToUpload"] = self._upload(document, job)
            except ApiError as error:
                state, fields = "FAILED", {"error": error.as_status()}
            except Exception:  # noqa: BLE001 - logged, and the pipeline must end
                _LOG.exception("The model of %s cannot be uploaded", name)
                state, fields = "FAILED", {"error": ApiError(500, "Internal error encountered.").as_status()}
        self._change(name, state=f"PIPELINE_STATE_{state}", endTime=self._ground.kernel.clock.now(), **fields)

    def _upload(self, document: dict[str, Any], job: dict[str, Any]) -> dict[str, Any]:
        output = job["jobSpec"]["baseOutputDirectory"]["outputUriPrefix"].rstrip("/")
        wanted = document["pipeline"]["modelToUpload"] | {"artifactUri": f"{output}/model"}
        upload = document["upload"]
        made = self._models.register(
            self._ground.names.parse(upload["model"]), wanted, upload["key"], self._ground.checks.agent
        )
        return {field: made[field] for field in (*wanted, "name", "versionId") if field in made}

    async def _get(self, call: Call) -> dict[str, Any]:
        _, document = self._find(call, "aiplatform.trainingPipelines.get")
        self._ground.checks.readable(document["key"])
        pipeline: dict[str, Any] = document["pipeline"]
        return pipeline

    async def _list(self, call: Call) -> dict[str, Any]:
        parent = self._ground.names.of(call)
        call.require("aiplatform.trainingPipelines.list", *parent.chain)
        found = [document["pipeline"] for _, document in self._documents.list(f"{parent}/trainingPipelines/")]
        return page(found, call.params, "trainingPipelines")

    async def _cancel(self, call: Call) -> dict[str, Any]:
        name, document = self._find(call, "aiplatform.trainingPipelines.cancel")
        if document["pipeline"]["state"] in _TERMINAL:
            raise failed_precondition(f"TrainingPipeline {name} has ended and cannot be cancelled.")
        self._change(name, state="PIPELINE_STATE_CANCELLING")
        self._runner.cancel(document["pipeline"]["trainingTaskMetadata"]["backingCustomJob"])
        self._ground.audit(call, "PipelineService.CancelTrainingPipeline", name)
        return {}

    async def _delete(self, call: Call) -> dict[str, Any]:
        name, document = self._find(call, "aiplatform.trainingPipelines.delete")
        if document["pipeline"]["state"] not in _TERMINAL:
            raise failed_precondition(f"TrainingPipeline {name} has not ended; cancel it before deleting it.")

        async def work() -> tuple[str, dict[str, Any]]:
            self._documents.delete(str(name))
            return "", {}

        self._ground.audit(call, "PipelineService.DeleteTrainingPipeline", name)
        return self._ground.operations.start(name, "DeleteOperationMetadata", work)

    def _find(self, call: Call, permission: str) -> tuple[Name, dict[str, Any]]:
        name = self._ground.names.of(call)
        call.require(permission, *name.chain)
        document = self._documents.get(str(name))
        if document is None:
            raise absent("TrainingPipeline")
        return name, document

    def _change(self, name: Name, **fields: Any) -> None:
        with self._ground.kernel.store.transaction():
            document = self._documents.get(str(name))
            if document is not None:
                document["pipeline"] |= {**fields, "updateTime": self._ground.kernel.clock.now()}
                self._documents.put(str(name), document)
