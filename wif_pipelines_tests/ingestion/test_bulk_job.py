"""What a bulk job is made of."""

from __future__ import annotations

import re
from dataclasses import fields

import pytest
from google.cloud.storage_transfer_v1 import TransferJob, TransferOptions
from hypothesis import given
from hypothesis import strategies as st

from wif_pipelines.ingestion.bulk_job import BulkRoute, TransferAgent, preflight_policies, transfer_job, trust_policy
from wif_pipelines.ingestion.inventory import SourceLocation
from wif_pipelines.ingestion.sink import SinkLocation

ROLE = "arn:aws:iam::210987654321:role/storage-transfer"


def route(pipeline: str = "weekly clinic exports", **rest: object) -> BulkRoute:
    source, sink = SourceLocation("clinic", "exports/"), SinkLocation("landing", "raw/")
    return BulkRoute("project", pipeline, ROLE, source, sink, **rest)  # type: ignore[arg-type]


@given(st.text())
def test_the_name_is_one_that_the_service_takes(pipeline: str) -> None:
    name = route(pipeline.encode("utf-8", "replace").decode()).job_name
    assert re.fullmatch(r"transferJobs/(?!OPI)[A-Za-z0-9-._~]*[A-Za-z0-9]", name)
    assert len(name) <= 128


def test_pipelines_whose_names_look_alike_have_jobs_of_their_own() -> None:
    assert route("a b").job_name != route("a-b").job_name
    assert route("a b").job_name == route("a b").job_name


def test_copies_exact_names_with_a_role_and_no_key() -> None:
    spec = TransferJob.to_dict(transfer_job(route(), "gs://landing/manifest.csv"))["transfer_spec"]
    source = spec["aws_s3_data_source"]
    assert source["role_arn"] == ROLE
    assert "aws_access_key" not in source or not source["aws_access_key"]
    assert not source["credentials_secret"]
    assert spec["transfer_manifest"]["location"] == "gs://landing/manifest.csv"
    assert source["path"] == "exports/"
    assert spec["gcs_data_sink"]["path"] == "raw/"
    assert spec["transfer_options"]["overwrite_when"] == TransferOptions.OverwriteWhen.DIFFERENT
    assert not {field.name for field in fields(BulkRoute)} & {"access_key", "secret", "key"}


def test_only_this_projects_transfer_account_is_trusted() -> None:
    (statement,) = trust_policy(TransferAgent("project-1@storage-transfer-service.iam.gserviceaccount.com", "42"))[
        "Statement"
    ]  # type: ignore[misc]
    assert statement["Condition"] == {"StringEquals": {"accounts.google.com:sub": "42"}}
    assert statement["Action"] == "sts:AssumeRoleWithWebIdentity"


@pytest.mark.parametrize(("key", "policies"), [(None, 0), ("projects/p/locations/l/keyRings/r/cryptoKeys/k", 2)])
def test_the_sinks_key_is_checked_when_there_is_one(key: str | None, policies: int) -> None:
    assert len(preflight_policies(SinkLocation("landing", kms_key=key))) == policies
