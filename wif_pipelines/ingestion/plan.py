"""What goes which way, and why: a pure function from what is here and what is there to a plan.

Nothing is called and nothing is changed; the same arguments give the same plan. An object is copied unless the sink
holds the same content, which size and checksum or the recorded ETag must show: a name alone proves nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from itertools import pairwise

from wif_pipelines.errors import PlanError
from wif_pipelines.ingestion import names
from wif_pipelines.ingestion.inventory import SourceLocation, SourceObject
from wif_pipelines.ingestion.prices import (
    ASSUMED_THROUGHPUT,
    LIST_PRICES,
    Estimate,
    PriceTable,
    Throughput,
    estimate_bulk,
    estimate_proxy,
)
from wif_pipelines.ingestion.sink import SinkLocation, SinkObject

MIB = 1024**2


class Action(StrEnum):
    """What is to be done with an object."""

    PROXY = "proxy"
    BULK = "bulk"
    UNCHANGED = "unchanged"
    SKIPPED = "skipped"
    REFUSED = "refused"


class Route(StrEnum):
    """Which way a user wants objects to go."""

    AUTO = "auto"
    PROXY = "proxy"
    BULK = "bulk"


@dataclass(frozen=True, slots=True)
class Routing:
    """The policy that chooses between the routes.

    Attributes:
        bulk_object_bytes: Objects of at least this size go by Storage Transfer Service.
        bulk_total_bytes: When what is left for the proxy adds up to at least this, everything goes by Storage Transfer
            Service.
        route: `proxy` or `bulk` send everything one way, whatever the sizes.
        part_bytes: Size of the proxy's parts, to count its requests.
    """

    bulk_object_bytes: int = 1024 * MIB
    bulk_total_bytes: int = 100 * 1024 * MIB
    route: Route = Route.AUTO
    part_bytes: int = 8 * MIB


USUAL_ROUTING = Routing()


@dataclass(frozen=True, slots=True)
class Decision:
    """What happens to one object.

    Attributes:
        source: The object, in the state that the plan saw.
        name: Its full name at the destination.
        action: What is to be done.
        reason: Why, for people; a refusal also says what to do about it.
        replaces: Generation of the differing object that the sink holds under this name; `None` when there is none.
    """

    source: SourceObject
    name: str
    action: Action
    reason: str
    replaces: int | None = None


@dataclass(frozen=True)
class Plan:
    """What is to be done with a batch. Each tuple is in order of keys.

    Attributes:
        source: Where from.
        sink: Where to.
        proxy: Streamed through a worker.
        bulk: Fetched by Storage Transfer Service.
        unchanged: The sink holds the same content already.
        skipped: Not data (directory markers).
        refused: Cannot be copied; each reason says what to do.
        estimates: What moving all of it would take by one route or the other, `proxy` and `bulk`.
        reason: Why the routes were chosen, in a sentence.
    """

    source: SourceLocation
    sink: SinkLocation
    proxy: tuple[Decision, ...] = ()
    bulk: tuple[Decision, ...] = ()
    unchanged: tuple[Decision, ...] = ()
    skipped: tuple[Decision, ...] = ()
    refused: tuple[Decision, ...] = ()
    estimates: Mapping[Route, Estimate] = field(default_factory=dict)
    reason: str = ""

    @property
    def moving(self) -> tuple[Decision, ...]:
        """What is to be copied, by either route."""
        return self.proxy + self.bulk

    @property
    def expected(self) -> tuple[Decision, ...]:
        """What the sink must hold in the end, and verification compares: copied now or before."""
        return self.proxy + self.bulk + self.unchanged

    @property
    def proxy_bytes(self) -> int:
        """Bytes to stream through a worker."""
        return _size(self.proxy)

    @property
    def bulk_bytes(self) -> int:
        """Bytes for Storage Transfer Service."""
        return _size(self.bulk)

    def summary(self) -> dict[str, object]:
        """Counts, bytes and estimates as plain values, for logs and metadata; no list of objects."""
        counts = {action.value: getattr(self, action.value) for action in Action}
        return {
            "reason": self.reason,
            **{f"{name}_objects": len(items) for name, items in counts.items()},
            **{f"{name}_bytes": _size(items) for name, items in counts.items()},
            **{f"{route.value}_seconds": round(each.seconds, 1) for route, each in self.estimates.items()},
            **{f"{route.value}_usd": round(each.total_usd, 4) for route, each in self.estimates.items()},
        }


def plan(
    objects: Iterable[SourceObject],
    held: Mapping[str, SinkObject],
    *,
    source: SourceLocation,
    sink: SinkLocation,
    routing: Routing = USUAL_ROUTING,
    prices: PriceTable = LIST_PRICES,
    speed: Throughput = ASSUMED_THROUGHPUT,
) -> Plan:
    """Decide what to do with each object of a batch. Pure.

    Args:
        objects: The batch, in any order.
        held: What the sink holds, by full name.
        source: Where from; its prefix is taken off the names.
        sink: Where to; its prefix is put before the names.
        routing: How to choose the route.
        prices: For the cost of both routes.
        speed: For the duration of both routes.

    Raises:
        PlanError: See `decide`; or the batch names a key twice.
    """
    groups: dict[Action, list[Decision]] = {action: [] for action in Action}
    decisions = sorted(decide(objects, held, source=source, sink=sink, routing=routing), key=_key)
    _refuse_repeats(decisions)
    for each in decisions:
        groups[each.action].append(each)
    reason = _settle_total(groups, routing, bulk_obstacle(source, sink))
    return Plan(
        source=source,
        sink=sink,
        estimates=_estimates(groups[Action.PROXY] + groups[Action.BULK], routing, prices, speed),
        reason=reason,
        **{action.value: tuple(sorted(items, key=_key)) for action, items in groups.items()},
    )


def decide(
    objects: Iterable[SourceObject],
    held: Mapping[str, SinkObject],
    *,
    source: SourceLocation,
    sink: SinkLocation,
    routing: Routing = USUAL_ROUTING,
) -> Iterator[Decision]:
    """Decide object by object, in the given order and without looking at the total. Pure and streaming.

    Raises:
        PlanError: A key is not under the source's prefix, or the forced route cannot be taken.
    """
    obstacle = bulk_obstacle(source, sink)
    if obstacle and routing.route is Route.BULK:
        raise PlanError(
            f"Nothing can go by the bulk route: {obstacle}.",
            remedy="End both prefixes with '/', or leave the route to auto.",
        )
    for item in objects:
        name = _name(item, source, sink)
        present = held.get(name)
        action, reason = (
            _without_copy(item, name) or _against(item, present, sink.kms_key) or _route(item, routing, obstacle)
        )
        replaces = present.generation if present and action in {Action.PROXY, Action.BULK} else None
        yield Decision(item, name, action, reason, replaces)


def bulk_obstacle(source: SourceLocation, sink: SinkLocation) -> str | None:
    """Why Storage Transfer Service cannot map these locations onto each other (it moves folders), or `None`."""
    for location in (source, sink):
        if location.prefix and not location.prefix.endswith("/"):
            return f"Storage Transfer Service takes folders, and {location.uri} does not end in '/'"
    return None


def _name(item: SourceObject, source: SourceLocation, sink: SinkLocation) -> str:
    if not item.key.startswith(source.prefix):
        raise PlanError(
            f"The key {item.key!r} is not under {source.uri}.",
            remedy="Plan the batch with the source that it was listed from.",
        )
    return names.destination_name(item.key, source_prefix=source.prefix, sink_prefix=sink.prefix)


def _without_copy(item: SourceObject, name: str) -> tuple[Action, str] | None:
    """What is not copied whatever the sink holds."""
    if item.marks_directory:
        return Action.SKIPPED, "an empty object whose key ends in '/' marks a folder; Cloud Storage needs none"
    if problem := names.refusal(name):
        return Action.REFUSED, problem
    if item.archived:
        return Action.REFUSED, f"archived in {item.storage_class}; restore it first: aws s3api restore-object"
    return None


def _against(item: SourceObject, present: SinkObject | None, kms_key: str | None) -> tuple[Action, str] | None:
    """Whether the sink holds the same content already, under the right key."""
    if present is None or present.size != item.size or present.source_crc32c not in {None, present.crc32c}:
        return None
    if present.source_etag is not None and present.source_etag == item.etag:
        evidence = "same size, and copied from this ETag"
    elif present.md5 is not None and present.md5 == item.content_md5:
        evidence = "same size and MD5"
    else:
        return None
    if kms_key is not None and present.kms_key != kms_key:
        # Storage Transfer would see the same content and leave it as it is.
        return Action.PROXY, f"same content, but encrypted with {present.kms_key or 'a key of Google'}"
    return Action.UNCHANGED, evidence


def _route(item: SourceObject, routing: Routing, obstacle: str | None) -> tuple[Action, str]:
    if routing.route is not Route.AUTO:
        return Action(routing.route.value), f"the route is set to {routing.route.value}"
    if item.size < routing.bulk_object_bytes:
        return Action.PROXY, f"{item.size} bytes are below the bulk threshold of {routing.bulk_object_bytes} an object"
    if obstacle:
        return Action.PROXY, obstacle
    return Action.BULK, f"{item.size} bytes reach the bulk threshold of {routing.bulk_object_bytes} an object"


def _settle_total(groups: dict[Action, list[Decision]], routing: Routing, obstacle: str | None) -> str:
    """Send everything by bulk when the proxy's share is too much; say why the routes are what they are."""
    small, large = groups[Action.PROXY], groups[Action.BULK]
    total = _size(small)
    if routing.route is not Route.AUTO:
        return f"everything goes by the {routing.route.value} route, as configured"
    if total >= routing.bulk_total_bytes and small and not obstacle:
        reason = f"the {total} bytes below the threshold reach the bulk threshold of {routing.bulk_total_bytes} in all"
        large.extend(replace(each, action=Action.BULK, reason=reason) for each in small)
        small.clear()
        return f"everything goes by the bulk route: {reason}"
    if not small and not large:
        return "nothing is to be copied"
    return f"{len(small)} objects below {routing.bulk_object_bytes} bytes go by the proxy route, {len(large)} by bulk"


def _refuse_repeats(decisions: list[Decision]) -> None:
    for one, next_one in pairwise(decisions):
        if one.source.key == next_one.source.key:
            raise PlanError(
                f"The batch names the key {one.source.key!r} twice.", remedy="Keep the newest state of each key only."
            )


def _estimates(
    moving: list[Decision], routing: Routing, prices: PriceTable, speed: Throughput
) -> dict[Route, Estimate]:
    count, size = len(moving), _size(moving)
    parts = sum(each.source.size // routing.part_bytes for each in moving)
    return {
        Route.PROXY: estimate_proxy(count, size, parts=parts, prices=prices, speed=speed),
        Route.BULK: estimate_bulk(count, size, prices=prices, speed=speed),
    }


def _size(items: Iterable[Decision]) -> int:
    return sum(each.source.size for each in items)


def _key(each: Decision) -> bytes:
    return each.source.key.encode("utf-8", "surrogatepass")
