"""The steps from a batch to a verified landing, one by one for an orchestrator, or all at once (`ingest`).

Each step may be repeated: a plan skips what has landed, so that a batch that was killed at any point and is run again
copies what is missing and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from wif_pipelines.errors import PlanError
from wif_pipelines.ingestion import bulk, names
from wif_pipelines.ingestion.bulk_job import BulkRoute
from wif_pipelines.ingestion.bulk_status import TransferStatus
from wif_pipelines.ingestion.ends import Ends
from wif_pipelines.ingestion.inventory import SourceObject
from wif_pipelines.ingestion.plan import USUAL_ROUTING, Plan, Routing, plan
from wif_pipelines.ingestion.prices import ASSUMED_THROUGHPUT, LIST_PRICES, PriceTable, Throughput
from wif_pipelines.ingestion.proxy import USUAL_OPTIONS, Copied, Progress, ProxyOptions, copy_all
from wif_pipelines.ingestion.sink import find_in_sink
from wif_pipelines.ingestion.verify import VerificationReport, expected_of, remove_damaged, verify
from wif_pipelines.wire.clock import SYSTEM, Clock

if TYPE_CHECKING:
    from google.cloud.storage_transfer_v1 import StorageTransferServiceClient


@dataclass(frozen=True)
class BulkService:
    """How to reach the bulk route.

    Attributes:
        client: Of Storage Transfer Service, over REST.
        route: The pipeline's settings.
        staging: `gs://bucket/prefix/` for lists of names; Google's transfer account must be able to read there.
    """

    client: StorageTransferServiceClient
    route: BulkRoute
    staging: str


@dataclass(frozen=True)
class IngestOptions:
    """How a batch is brought to the sink.

    Attributes:
        routing: How to choose the route.
        proxy: How hard the proxy route works.
        service: The bulk route, if there is one.
        progress: Told how far the proxy route is.
        on_look: Told of each look at the bulk run.
        look_every: Seconds between two looks at the bulk run.
        rounds: How often to try in all, when copies turn out damaged or missing.
        clock: Whose time to wait in.
    """

    routing: Routing = USUAL_ROUTING
    proxy: ProxyOptions = USUAL_OPTIONS
    service: BulkService | None = None
    progress: Progress | None = None
    on_look: Callable[[TransferStatus], None] | None = None
    look_every: float = 10.0
    rounds: int = 2
    clock: Clock = SYSTEM


AS_USUAL = IngestOptions()


@dataclass(frozen=True)
class Landing:
    """What became of a batch.

    Attributes:
        plan: What was to be done; of the first round.
        copied: What passed through the proxy, with checksums.
        transfer: The last look at the bulk run; `None` when nothing went that way.
        report: The verification of everything.
        rounds: 1, or more when damaged or missing copies were made anew.
    """

    plan: Plan
    copied: tuple[Copied, ...] = ()
    transfer: TransferStatus | None = None
    report: VerificationReport = field(default_factory=VerificationReport)
    rounds: int = 1


def plan_batch(
    objects: Iterable[SourceObject],
    ends: Ends,
    *,
    routing: Routing = USUAL_ROUTING,
    prices: PriceTable = LIST_PRICES,
    speed: Throughput = ASSUMED_THROUGHPUT,
) -> Plan:
    """Look at what the sink holds of a batch, and plan the rest.

    Raises:
        PlanError: See `plan`.
        WifError: The sink could not be listed.
    """
    batch = list(objects)
    wanted = (
        names.destination_name(item.key, source_prefix=ends.source.prefix, sink_prefix=ends.sink.prefix)
        for item in batch
    )
    possible = sorted(name for name in wanted if names.refusal(name) is None)
    held = {found.name: found for found in find_in_sink(ends.storage, ends.sink.bucket, possible)}
    return plan(batch, held, source=ends.source, sink=ends.sink, routing=routing, prices=prices, speed=speed)


def refuse_partial(planned: Plan) -> None:
    """Raise when a plan leaves objects out because they cannot be copied; nothing has been started then.

    Raises:
        PlanError: Names the first of them, each with what to do.
    """
    if not planned.refused:
        return
    shown = "\n".join(f"  {each.source.key!r}: {each.reason}" for each in planned.refused[:10])
    more = f"\n  and {len(planned.refused) - 10} more" if len(planned.refused) > 10 else ""
    raise PlanError(
        f"{len(planned.refused)} objects cannot be copied:\n{shown}{more}",
        remedy="Do what each line says, or leave these objects out of the batch.",
    )


def start_bulk(planned: Plan, ends: Ends, service: BulkService | None) -> str | None:
    """Start the bulk route's share of a plan and return the run's name; `None` when it has none.

    Calling it again while the run goes on returns the same run.

    Raises:
        PlanError: There is a share, but no service.
        WifError: The service refused.
    """
    if not planned.bulk:
        return None
    if service is None:
        raise PlanError(
            f"{len(planned.bulk)} objects are to go by Storage Transfer Service, which is not set up.",
            remedy="Name the AWS role that Google's transfer account assumes, or set the route to proxy.",
        )
    manifest = bulk.write_transfer_manifest(
        ends.storage, service.staging, planned.bulk, service.route, kms_key=ends.sink.kms_key
    )
    return bulk.launch(service.client, service.route, manifest)


def verify_plan(planned: Plan, copied: Iterable[Copied], ends: Ends) -> VerificationReport:
    """Compare everything that a plan is about with the sink: copied by either route, or found unchanged.

    Raises:
        WifError: The sink or the source could not be asked.
    """
    return verify(expected_of(planned, copied), ends)


def ingest(objects: Iterable[SourceObject], ends: Ends, how: IngestOptions = AS_USUAL) -> Landing:
    """Bring a batch to the sink and verify it: plan, start the bulk route, stream the rest, wait, compare.

    Args:
        objects: The batch.
        ends: Source and sink.
        how: Everything else.

    Raises:
        PlanError: An object cannot be copied (nothing was started), or there is no bulk route where one is needed.
        TransferError: A copy failed for good; the others have arrived.
        VerificationError: The sink still differs from the source after the last round.
    """
    batch = list(objects)
    landing = _round(batch, ends, how)
    while not landing.report.ok and landing.rounds < how.rounds:
        remove_damaged(landing.report, ends)
        landing = _joined(landing, _round(batch, ends, how))
    if not landing.report.ok:
        remove_damaged(landing.report, ends)
        landing.report.raise_if_different()
    return landing


def _round(batch: list[SourceObject], ends: Ends, how: IngestOptions) -> Landing:
    planned = plan_batch(batch, ends, routing=how.routing)
    refuse_partial(planned)
    operation = start_bulk(planned, ends, how.service)
    copied = copy_all(planned.proxy, ends, options=how.proxy, progress=how.progress, clock=how.clock)
    transfer = None
    if operation is not None and how.service is not None:
        transfer = bulk.watch(how.service.client, operation, every=how.look_every, on_look=how.on_look, clock=how.clock)
        transfer.raise_for_failure()
    return Landing(planned, copied, transfer, verify_plan(planned, copied, ends))


def _joined(before: Landing, again: Landing) -> Landing:
    """The first round's plan, everything that was copied (as last copied), and the last round's verdict."""
    copied = {each.decision.name: each for each in before.copied + again.copied}
    return Landing(
        plan=before.plan,
        copied=tuple(copied.values()),
        transfer=again.transfer or before.transfer,
        report=again.report,
        rounds=before.rounds + 1,
    )
