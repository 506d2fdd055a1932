"""The bulk route, over the wire: Google fetches, we look on."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from wif_pipelines.compliance import Cloud, check
from wif_pipelines.errors import ComplianceError, ConflictError, NotFoundError, WifError
from wif_pipelines.identity import WorkloadIdentity, clients
from wif_pipelines.ingestion import bulk
from wif_pipelines.ingestion.bulk_job import BulkRoute, preflight_policies, trust_policy
from wif_pipelines.ingestion.bulk_status import TransferState, TransferStatus
from wif_pipelines.ingestion.ends import Ends
from wif_pipelines.ingestion.evidence import Proof
from wif_pipelines.ingestion.inventory import SourceObject
from wif_pipelines.ingestion.landing import plan_batch, verify_plan
from wif_pipelines.ingestion.plan import Plan, Route, Routing
from wif_pipelines.ingestion.sink import SinkLocation
from wif_pipelines.sandbox.lifecycle import Sandbox
from wif_pipelines_tests.ingestion.conftest import Put
from wif_pipelines_tests.ingestion.test_proxy import noise

BULK = Routing(route=Route.BULK)
Listed = Callable[[], list[SourceObject]]
Contents = Callable[[], dict[str, bytes]]


@pytest.fixture
def client(identity: WorkloadIdentity) -> Any:
    return clients.transfer_client(identity.google_credentials())


@pytest.fixture
def route(sandbox: Sandbox, ends: Ends) -> BulkRoute:
    """A pipeline of this test's own."""
    world = sandbox.world
    return BulkRoute(world.project, ends.sink.prefix, world.transfer_role_arn, ends.source, ends.sink)


@pytest.fixture
def staged(ends: Ends, route: BulkRoute) -> Callable[[Plan], str]:
    """Write a plan's list of names."""
    folder = f"gs://{ends.sink.bucket}/manifests/{ends.sink.prefix}"
    return lambda planned: bulk.write_transfer_manifest(ends.storage, folder, planned.bulk, route)


def finished(client: Any, operation: str) -> TransferStatus:
    return bulk.watch(client, operation, every=0.5, deadline=60)


def test_copies_exactly_the_names_of_the_plan(
    put: Put,
    listed: Listed,
    ends: Ends,
    client: Any,
    route: BulkRoute,
    staged: Callable[[Plan], str],
    content_of: Contents,
) -> None:
    contents = {
        "a.csv": noise(5000),
        "ab.csv": noise(10),
        "doe, john.csv": noise(20),
        'quo"te.csv': b"",
        "ünï.csv": b"x",
    }
    put(contents)
    planned = plan_batch([each for each in listed() if each.key != "ab.csv"], ends, routing=BULK)
    status = finished(client, bulk.launch(client, route, staged(planned)))
    status.raise_for_failure()
    assert status.state is TransferState.SUCCESS
    assert status.counters.objects_copied == 4
    assert status.counters.bytes_copied == 5021
    del contents["ab.csv"]
    assert content_of() == contents


def test_what_it_copied_is_verified_encrypted_and_not_copied_again(
    put: Put, listed: Listed, ends: Ends, client: Any, route: BulkRoute, staged: Callable[[Plan], str]
) -> None:
    put({f"{number}.csv": noise(1000, str(number)) for number in range(5)})
    planned = plan_batch(listed(), ends, routing=BULK)
    finished(client, bulk.launch(client, route, staged(planned))).raise_for_failure()
    report = verify_plan(planned, (), ends)
    report.raise_if_different()
    assert dict(report.proofs) == {Proof.MD5: 5}
    assert plan_batch(listed(), ends, routing=BULK).moving == ()


def test_one_job_serves_batch_after_batch(
    put: Put,
    listed: Listed,
    ends: Ends,
    client: Any,
    route: BulkRoute,
    staged: Callable[[Plan], str],
    content_of: Contents,
) -> None:
    for number in range(2):
        put({f"{number}.csv": noise(10, str(number))})
        planned = plan_batch(listed(), ends, routing=BULK)
        assert [each.source.key for each in planned.bulk] == [f"{number}.csv"]
        finished(client, bulk.launch(client, route, staged(planned))).raise_for_failure()
    pattern = json.dumps({"projectId": route.project, "jobNames": [route.job_name]})
    jobs = list(client.list_transfer_jobs({"filter": pattern}))
    assert [job.name for job in jobs] == [route.job_name]
    assert set(content_of()) == {"0.csv", "1.csv"}


