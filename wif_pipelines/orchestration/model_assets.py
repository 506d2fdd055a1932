"""The lineage from a verified dataset to a served model: training, registry, endpoint, smoke test."""

import csv
import io
import time
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import dagster as dg

from wif_pipelines.compliance import BucketInRegion, KeyInRegion, KeyName, KmsKeyUsable, check
from wif_pipelines.errors import ConfigurationError
from wif_pipelines.orchestration import plots
from wif_pipelines.orchestration.auditing import audited
from wif_pipelines.orchestration.remote_job import followed, observe
from wif_pipelines.orchestration.resources import CloudStorageResource, KeyManagementResource, VertexAIResource
from wif_pipelines.orchestration.run_settings import resolved
from wif_pipelines.orchestration.upstream import attempt_id, metadata_of
from wif_pipelines.vertex.connection import VertexConnection
from wif_pipelines.vertex.deployments import EndpointStatus
from wif_pipelines.vertex.endpoints import Endpoints
from wif_pipelines.vertex.evaluation import Evaluation, read_evaluation
from wif_pipelines.vertex.links import directory_url
from wif_pipelines.vertex.prediction import Predictor, SmokeCase, SmokeResult, smoke_test
from wif_pipelines.vertex.registry import ModelRegistry
from wif_pipelines.vertex.rules import label_value
from wif_pipelines.vertex.specs import EndpointSpec, ModelSpec, TrainingSpec
from wif_pipelines.vertex.training import JobStatus, TrainingJobs

_KINDS = {"vertexai"}
_ATTEMPT = "dagster-attempt"
_PIPELINE = "wif-pipeline"
_TRAINING_TIMEOUT = timedelta(hours=6)


@dataclass(frozen=True)
class ModelPipeline:
    """What a model's YAML says; values may be `env:NAME` (see `run_settings`).

    Attributes:
        name: The model's id, and its assets' key prefix.
        group: Under which the UI shows the assets.
        dataset: Key of the verified dataset that it is trained on.
        training_image: Container that trains.
        serving_image: Container that serves.
        artifact_bucket: Where training writes; regional, in the region of Vertex AI.
        service_account: Whom the containers run as.
        kms_key: The customer's key for job, model and endpoint.
        machine_type: Of the training job and the endpoint.
        endpoint_id: Of the endpoint.
        smoke_file: CSV below the dataset with rows whose label is known.
        smoke_label: Its column of true labels.
        smoke_ignored: Its columns that are no features.
        smoke_rows: How many rows to ask.
        smoke_needed: Share of right answers that passes.
    """

    name: str
    group: str
    dataset: dg.AssetKey
    training_image: str
    serving_image: str
    artifact_bucket: str
    service_account: str
    kms_key: str
    machine_type: str
    endpoint_id: str
    smoke_file: str
    smoke_label: str
    smoke_ignored: tuple[str, ...] = field(default=())
    smoke_rows: int = 12
    smoke_needed: float = 0.75

    def key(self, asset: str) -> dg.AssetKey:
        """Key of one of the model's assets."""
        return dg.AssetKey([self.name, asset])

    def value(self, name: str) -> str:
        """A field's value at run time."""
        return resolved(getattr(self, name), field=name)


def model_assets(model: ModelPipeline) -> list[dg.AssetsDefinition]:
    """The four assets of a model, in order."""
    return [_training(model), _registered(model), _endpoint(model), _smoke(model)]


def _training(model: ModelPipeline) -> dg.AssetsDefinition:
    @dg.asset(
        key=model.key("training_job"),
        deps=[model.dataset],
        kinds=_KINDS,
        group_name=model.group,
        description="A custom training job on Vertex AI, encrypted with the customer's key; a retry attaches to it.",
    )
    def training_job(
        context: dg.AssetExecutionContext, vertex: VertexAIResource, kms: KeyManagementResource
    ) -> dg.MaterializeResult:  # type: ignore[type-arg]
        with audited(context):
            _check_place(model, vertex, kms)
            connection = vertex.connection()
            job = _trained(context, model, connection, metadata_of(context, model.dataset)["dataset"])
            evaluation = read_evaluation(connection, job.model_dir) if job.model_dir else None
        return dg.MaterializeResult(
            metadata={
                "job": job.name,
                "state": job.state.value,
                "model_dir": job.model_dir or "",
                "artifacts": dg.MetadataValue.url(directory_url(job.model_dir or "")),
                "key": job.kms_key or "",
                "console": dg.MetadataValue.url(job.console_url),
                "logs": dg.MetadataValue.url(job.logs_url),
                "seconds": job.duration.total_seconds() if job.duration else 0.0,
                **(_measures(evaluation) if evaluation else {}),
            }
        )

    return training_job


