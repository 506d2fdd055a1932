"""The sensor over the wire: a run for a batch of new objects, none for what was seen."""

from typing import Any

import dagster as dg
import pytest

from wif_pipelines.demo.place import pipeline_variables
from wif_pipelines.orchestration.ingestion_assets import IngestionPipeline
from wif_pipelines.orchestration.new_objects import new_objects_sensor
from wif_pipelines.orchestration.resources import from_environment
from wif_pipelines.sandbox.lifecycle import Sandbox


@pytest.fixture
def pipeline(sandbox: Sandbox, source_bucket: str) -> IngestionPipeline:
    return IngestionPipeline(
        name="watched",
        group="watched",
        source_bucket=source_bucket,
        source_prefix="",
        sink_bucket=sandbox.world.landing_bucket,
        sink_prefix="watched/",
        kms_key=sandbox.world.kms_key,
        bulk_object_bytes=2**30,
        bulk_total_bytes=2**40,
    )


@pytest.fixture
def tick(
    sandbox: Sandbox, sandbox_environment: dict[str, str], pipeline: IngestionPipeline, monkeypatch: pytest.MonkeyPatch
) -> Any:
    """Evaluates the sensor with a cursor; the run requests and the cursor after it."""
    for name, value in pipeline_variables(sandbox.world).items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS")
    sensor = new_objects_sensor(pipeline, job_name="anything", seconds=60)

    def evaluate(cursor: str | None) -> tuple[list[dg.RunRequest], str | None]:
        resources = {name: value for name, value in from_environment().items() if name in {"s3", "gcs"}}
        with (
            dg.DagsterInstance.ephemeral() as instance,
            dg.build_sensor_context(instance=instance, cursor=cursor, resources=resources) as context,
        ):
            data = sensor.evaluate_tick(context)
        return list(data.run_requests or []), data.cursor

    return evaluate


def test_one_run_for_a_batch_and_none_for_what_was_seen(tick: Any, operator: Any, source_bucket: str) -> None:
    s3 = operator.client("s3")
    for name in ("a.csv", "b.csv"):
        s3.put_object(Bucket=source_bucket, Key=name, Body=name.encode())
    (request,), cursor = tick(None)
    assert request.tags["wif/objects"] == "2"
    manifest = request.run_config["ops"]["watched__source_inventory"]["config"]["manifest"]
    assert manifest.endswith(f"{request.run_key}.jsonl")

    nothing, cursor = tick(cursor)
    assert nothing == []

    s3.put_object(Bucket=source_bucket, Key="a.csv", Body=b"changed")
    (again,), _ = tick(cursor)
    assert again.tags["wif/objects"] == "1"
    assert again.run_key != request.run_key
