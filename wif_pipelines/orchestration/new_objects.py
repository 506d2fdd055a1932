"""The sensor on new S3 objects: one run a batch, and a bounded look a tick."""

from datetime import UTC, datetime

import dagster as dg

from wif_pipelines.ingestion import manifest
from wif_pipelines.ingestion.cursor import ListingCursor, new_objects
from wif_pipelines.ingestion.inventory import list_objects
from wif_pipelines.orchestration.ingestion_assets import IngestionPipeline
from wif_pipelines.orchestration.resources import CloudStorageResource, S3Resource


def new_objects_sensor(pipeline: IngestionPipeline, *, job_name: str, seconds: int) -> dg.SensorDefinition:
    """A sensor that starts a job for each batch of new or changed source objects.

    The batch's manifest goes to Cloud Storage, its address into the run's configuration, its digest into the run key:
    a batch that is seen twice starts one run.

    Args:
        pipeline: Whose source to watch.
        job_name: The job to start; it must contain the pipeline's inventory.
        seconds: Between two looks.
    """

    @dg.sensor(
        name=f"{pipeline.name}_new_objects",
        job_name=job_name,
        minimum_interval_seconds=seconds,
        default_status=dg.DefaultSensorStatus.STOPPED,
        description=f"Starts {job_name} for each batch of new objects of {pipeline.name}.",
    )
    def look(
        context: dg.SensorEvaluationContext, s3: S3Resource, gcs: CloudStorageResource
    ) -> dg.SensorResult | dg.SkipReason:
        cursor = ListingCursor.from_json(context.cursor)
        listing = list_objects(s3.client(), pipeline.source, start_after=cursor.position)
        batch, after = new_objects(cursor, listing, now=datetime.now(UTC))
        if not batch:
            context.update_cursor(after.to_json())
            return dg.SkipReason(f"Nothing is new in {pipeline.source.uri}.")
        written = manifest.write_manifest(gcs.client(), pipeline.manifests, batch, kms_key=pipeline.sink.kms_key)
        op = pipeline.key("source_inventory").to_python_identifier()
        request = dg.RunRequest(
            run_key=written.digest,
            run_config={"ops": {op: {"config": {"manifest": written.uri}}}},
            tags={"wif/batch": written.batch, "wif/objects": str(written.objects)},
        )
        return dg.SensorResult(run_requests=[request], cursor=after.to_json())

    return look
