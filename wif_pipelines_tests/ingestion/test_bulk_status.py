"""Reading what Storage Transfer Service says of a run, from its own messages."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from google.cloud.storage_transfer_v1 import TransferOperation
from google.longrunning.operations_pb2 import Operation

from wif_pipelines.errors import JobCancelledError, TransferError
from wif_pipelines.ingestion.bulk_status import TransferState, TransferStatus, read_operation, remedy_for

START = datetime(2026, 1, 5, 3, 0, tzinfo=UTC)


def answered(error: str = "", **fields: object) -> TransferStatus:
    operation = Operation(name="transferOperations/1")
    found = TransferOperation(transfer_job_name="transferJobs/wif-a", **fields)
    operation.metadata.Pack(TransferOperation.pb(found))
    if error:
        operation.done = True
        operation.error.message = error
    return read_operation(operation)


@pytest.mark.parametrize("state", list(TransferOperation.Status))
def test_knows_every_state_that_there_is(state: TransferOperation.Status) -> None:
    assert answered(status=state).state.value == state.name
    assert answered(status=state).state.ended == (state.name in {"SUCCESS", "FAILED", "ABORTED"})


def test_reads_counters_manifest_and_rate() -> None:
    status = answered(
        status="IN_PROGRESS",
        start_time=START,
        end_time=START + timedelta(seconds=10),
        transfer_spec={"transfer_manifest": {"location": "gs://b/m.csv"}},
        counters={
            "objects_found_from_source": 9,
            "bytes_found_from_source": 900,
            "objects_copied_to_sink": 5,
            "bytes_copied_to_sink": 500,
            "objects_from_source_skipped_by_sync": 3,
            "bytes_from_source_skipped_by_sync": 300,
            "objects_from_source_failed": 1,
            "bytes_from_source_failed": 100,
        },
    )
    counters = status.counters
    assert (counters.objects_found, counters.objects_copied, counters.objects_skipped, counters.objects_failed) == (
        9,
        5,
        3,
        1,
    )
    assert (counters.bytes_found, counters.bytes_copied, counters.bytes_skipped, counters.bytes_failed) == (
        900,
        500,
        300,
        100,
    )
    assert (status.manifest, status.job, status.operation) == (
        "gs://b/m.csv",
        "transferJobs/wif-a",
        "transferOperations/1",
    )
    assert status.bytes_per_second == pytest.approx(50)


def test_before_anything_is_known_there_is_no_time_and_no_rate() -> None:
    status = answered(status="QUEUED")
    assert (status.started, status.ended, status.bytes_per_second) == (None, None, 0.0)


def test_a_failed_run_quotes_its_samples_and_the_remedy() -> None:
    status = answered(
        error="the run failed",
        status="FAILED",
        counters={"objects_from_source_failed": 2},
        error_breakdowns=[
            {
                "error_code": "PERMISSION_DENIED",
                "error_count": 2,
                "error_log_entries": [
                    {
                        "url": "s3://clinic/a.csv",
                        "error_details": ["Not authorized to perform sts:AssumeRoleWithWebIdentity"],
                    }
                ],
            }
        ],
    )
    assert status.failures[0].code == "PERMISSION_DENIED"
    with pytest.raises(TransferError, match=r"PERMISSION_DENIED x 2\n    s3://clinic/a.csv: Not authorized") as caught:
        status.raise_for_failure()
    assert "accounts.google.com:sub" in caught.value.remedy


def test_a_cancelled_run_is_told_apart() -> None:
    with pytest.raises(JobCancelledError, match="was cancelled") as caught:
        answered(status="ABORTED").raise_for_failure()
    assert caught.value.job == "transferOperations/1"


def test_a_run_that_succeeded_raises_nothing() -> None:
    answered(status="SUCCESS").raise_for_failure()
    assert TransferState("SUCCESS").ended


@pytest.mark.parametrize(
    ("said", "advice"),
    [
        ("Not authorized to perform sts:AssumeRoleWithWebIdentity", "trust policy"),
        ("Failed to obtain the location of the (GCS) bucket X due to insufficient permissions.", "legacyBucketReader"),
        ("the CryptoKey is disabled", "Enable the key"),
        ("is not authorized to perform: s3:GetObject", "s3:ListBucket"),
        ("something new", "Remove the cause"),
    ],
)  # fmt: skip
def test_advises_on_known_texts(said: str, advice: str) -> None:
    assert advice in remedy_for(said)
