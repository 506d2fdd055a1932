"""Batches from end to end, over the wire: both routes, run again, killed, damaged."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from wif_pipelines.errors import PlanError
from wif_pipelines.identity import WorkloadIdentity, clients
from wif_pipelines.ingestion.bulk_job import BulkRoute
from wif_pipelines.ingestion.ends import Ends
from wif_pipelines.ingestion.evidence import Proof
from wif_pipelines.ingestion.inventory import SourceObject
from wif_pipelines.ingestion.landing import AS_USUAL, BulkService, IngestOptions, ingest
from wif_pipelines.ingestion.plan import Routing
from wif_pipelines.ingestion.proxy import ProxyOptions
from wif_pipelines.ingestion.sink import list_sink
from wif_pipelines.sandbox.lifecycle import Sandbox
from wif_pipelines_tests.ingestion.conftest import Put
from wif_pipelines_tests.ingestion.test_proxy import noise

Listed = Callable[[], list[SourceObject]]
Contents = Callable[[], dict[str, bytes]]


@pytest.fixture
def both_routes(identity: WorkloadIdentity, sandbox: Sandbox, ends: Ends) -> IngestOptions:
    """The bulk route from 50 kB on."""
    world = sandbox.world
    service = BulkService(
        clients.transfer_client(identity.google_credentials()),
        BulkRoute(world.project, ends.sink.prefix, world.transfer_role_arn, ends.source, ends.sink),
        f"gs://{ends.sink.bucket}/manifests/{ends.sink.prefix}",
    )
    return IngestOptions(routing=Routing(bulk_object_bytes=50_000), service=service, look_every=0.5)


def test_both_routes_bring_a_batch_and_the_second_run_moves_nothing(
    put: Put, listed: Listed, ends: Ends, content_of: Contents, both_routes: IngestOptions
) -> None:
    contents = {f"week-{number:02d}.csv": noise(2000, str(number)) for number in range(12)} | {
        "history.csv": noise(80_000)
    }
    put(contents)
    first = ingest(listed(), ends, both_routes)
    assert (len(first.plan.proxy), len(first.plan.bulk)) == (12, 1)
    assert first.transfer is not None
    assert first.transfer.counters.objects_copied == 1
    assert dict(first.report.proofs) == {Proof.PASSED: 12, Proof.MD5: 1}
    generations = {
        each.name: each.generation for each in list_sink(ends.storage, ends.sink.bucket, prefix=ends.sink.prefix)
    }

    second = ingest(listed(), ends, both_routes)
    assert second.plan.moving == second.copied == ()
    assert second.transfer is None
    assert (second.report.ok, second.report.objects) == (True, 13)
    assert generations == {
        each.name: each.generation for each in list_sink(ends.storage, ends.sink.bucket, prefix=ends.sink.prefix)
    }
    assert content_of() == contents


def test_nothing_starts_when_an_object_must_be_refused(
    put: Put, listed: Listed, ends: Ends, content_of: Contents
) -> None:
    put({"a.csv": b"x"})
    put({"cold.csv": b"x"}, StorageClass="DEEP_ARCHIVE")
    with pytest.raises(PlanError, match=r"'cold.csv': archived in DEEP_ARCHIVE; restore it first"):
        ingest(listed(), ends)
    assert content_of() == {}


def test_a_bulk_share_without_a_bulk_route_is_refused(put: Put, listed: Listed, ends: Ends) -> None:
    put({"a.csv": b"xyz"})
    with pytest.raises(PlanError, match="not set up"):
        ingest(listed(), ends, replace(AS_USUAL, routing=Routing(bulk_object_bytes=1)))


def test_copies_that_were_damaged_are_made_anew(
    put: Put, listed: Listed, ends: Ends, content_of: Contents, faults: Any
) -> None:
    contents = {f"{number}": noise(4000, str(number)) for number in range(6)}
    put(contents)
    fault = faults.add("corrupt", service="s3", method="s3:GetObject", after_bytes=1000, count=2)
    landing = ingest(listed(), ends)
    assert faults.get(fault["id"])["used"] == 2
    assert landing.report.ok
    assert content_of() == contents


_WORKER = """
import sys
from wif_pipelines.identity import WorkloadIdentity, clients
from wif_pipelines.ingestion.ends import Ends
from wif_pipelines.ingestion.inventory import SourceLocation, list_objects
from wif_pipelines.ingestion.landing import AS_USUAL, ingest
from wif_pipelines.ingestion.proxy import ProxyOptions
from wif_pipelines.ingestion.sink import SinkLocation
from dataclasses import replace

audience, account, project, bucket, landing, prefix, key = sys.argv[1:]
identity = WorkloadIdentity(audience=audience, service_account=account)
credentials = identity.google_credentials()
ends = Ends(identity.aws_session(), credentials, clients.storage_client(credentials, project),
            source=SourceLocation(bucket), sink=SinkLocation(landing, prefix, key))
objects = list(list_objects(ends.s3, ends.source))
print("started", flush=True)
ingest(objects, ends, replace(AS_USUAL, proxy=ProxyOptions(concurrency=2)))
print("finished", flush=True)
"""


@pytest.mark.slow
def test_a_batch_that_is_killed_is_completed_by_the_next_run(
    put: Put, listed: Listed, ends: Ends, content_of: Contents, sandbox: Sandbox, sandbox_environment: dict[str, str]
) -> None:
    contents = {f"{number:03d}": noise(3000, str(number)) for number in range(120)}
    put(contents)
    world, sink = sandbox.world, ends.sink
    arguments = [world.audience, world.service_account, world.project, ends.source.bucket, sink.bucket, sink.prefix]
    command = [sys.executable, "-c", _WORKER, *arguments, str(sink.kms_key)]
    environment = {**os.environ, **sandbox_environment}
    landed = 0
    for patience in (0.1, 0.25, 0.4):
        worker = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
        assert worker.stdout is not None
        assert worker.stdout.readline() == "started\n"
        time.sleep(patience)
        worker.send_signal(signal.SIGKILL)
        worker.wait(10)
        worker.stdout.close()
        there = content_of()
        assert there.items() <= contents.items()
        assert len(there) >= landed
        landed = len(there)
    final = ingest(listed(), ends)
    assert len(final.copied) == 120 - landed
    assert content_of() == contents


def test_two_workers_on_one_batch_do_each_other_no_harm(
    put: Put, listed: Listed, ends: Ends, content_of: Contents
) -> None:
    contents = {f"{number}": noise(2000, str(number)) for number in range(40)} | {"large": noise(6_000_000)}
    put(contents)
    batch = listed()
    how = replace(AS_USUAL, proxy=ProxyOptions(concurrency=4, whole_bytes=1_000_000, part_bytes=5 * 2**20))
    with ThreadPoolExecutor(2) as pool:
        landings = list(pool.map(lambda _: ingest(batch, ends, how), range(2)))
    assert all(landing.report.ok and landing.report.objects == 41 for landing in landings)
    assert content_of() == contents
