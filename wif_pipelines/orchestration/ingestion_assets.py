"""The lineage from a source bucket to a verified dataset: inventory, plan, landing, verification."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import dagster as dg

from wif_pipelines.compliance import BucketDefaultKey, KeyName, KmsKeyUsable, check
from wif_pipelines.ingestion import bulk, manifest
from wif_pipelines.ingestion.bulk_job import BulkRoute
from wif_pipelines.ingestion.bulk_status import TransferStatus
from wif_pipelines.ingestion.ends import Ends
from wif_pipelines.ingestion.inventory import SourceLocation, SourceObject, list_objects
from wif_pipelines.ingestion.landing import BulkService, plan_batch, refuse_partial, start_bulk, verify_plan
from wif_pipelines.ingestion.plan import Decision, Plan, Routing
from wif_pipelines.ingestion.proxy import copy_all
from wif_pipelines.ingestion.sink import SinkLocation, list_sink
from wif_pipelines.ingestion.verify import VerificationReport, remove_damaged
from wif_pipelines.orchestration.auditing import audited
from wif_pipelines.orchestration.remote_job import followed, observe
from wif_pipelines.orchestration.resources import (
    CloudStorageResource,
    KeyManagementResource,
    S3Resource,
    StorageTransferResource,
)
from wif_pipelines.orchestration.run_settings import resolved
from wif_pipelines.orchestration.upstream import metadata_of

_KINDS = {"s3", "gcs"}
_SHOWN_ROWS = 50


@dataclass(frozen=True)
class IngestionPipeline:
    """What a pipeline's YAML says; values may be `env:NAME` (see `run_settings`).

    Attributes:
        name: The pipeline's name and its assets' key prefix.
        group: Under which the UI shows the assets.
        source_bucket: S3 bucket.
        source_prefix: Only keys below it; empty for all.
        sink_bucket: Cloud Storage bucket.
        sink_prefix: Folder of the dataset in it, with its trailing `/`.
        kms_key: The customer's key for what lands.
        bulk_object_bytes: Objects of at least this size go by Storage Transfer Service.
        bulk_total_bytes: Batches of at least this size go by it as a whole.
    """

    name: str
    group: str
    source_bucket: str
    source_prefix: str
    sink_bucket: str
    sink_prefix: str
    kms_key: str
    bulk_object_bytes: int
    bulk_total_bytes: int

    def key(self, asset: str) -> dg.AssetKey:
        """Key of one of the pipeline's assets."""
        return dg.AssetKey([self.name, asset])

    @property
    def source(self) -> SourceLocation:
        """Where from."""
        return SourceLocation(resolved(self.source_bucket, field="source_bucket"), self.source_prefix)

    @property
    def sink(self) -> SinkLocation:
        """Where to, under which key."""
        key = resolved(self.kms_key, field="kms_key")
        return SinkLocation(resolved(self.sink_bucket, field="sink_bucket"), self.sink_prefix, key)

    @property
    def routing(self) -> Routing:
        """Which object goes which way."""
        return Routing(bulk_object_bytes=self.bulk_object_bytes, bulk_total_bytes=self.bulk_total_bytes)

    @property
    def manifests(self) -> str:
        """Folder of the batches' manifests, beside the datasets."""
        return f"gs://{self.sink.bucket}/manifests/{self.name}/"


class InventoryConfig(dg.Config):
    """Of the inventory: a batch that somebody else (the sensor) has listed already.

    Attributes:
        manifest: `gs://` address of the batch's manifest; empty to list the source.
    """

    manifest: str = ""


def ingestion_assets(pipeline: IngestionPipeline) -> list[dg.AssetsDefinition]:
    """The four assets of a pipeline, in order."""
    return [_inventory(pipeline), _plan(pipeline), _landing(pipeline), _dataset(pipeline)]


def _inventory(pipeline: IngestionPipeline) -> dg.AssetsDefinition:
    @dg.asset(
        key=pipeline.key("source_inventory"),
        kinds={"s3"},
        group_name=pipeline.group,
        description="What is in the source bucket, or in the batch that the sensor saw, as a manifest.",
    )
    def source_inventory(
        context: dg.AssetExecutionContext, config: InventoryConfig, s3: S3Resource, gcs: CloudStorageResource
    ) -> dg.MaterializeResult:  # type: ignore[type-arg]
        started = time.monotonic()
        with audited(context):
            objects = _batch(config.manifest, pipeline, s3, gcs)
            written = manifest.write_manifest(gcs.client(), pipeline.manifests, objects, kms_key=pipeline.sink.kms_key)
        newest = max((each.last_modified for each in objects), default=None)
        return dg.MaterializeResult(
            metadata={
                "source": dg.MetadataValue.text(pipeline.source.uri),
                "objects": written.objects,
                "bytes": written.size,
                "manifest": dg.MetadataValue.text(written.uri),
                "batch": written.batch,
                "seconds": round(time.monotonic() - started, 2),
                **({"newest": dg.MetadataValue.timestamp(newest)} if newest else {}),
                "sample": _table(objects[:_SHOWN_ROWS]),
            }
        )

    return source_inventory


