"""What the wire tests of the ingestion share: both ends in the local cloud, each test under a prefix of its own."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from wif_pipelines.identity import WorkloadIdentity, clients
from wif_pipelines.ingestion.ends import Ends
from wif_pipelines.ingestion.inventory import SourceLocation, SourceObject, list_objects
from wif_pipelines.ingestion.sink import SinkLocation
from wif_pipelines.sandbox.lifecycle import Sandbox

Put = Callable[..., None]


@pytest.fixture
def s3(workload: Any) -> Any:
    """The source, as the pipeline sees it."""
    return workload.client("s3")


@pytest.fixture
def put(operator: Any, source_bucket: str) -> Put:
    """Write objects to the source: `put({"key": b"content"}, ContentType="text/csv")`."""
    client = operator.client("s3")

    def write(contents: Mapping[str, bytes], **settings: Any) -> None:
        for key, content in contents.items():
            client.put_object(Bucket=source_bucket, Key=key, Body=content, **settings)

    return write


@pytest.fixture
def source(source_bucket: str) -> SourceLocation:
    """The whole of a bucket that is this test's own."""
    return SourceLocation(source_bucket)


@pytest.fixture
def listed(s3: Any, source: SourceLocation) -> Callable[[], list[SourceObject]]:
    """What the source holds now."""
    return lambda: list(list_objects(s3, source))


@pytest.fixture
def identity(sandbox: Sandbox, sandbox_environment: dict[str, str]) -> WorkloadIdentity:
    """The pipeline's own identity; nothing below is given any other credential."""
    assert sandbox_environment
    world = sandbox.world
    return WorkloadIdentity(audience=world.audience, service_account=world.service_account, region=world.aws_region)


@pytest.fixture
def storage(identity: WorkloadIdentity, sandbox: Sandbox) -> Any:
    """The sink, as the pipeline sees it."""
    return clients.storage_client(identity.google_credentials(), sandbox.world.project)


@pytest.fixture
def sink(sandbox: Sandbox) -> SinkLocation:
    """A folder of the landing bucket that is this test's own, under the customer's key."""
    return SinkLocation(sandbox.world.landing_bucket, f"tests/{uuid.uuid4().hex}/", sandbox.world.kms_key)


@pytest.fixture
def ends(workload: Any, identity: WorkloadIdentity, storage: Any, source: SourceLocation, sink: SinkLocation) -> Ends:
    """Both ends."""
    return Ends(workload, identity.google_credentials(), storage, source=source, sink=sink, connections=16)


@pytest.fixture
def content_of(storage: Any, sink: SinkLocation) -> Callable[[], dict[str, bytes]]:
    """What the sink holds now: names without the test's prefix, and contents."""

    def read() -> dict[str, bytes]:
        blobs = storage.list_blobs(sink.bucket, prefix=sink.prefix)
        return {blob.name.removeprefix(sink.prefix): blob.download_as_bytes() for blob in blobs}

    return read
