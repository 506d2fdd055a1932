"""What the code location offers, and that loading it is light and touches nothing."""

import itertools
import json
import subprocess
import sys

import dagster as dg

from wif_pipelines.definitions import defs

HEAVY = (
    "google.cloud.aiplatform",
    "google.cloud.aiplatform_v1",
    "googleapiclient",
    "dagster_gcp",
    "dagster_aws",
    "pandas",
    "sklearn",
    "boto3",
    "obstore",
)


def test_the_lineage_is_the_main_job() -> None:
    graph = defs().resolve_asset_graph()
    order = [
        "clinic_exports/source_inventory",
        "clinic_exports/transfer_plan",
        "clinic_exports/landing",
        "clinic_exports/verified_dataset",
        "diagnostics/training_job",
        "diagnostics/registered_model",
        "diagnostics/endpoint",
        "diagnostics/smoke_test_prediction",
    ]
    assert {key.to_user_string() for key in graph.get_all_asset_keys()} == set(order)
    for earlier, later in itertools.pairwise(order):
        parents = graph.get(dg.AssetKey.from_user_string(later)).parent_keys
        assert dg.AssetKey.from_user_string(earlier) in parents


def test_jobs_schedule_and_sensor() -> None:
    loaded = defs()
    names = {job.name for job in loaded.resolve_all_job_defs() if not job.name.startswith("__")}
    assert names == {"weekly_transfer", "train_and_deploy", "ingest_and_train"}
    schedule = loaded.resolve_schedule_def("weekly_transfer_schedule")
    assert (schedule.cron_schedule, schedule.execution_timezone) == ("0 3 * * 1", "UTC")
    assert loaded.resolve_sensor_def("clinic_exports_new_objects").job_name == "ingest_and_train"


def test_the_verified_dataset_gates_what_follows() -> None:
    checks = {check.name: check.blocking for check in _checks()}
    assert checks == {
        "content_equals_source": True,
        "every_object_under_the_key": True,
        "known_cases_answered_right": False,
    }


def test_definitions_are_valid() -> None:
    dg.Definitions.validate_loadable(defs())


def test_loading_is_light() -> None:
    loaded = f"print(json.dumps([name for name in {HEAVY} if name in sys.modules]))"
    code = f"import json, sys, wif_pipelines.definitions as d; d.defs(); {loaded}"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    assert json.loads(ran.stdout.splitlines()[-1]) == []


def _checks() -> list[dg.AssetCheckSpec]:
    assets = [asset for asset in defs().assets or [] if isinstance(asset, dg.AssetsDefinition)]
    return [spec for asset in assets for spec in asset.check_specs]
