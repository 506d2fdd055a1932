"""Fixtures that any test may ask for: the local cloud, started once, and what a test needs to be inside it."""

import os
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from wif_pipelines.sandbox.lifecycle import Sandbox


@pytest.fixture(scope="session")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """One local cloud for the whole session; tests make buckets of their own in it."""
    with Sandbox(tmp_path_factory.mktemp("sandbox")) as running:
        yield running


@pytest.fixture(scope="session")
def _workload_environment(sandbox: Sandbox) -> dict[str, str]:
    return sandbox.environment(session_name="tests")


@pytest.fixture(scope="session")
def _operator_environment(sandbox: Sandbox) -> dict[str, str]:
    return sandbox.environment(role=sandbox.world.operator_role, session_name="tests")


@pytest.fixture
def sandbox_environment(_workload_environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Put this process inside the sandbox, as the workload role; returns the variables that were set."""
    for name in [name for name in os.environ if name.startswith(("AWS_", "GOOGLE_"))]:
        monkeypatch.delenv(name)
    for name, value in _workload_environment.items():
        monkeypatch.setenv(name, value)
    return _workload_environment


@pytest.fixture
def workload(sandbox_environment: dict[str, str]) -> Any:
    """A boto3 session of the role that the pipeline wears."""
    return _session(sandbox_environment)


@pytest.fixture
def operator(sandbox_environment: dict[str, str], _operator_environment: dict[str, str]) -> Any:
    """A boto3 session of the role that may do everything in AWS."""
    return _session(_operator_environment)


@pytest.fixture
def source_bucket(sandbox: Sandbox, operator: Any) -> str:
    """A fresh, empty S3 bucket that the workload may read and write, and the transfer role may read."""
    name = f"{sandbox.world.source_bucket}-{uuid.uuid4().hex[:12]}"
    operator.client("s3").create_bucket(Bucket=name)
    return name


@pytest.fixture
def faults(sandbox: Sandbox) -> Iterator[Any]:
    """The sandbox's faults, none at first and none left behind."""
    sandbox.faults.clear()
    yield sandbox.faults
    sandbox.faults.clear()


def _session(environment: dict[str, str]) -> Any:
    import boto3

    return boto3.Session(
        aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
        aws_session_token=environment["AWS_SESSION_TOKEN"],
        region_name=environment["AWS_REGION"],
    )