def _registered(model: ModelPipeline) -> dg.AssetsDefinition:
    @dg.asset(
        key=model.key("registered_model"),
        deps=[model.key("training_job")],
        kinds=_KINDS,
        group_name=model.group,
        description="A new version of the model in the registry, with what it was trained from.",
    )
    def registered_model(context: dg.AssetExecutionContext, vertex: VertexAIResource) -> dg.MaterializeResult:  # type: ignore[type-arg]
        trained = metadata_of(context, model.key("training_job"))
        spec = ModelSpec(
            model_id=model.name,
            display_name=model.name,
            image_uri=model.value("serving_image"),
            artifact_uri=trained["model_dir"],
            kms_key=model.value("kms_key"),
            labels=_labels(model, context) | {"training-job": label_value(trained["job"].rpartition("/")[2])},
            version_aliases=("candidate",),
            version_description=f"Trained by {trained['job']} in Dagster run {context.run.run_id}.",
        )
        with audited(context):
            made = ModelRegistry(vertex.connection()).upload(spec)
        version = made.version
        return dg.MaterializeResult(
            metadata={
                "model": version.name,
                "version": version.version_id,
                "aliases": ", ".join(version.aliases),
                "key": version.kms_key or "",
                "artifacts": dg.MetadataValue.url(directory_url(version.artifact_uri)),
                "console": dg.MetadataValue.url(version.console_url),
                **{name: trained[name] for name in ("accuracy", "auc") if name in trained},
            }
        )

    return registered_model


def _endpoint(model: ModelPipeline) -> dg.AssetsDefinition:
    @dg.asset(
        key=model.key("endpoint"),
        deps=[model.key("registered_model")],
        kinds=_KINDS,
        group_name=model.group,
        description="The endpoint with the new version serving; the version before stays on it, for a roll-back.",
    )
    def endpoint(context: dg.AssetExecutionContext, vertex: VertexAIResource) -> dg.MaterializeResult:  # type: ignore[type-arg]
        started = time.monotonic()
        with audited(context):
            connection = vertex.connection()
            wanted = metadata_of(context, model.key("registered_model"))["version"]
            version = ModelRegistry(connection).get(model.name, wanted)
            if version is None:
                raise ConfigurationError(
                    f"Version {wanted} of the model {model.name} is not in the registry any more.",
                    remedy="Materialize the registered model again.",
                )
            endpoints = Endpoints(connection)
            before = endpoints.get(model.endpoint_id)
            deployment = endpoints.deploy(_endpoint_spec(model), version)
            status = endpoints.retire(model.endpoint_id, keep=_kept(before, deployment.deployed.id))
        return dg.MaterializeResult(
            metadata={
                "endpoint": status.name,
                "deployed_model": deployment.deployed.id,
                "version": version.version_id,
                "traffic": {f"version {each.version_id}": each.traffic_percent for each in status.deployed},
                "key": status.kms_key or "",
                "console": dg.MetadataValue.url(status.console_url),
                "logs": dg.MetadataValue.url(status.logs_url),
                "seconds": round(time.monotonic() - started, 2),
            }
        )

    return endpoint


def _smoke(model: ModelPipeline) -> dg.AssetsDefinition:
    key = model.key("smoke_test_prediction")

    @dg.asset(
        key=key,
        deps=[model.key("endpoint"), model.dataset],
        kinds=_KINDS,
        group_name=model.group,
        check_specs=[dg.AssetCheckSpec("known_cases_answered_right", asset=key)],
        description="What the endpoint says of held-out cases whose label is known.",
    )
    def smoke_test_prediction(
        context: dg.AssetExecutionContext, vertex: VertexAIResource, gcs: CloudStorageResource
    ) -> dg.MaterializeResult:  # type: ignore[type-arg]
        with audited(context):
            cases = _cases(model, metadata_of(context, model.dataset)["dataset"], gcs)
            result = smoke_test(Predictor(vertex.connection()), model.endpoint_id, cases, needed=model.smoke_needed)
        first = result.answers[0]
        return dg.MaterializeResult(
            metadata={
                "label": first.label,
                "probability": first.probability,
                "true_label": first.expected,
                "right": result.right,
                "asked": len(result.answers),
                "version": result.version_id,
                "deployed_model": result.deployed_model_id,
                "seconds": round(result.seconds, 3),
                "answers": _answers(result),
            },
            check_results=[
                dg.AssetCheckResult(
                    check_name="known_cases_answered_right",
                    passed=result.passed,
                    metadata={"right": result.right, "asked": len(result.answers)},
                )
            ],
        )

    return smoke_test_prediction


