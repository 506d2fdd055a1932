"""A bucket of S3, kept in Cloud Storage under the customer's key."""

import dagster as dg

from wif_pipelines.orchestration.ingestion_assets import IngestionPipeline, ingestion_assets
from wif_pipelines.orchestration.new_objects import new_objects_sensor

MIB = 1024**2


class S3ToGcs(dg.Component, dg.Model, dg.Resolvable):
    """Assets that bring the objects of an S3 bucket to Cloud Storage and verify them.

    Values of buckets and keys may be `env:NAME`: the variable is then read when a run needs it.

    Attributes:
        name: The pipeline's name and its assets' key prefix.
        group: Under which the UI shows the assets; the name when empty.
        source_bucket: S3 bucket.
        source_prefix: Only keys below it; empty for all.
        sink_bucket: Cloud Storage bucket.
        sink_prefix: Folder of the dataset in it, with its trailing `/`.
        kms_key: Full name of the customer's key.
        bulk_object_mib: Objects of at least so many MiB go by Storage Transfer Service.
        bulk_total_mib: Batches of at least so many MiB go by it as a whole.
        weekly_cron: When `NAME_weekly_transfer` runs, in UTC; empty for never.
        weekly_job: Name of the job that only transfers.
        sensor_job: Job that the sensor on new objects starts; empty for no sensor.
        sensor_seconds: Between two looks of the sensor.
    """

    name: str
    source_bucket: str
    sink_bucket: str
    kms_key: str
    group: str = ""
    source_prefix: str = ""
    sink_prefix: str = ""
    bulk_object_mib: int = 1024
    bulk_total_mib: int = 100 * 1024
    weekly_job: str = "weekly_transfer"
    weekly_cron: str = "0 3 * * 1"
    sensor_job: str = ""
    sensor_seconds: int = 60

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:  # noqa: ARG002 - Dagster's interface
        """The pipeline's assets, its weekly job with a schedule, and its sensor."""
        pipeline = IngestionPipeline(
            name=self.name,
            group=self.group or self.name,
            source_bucket=self.source_bucket,
            source_prefix=self.source_prefix,
            sink_bucket=self.sink_bucket,
            sink_prefix=self.sink_prefix,
            kms_key=self.kms_key,
            bulk_object_bytes=self.bulk_object_mib * MIB,
            bulk_total_bytes=self.bulk_total_mib * MIB,
        )
        assets = ingestion_assets(pipeline)
        weekly = dg.define_asset_job(
            self.weekly_job,
            selection=dg.AssetSelection.assets(*assets),
            description=f"Bring what is new in {self.name}'s source to Cloud Storage and verify it.",
        )
        schedule = dg.ScheduleDefinition(
            name=f"{self.weekly_job}_schedule", job=weekly, cron_schedule=self.weekly_cron, execution_timezone="UTC"
        )
        sensor = new_objects_sensor(pipeline, job_name=self.sensor_job, seconds=self.sensor_seconds)
        return dg.Definitions(
            assets=assets,
            jobs=[weekly],
            schedules=[schedule] if self.weekly_cron else [],
            sensors=[sensor] if self.sensor_job else [],
        )