def _plan(pipeline: IngestionPipeline) -> dg.AssetsDefinition:
    @dg.asset(
        key=pipeline.key("transfer_plan"),
        deps=[pipeline.key("source_inventory")],
        kinds=_KINDS,
        group_name=pipeline.group,
        description="What goes which way and why, what it takes and costs; keys are checked before anything moves.",
    )
    def transfer_plan(
        context: dg.AssetExecutionContext, s3: S3Resource, gcs: CloudStorageResource, kms: KeyManagementResource
    ) -> dg.MaterializeResult:  # type: ignore[type-arg]
        with audited(context):
            planned = _planned(context, pipeline, _ends(pipeline, s3, gcs))
            _check_keys(pipeline, planned, kms)
        return dg.MaterializeResult(
            metadata={
                **_summary(planned),
                "source": planned.source.uri,
                "sink": planned.sink.uri,
                "key": planned.sink.kms_key or "",
                "moving": _decisions(planned.moving[:_SHOWN_ROWS]),
            }
        )

    return transfer_plan


def _landing(pipeline: IngestionPipeline) -> dg.AssetsDefinition:
    @dg.asset(
        key=pipeline.key("landing"),
        deps=[pipeline.key("transfer_plan")],
        kinds=_KINDS,
        group_name=pipeline.group,
        description="The objects in Cloud Storage: small ones streamed through the worker, large ones fetched by "
        "Storage Transfer Service. What is there already is not moved again.",
    )
    def landing(
        context: dg.AssetExecutionContext,
        s3: S3Resource,
        gcs: CloudStorageResource,
        transfer: StorageTransferResource,
        kms: KeyManagementResource,
    ) -> dg.MaterializeResult:  # type: ignore[type-arg]
        started = time.monotonic()
        with audited(context):
            ends = _ends(pipeline, s3, gcs)
            planned = _planned(context, pipeline, ends)
            _check_keys(pipeline, planned, kms)
            service = _bulk_service(pipeline, transfer)
            operation = start_bulk(planned, ends, service)
            copied = copy_all(planned.proxy, ends, progress=lambda n, size: observe(context, objects=n, bytes=size))
            seconds = time.monotonic() - started
            status = _watched(context, service, operation) if service and operation else None
        return dg.MaterializeResult(
            metadata={
                "proxy_objects": len(copied),
                "proxy_bytes": planned.proxy_bytes,
                "proxy_seconds": round(seconds, 2),
                "bulk_objects": status.counters.objects_copied if status else 0,
                "bulk_bytes": status.counters.bytes_copied if status else 0,
                "bulk_operation": operation or "none",
                "unchanged_objects": len(planned.unchanged),
                "key": planned.sink.kms_key or "",
                "landing": planned.sink.uri,
                "console": dg.MetadataValue.url(_console(planned.sink)),
                "seconds": round(time.monotonic() - started, 2),
            }
        )

    return landing


def _dataset(pipeline: IngestionPipeline) -> dg.AssetsDefinition:
    key = pipeline.key("verified_dataset")

    @dg.asset(
        key=key,
        deps=[pipeline.key("landing")],
        kinds={"gcs"},
        group_name=pipeline.group,
        check_specs=[
            dg.AssetCheckSpec("content_equals_source", asset=key, blocking=True),
            dg.AssetCheckSpec("every_object_under_the_key", asset=key, blocking=True),
        ],
        description="The landed objects, each compared with its source by size and checksum.",
    )
    def verified_dataset(
        context: dg.AssetExecutionContext, s3: S3Resource, gcs: CloudStorageResource
    ) -> dg.MaterializeResult:  # type: ignore[type-arg]
        started = time.monotonic()
        with audited(context):
            ends = _ends(pipeline, s3, gcs)
            planned = _planned(context, pipeline, ends)
            report = verify_plan(planned, (), ends)
            if not report.ok:
                remove_damaged(report, ends)
            report.raise_if_different()
            strangers = _under_another_key(ends, {each.name for each in planned.expected})
        return dg.MaterializeResult(
            metadata={
                "dataset": planned.sink.uri,
                "objects": report.objects,
                "bytes": report.size,
                "proofs": {proof.value: count for proof, count in report.proofs.items()},
                "manifest": metadata_of(context, pipeline.key("source_inventory"))["manifest"],
                "key": planned.sink.kms_key or "",
                "console": dg.MetadataValue.url(_console(planned.sink)),
                "seconds": round(time.monotonic() - started, 2),
            },
            check_results=_verdicts(report, strangers),
        )

    return verified_dataset