def _check_place(model: ModelPipeline, vertex: VertexAIResource, kms: KeyManagementResource) -> None:
    key = KeyName.parse(model.value("kms_key"))
    bucket = BucketInRegion(model.value("artifact_bucket"), vertex.region)
    check([KmsKeyUsable(key), KeyInRegion(key, vertex.region), bucket], kms.cloud(), before=f"{model.name} is trained")


def _trained(
    context: dg.AssetExecutionContext, model: ModelPipeline, connection: VertexConnection, dataset: str
) -> JobStatus:
    """Launch the training job of this attempt, or attach to it, and follow it to its end."""
    spec = TrainingSpec(
        display_name=f"{model.name}-{attempt_id(context)[:8]}",
        image_uri=model.value("training_image"),
        base_output_dir=f"gs://{model.value('artifact_bucket')}/{model.name}/{attempt_id(context)}",
        env={"AIP_TRAINING_DATA_URI": dataset},
        machine_type=model.machine_type,
        service_account=model.value("service_account"),
        kms_key=model.value("kms_key"),
        labels=_labels(model, context),
        timeout=_TRAINING_TIMEOUT,
    )
    jobs = TrainingJobs(connection)
    launch = jobs.launch(spec, once_by=(_PIPELINE, _ATTEMPT))
    context.log.info(
        "%s %s: %s", "Attached to" if launch.attached else "Launched", launch.job.name, launch.job.console_url
    )
    began = time.monotonic()
    with followed(context, launch.job.name, cancel=lambda: jobs.cancel(launch.job.name)):
        ended = jobs.wait(
            launch.job.name, on_look=lambda _: observe(context, seconds=round(time.monotonic() - began, 1))
        )
    ended.raise_for_state()
    return ended


def _labels(model: ModelPipeline, context: dg.AssetExecutionContext) -> dict[str, str]:
    return {_PIPELINE: label_value(model.name), _ATTEMPT: label_value(attempt_id(context))}


def _endpoint_spec(model: ModelPipeline) -> EndpointSpec:
    return EndpointSpec(
        endpoint_id=model.endpoint_id,
        display_name=model.name,
        machine_type=model.machine_type,
        service_account=model.value("service_account"),
        kms_key=model.value("kms_key"),
        labels={_PIPELINE: label_value(model.name)},
    )


def _kept(before: EndpointStatus | None, new: str) -> set[str]:
    """The new version, and what answered before it."""
    answered = {each.id for each in before.deployed if each.traffic_percent} if before else set()
    return answered | {new}


def _measures(evaluation: Evaluation) -> dict[str, Any]:
    found: dict[str, Any] = {"accuracy": evaluation.accuracy}
    if evaluation.auc is not None:
        found["auc"] = evaluation.auc
    if evaluation.heldout_examples is not None:
        found["heldout_examples"] = evaluation.heldout_examples
    if evaluation.roc:
        found["roc_curve"] = plots.roc_curve(evaluation)
    if evaluation.confusion:
        found["confusion_matrix"] = plots.confusion_matrix(evaluation)
    return found


def _cases(model: ModelPipeline, dataset: str, gcs: CloudStorageResource) -> list[SmokeCase]:
    bucket, _, prefix = dataset.removeprefix("gs://").partition("/")
    text = gcs.client().bucket(bucket).blob(prefix + model.smoke_file).download_as_text()
    rows = list(csv.DictReader(io.StringIO(text)))
    if not rows or model.smoke_label not in rows[0]:
        raise ConfigurationError(
            f"{dataset}{model.smoke_file} has no rows with a column {model.smoke_label!r}.",
            remedy="Name the file of held-out cases and its column of labels in the model's YAML.",
        )
    left_out = {model.smoke_label, *model.smoke_ignored}
    return [
        SmokeCase({name: float(value) for name, value in row.items() if name not in left_out}, row[model.smoke_label])
        for row in rows[: model.smoke_rows]
    ]


def _answers(result: SmokeResult) -> dg.TableMetadataValue:
    return dg.MetadataValue.table(
        [
            dg.TableRecord({"true": each.expected, "predicted": each.label, "probability": round(each.probability, 4)})
            for each in result.answers
        ]
    )