def test_a_worker_that_comes_back_finds_its_run(
    put: Put, listed: Listed, ends: Ends, client: Any, route: BulkRoute, staged: Callable[[Plan], str], faults: Any
) -> None:
    put({f"{number}.csv": noise(10, str(number)) for number in range(3)})
    planned = plan_batch(listed(), ends, routing=BULK)
    manifest = staged(planned)
    operation = bulk.launch(client, route, manifest)
    bulk.pause(client, operation)
    try:
        assert bulk.launch(client, route, manifest) == operation
        found = bulk.find_running(client, route)
        assert found is not None
        assert (found.operation, found.manifest) == (operation, manifest)
        with pytest.raises(ConflictError, match="is transferring another batch"):
            bulk.launch(client, route, manifest + ".other")
    finally:
        bulk.resume(client, operation)
    finished(client, operation).raise_for_failure()
    assert bulk.find_running(client, route) is None


def test_a_cancelled_run_says_so(
    put: Put, listed: Listed, ends: Ends, client: Any, route: BulkRoute, staged: Callable[[Plan], str]
) -> None:
    put({f"{number}.csv": noise(10, str(number)) for number in range(3)})
    operation = bulk.launch(client, route, staged(plan_batch(listed(), ends, routing=BULK)))
    bulk.pause(client, operation)
    bulk.cancel(client, operation)
    assert finished(client, operation).state is TransferState.ABORTED


def test_a_role_that_does_not_trust_google_is_told_with_the_remedy(
    put: Put, listed: Listed, ends: Ends, client: Any, route: BulkRoute, staged: Callable[[Plan], str], sandbox: Sandbox
) -> None:
    put({"a.csv": b"x"})
    stranger = replace(route, role_arn=sandbox.world.workload_role_arn)
    manifest = staged(plan_batch(listed(), ends, routing=BULK))
    with pytest.raises(WifError) as caught:  # the service looks when the job is made, and again when it runs
        finished(client, bulk.launch(client, stranger, manifest)).raise_for_failure()
    assert "AssumeRoleWithWebIdentity" in caught.value.message
    assert "trust policy" in caught.value.remedy


def test_an_object_that_is_gone_is_named(
    put: Put, listed: Listed, ends: Ends, client: Any, route: BulkRoute, staged: Callable[[Plan], str], operator: Any
) -> None:
    put({"a.csv": b"x", "b.csv": b"y"})
    planned = plan_batch(listed(), ends, routing=BULK)
    operator.client("s3").delete_object(Bucket=ends.source.bucket, Key="a.csv")
    status = finished(client, bulk.launch(client, route, staged(planned)))
    assert status.counters.objects_failed == 1
    assert any("a.csv" in where for each in status.failures for where, _ in each.samples)


def test_an_unknown_run_is_an_error(client: Any) -> None:
    with pytest.raises(NotFoundError):
        bulk.status(client, "transferOperations/transferJobs-none-1")


def test_tells_whom_the_aws_role_must_trust(client: Any, sandbox: Sandbox) -> None:
    agent = bulk.transfer_agent(client, sandbox.world.project)
    assert agent.email == sandbox.world.transfer_agent
    assert agent.subject_id == sandbox.world.transfer_agent_subject
    assert agent.subject_id in json.dumps(trust_policy(agent))


def test_preflight_wants_the_key_as_the_buckets_default(identity: WorkloadIdentity, sandbox: Sandbox) -> None:
    world = sandbox.world
    credentials = identity.google_credentials()
    check(
        preflight_policies(SinkLocation(world.landing_bucket, kms_key=world.kms_key)), Cloud(credentials, world.project)
    )
    missing = SinkLocation(world.landing_bucket, kms_key=world.kms_key + "-gone")
    with pytest.raises(ComplianceError):
        check(preflight_policies(missing), Cloud(credentials, world.project))