def _batch(address: str, pipeline: IngestionPipeline, s3: S3Resource, gcs: CloudStorageResource) -> list[SourceObject]:
    if address:
        return [row.source for row in manifest.read_manifest(gcs.client(), address)]
    return list(list_objects(s3.client(), pipeline.source))


def _ends(pipeline: IngestionPipeline, s3: S3Resource, gcs: CloudStorageResource) -> Ends:
    return Ends(
        s3.identity.aws_session(),
        gcs.identity.credentials(),
        gcs.client(),
        source=pipeline.source,
        sink=pipeline.sink,
    )


def _planned(context: dg.AssetExecutionContext, pipeline: IngestionPipeline, ends: Ends) -> Plan:
    """The plan of the inventory's batch as things stand now; made anew by each step, so that a retry moves the rest."""
    address = metadata_of(context, pipeline.key("source_inventory"))["manifest"]
    objects = (row.source for row in manifest.read_manifest(ends.storage, address))
    planned = plan_batch(objects, ends, routing=pipeline.routing)
    refuse_partial(planned)
    return planned


def _check_keys(pipeline: IngestionPipeline, planned: Plan, kms: KeyManagementResource) -> None:
    key = KeyName.parse(planned.sink.kms_key or "")
    default = [BucketDefaultKey(planned.sink.bucket, key)] if planned.bulk else []
    check([KmsKeyUsable(key), *default], kms.cloud(), before=f"{pipeline.name} moves anything")


def _bulk_service(pipeline: IngestionPipeline, transfer: StorageTransferResource) -> BulkService | None:
    if not transfer.role_arn:
        return None
    route = BulkRoute(transfer.identity.project, pipeline.name, transfer.role_arn, pipeline.source, pipeline.sink)
    return BulkService(transfer.client(), route, staging=f"{pipeline.manifests}transfer/")


def _watched(context: dg.AssetExecutionContext, service: BulkService, operation: str) -> TransferStatus:
    def look(status: TransferStatus) -> None:
        observe(context, bulk_objects=status.counters.objects_copied, bulk_bytes=status.counters.bytes_copied)

    with followed(context, operation, cancel=lambda: bulk.cancel(service.client, operation)):
        status = bulk.watch(service.client, operation, on_look=look)
    status.raise_for_failure()
    return status


def _under_another_key(ends: Ends, names: set[str]) -> list[str]:
    found = list_sink(ends.storage, ends.sink.bucket, prefix=ends.sink.prefix)
    return [each.name for each in found if each.name in names and each.kms_key != ends.sink.kms_key]


def _verdicts(report: VerificationReport, strangers: Sequence[str]) -> list[dg.AssetCheckResult]:
    return [
        dg.AssetCheckResult(
            check_name="content_equals_source", passed=report.ok, metadata={"compared": report.objects}
        ),
        dg.AssetCheckResult(
            check_name="every_object_under_the_key",
            passed=not strangers,
            metadata={"compared": report.objects, "under another key": list(strangers[:_SHOWN_ROWS])},
        ),
    ]


def _table(objects: Sequence[SourceObject]) -> dg.TableMetadataValue:
    return dg.MetadataValue.table(
        [
            dg.TableRecord({"key": each.key, "bytes": each.size, "modified": each.last_modified.isoformat()})
            for each in objects
        ],
        schema=_schema(key="string", bytes="int", modified="string"),
    )


def _summary(planned: Plan) -> dict[str, Any]:
    return dict(planned.summary())


def _decisions(decisions: Sequence[Decision]) -> dg.TableMetadataValue:
    rows: Iterator[dict[str, Any]] = (
        {"key": each.source.key, "bytes": each.source.size, "route": each.action.value, "why": each.reason}
        for each in decisions
    )
    return dg.MetadataValue.table(
        [dg.TableRecord(row) for row in rows], schema=_schema(key="string", bytes="int", route="string", why="string")
    )


def _schema(**columns: str) -> dg.TableSchema:
    return dg.TableSchema([dg.TableColumn(name, kind) for name, kind in columns.items()])


def _console(sink: SinkLocation) -> str:
    return f"https://console.cloud.google.com/storage/browser/{sink.bucket}/{sink.prefix}"
