"""The plan: every object once, for a reason; what has landed stays; routes as the policy says."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wif_pipelines.errors import PlanError
from wif_pipelines.ingestion.inventory import SourceLocation, SourceObject
from wif_pipelines.ingestion.plan import USUAL_ROUTING, Action, Plan, Route, Routing, plan
from wif_pipelines.ingestion.sink import SinkLocation, SinkObject
from wif_pipelines_tests.ingestion.strategies import EPOCH, batches, landed, plain_keys

SOURCE, SINK = SourceLocation("clinic"), SinkLocation("landing", "raw/")
KEY = "projects/p/locations/l/keyRings/r/cryptoKeys/k"
MD5 = "0cc175b9c0f1b6a831c399e269772661"


def planned(
    batch: list[SourceObject],
    held: dict[str, SinkObject] | None = None,
    *,
    source: SourceLocation = SOURCE,
    sink: SinkLocation = SINK,
    routing: Routing = USUAL_ROUTING,
) -> Plan:
    return plan(batch, held or {}, source=source, sink=sink, routing=routing)


def one(size: int = 10, **facts: object) -> SourceObject:
    return replace(SourceObject("a.csv", size, MD5, EPOCH), **facts)  # type: ignore[arg-type]


@given(batches(), st.integers(0, 2**32), st.integers(0, 2**34), st.sampled_from(Route))
def test_every_object_is_decided_once(batch: list[SourceObject], each: int, total: int, route: Route) -> None:
    result = planned(batch, routing=Routing(each, total, route))
    groups = {action: getattr(result, action.value) for action in Action}
    assert sorted(decision.source.key for group in groups.values() for decision in group) == sorted(
        item.key for item in batch
    )
    assert all(decision.action is action and decision.reason for action, group in groups.items() for decision in group)
    assert all(
        decision.source.archived or decision.source.marks_directory or decision.name for decision in result.moving
    )
    assert not any(decision.source.archived for decision in result.moving)


@given(batches(), st.randoms(use_true_random=False))
def test_the_order_of_the_batch_does_not_matter(batch: list[SourceObject], dice: random.Random) -> None:
    assert planned(dice.sample(batch, len(batch))) == planned(batch)


@given(batches(), st.sampled_from(Route))
def test_carried_out_it_leaves_nothing_to_do(batch: list[SourceObject], route: Route) -> None:
    routing = Routing(route=route)
    first = planned(batch, routing=routing)
    held = {each.name: landed(each.source, each.name) for each in first.moving}
    again = planned(batch, held, routing=routing)
    assert again.moving == ()
    assert {each.name for each in again.unchanged} == set(held)
    assert [each.name for each in again.expected] == [each.name for each in again.unchanged]


@given(batches(plain_keys), st.integers(0, 2**33), st.integers(0, 2**34))
def test_the_thresholds_choose_the_route(batch: list[SourceObject], each: int, total: int) -> None:
    result = planned(batch, routing=Routing(each, total))
    assert all(decision.source.size < each for decision in result.proxy)
    assert result.proxy_bytes < total or not result.proxy
    if result.proxy:
        assert all(decision.source.size >= each for decision in result.bulk)


def test_a_threshold_is_reached_at_its_very_value() -> None:
    batch = [one(9), replace(one(10), key="b.csv")]
    assert [each.source.size for each in planned(batch, routing=Routing(bulk_object_bytes=10)).bulk] == [10]
    assert len(planned(batch, routing=Routing(bulk_total_bytes=19)).bulk) == 2
    assert len(planned(batch, routing=Routing(bulk_total_bytes=20)).bulk) == 0


@pytest.mark.parametrize("route", [Route.PROXY, Route.BULK])
def test_a_forced_route_takes_everything(route: Route) -> None:
    batch = [one(), replace(one(5 * 2**40), key="b.csv")]
    result = planned(batch, routing=Routing(route=route))
    assert [each.action.value for each in result.moving] == [route.value] * 2
    assert route.value in result.reason


class TestWhatTheSinkHolds:
    """A name alone proves nothing."""

    def held(self, **facts: object) -> dict[str, SinkObject]:
        base = SinkObject("raw/a.csv", 10, "AAAAAA==", None, 7)
        return {"raw/a.csv": replace(base, **facts)}  # type: ignore[arg-type]

    def decided(self, item: SourceObject, **facts: object) -> tuple[Action, int | None]:
        result = planned([item], self.held(**facts))
        (decision,) = result.expected
        return decision.action, decision.replaces

    def test_same_name_and_size_only_is_copied_over_what_is_there(self) -> None:
        assert self.decided(one()) == (Action.PROXY, 7)

    def test_same_md5_is_unchanged(self) -> None:
        assert self.decided(one(), md5=MD5) == (Action.UNCHANGED, None)

    def test_same_recorded_etag_is_unchanged(self) -> None:
        assert self.decided(one(etag=f"{MD5}-3"), source_etag=f"{MD5}-3") == (Action.UNCHANGED, None)

    def test_another_etag_is_copied(self) -> None:
        assert self.decided(one(), source_etag="other") == (Action.PROXY, 7)

    def test_another_size_is_copied_whatever_the_etag_says(self) -> None:
        assert self.decided(one(11), source_etag=MD5) == (Action.PROXY, 7)

    def test_what_was_damaged_on_the_way_is_copied_again(self) -> None:
        facts = {"source_etag": MD5, "source_crc32c": "4waSgw=="}
        assert self.decided(one(), **facts) == (Action.PROXY, 7)

    def test_the_wrong_key_is_mended_by_the_route_that_can_name_one(self) -> None:
        sink = SinkLocation("landing", "raw/", KEY)
        wrong = planned([one()], self.held(md5=MD5, kms_key=KEY + "2"), sink=sink, routing=Routing(route=Route.BULK))
        right = planned([one()], self.held(md5=MD5, kms_key=KEY), sink=sink)
        assert [each.replaces for each in wrong.proxy] == [7]
        assert len(right.unchanged) == 1


class TestWhatIsNotCopied:
    """Refused or skipped by name, before anything starts."""

    def test_a_folder_marker_is_skipped(self) -> None:
        assert [each.name for each in planned([one(0, key="folder/")]).skipped] == ["raw/folder/"]

    def test_an_empty_object_is_copied(self) -> None:
        assert len(planned([one(0)]).proxy) == 1

    def test_an_object_that_only_looks_like_a_folder_is_copied(self) -> None:
        assert len(planned([one(1, key="folder/")]).proxy) == 1

    @pytest.mark.parametrize("kind", ["GLACIER", "DEEP_ARCHIVE"])
    def test_an_archived_object_is_refused_with_the_remedy(self, kind: str) -> None:
        (refused,) = planned([one(storage_class=kind)]).refused
        assert "restore-object" in refused.reason

    def test_a_restored_object_is_copied(self) -> None:
        assert len(planned([one(storage_class="GLACIER", restored=True)]).proxy) == 1

    def test_a_name_that_cloud_storage_forbids_is_refused(self) -> None:
        (refused,) = planned([one(key="a\nb")]).refused
        assert "line feed" in refused.reason


class TestRefusals:
    """What cannot be planned is said at once."""

    def test_a_key_twice(self) -> None:
        with pytest.raises(PlanError, match="twice"):
            planned([one(), one(etag="other")])

    def test_a_key_of_another_place(self) -> None:
        with pytest.raises(PlanError, match="not under"):
            planned([one()], source=SourceLocation("clinic", "exports/"))

    def test_the_bulk_route_moves_folders(self) -> None:
        source = SourceLocation("clinic", "a")
        with pytest.raises(PlanError, match="does not end in '/'"):
            planned([one()], source=source, routing=Routing(route=Route.BULK))
        (decision,) = planned([one(2**40)], source=source).proxy
        assert "does not end in '/'" in decision.reason


def test_the_summary_has_counts_and_no_names() -> None:
    summary = planned([one(), one(0, key="folder/"), replace(one(2**40), key="big")]).summary()
    assert summary["proxy_objects"] == summary["bulk_objects"] == summary["skipped_objects"] == 1
    assert summary["bulk_bytes"] == 2**40
    assert "a.csv" not in str(summary)


def test_estimates_are_of_everything_that_moves() -> None:
    result = planned([one(), replace(one(2**40), key="big")])
    proxy, bulk = result.estimates[Route.PROXY], result.estimates[Route.BULK]
    assert proxy.egress_usd == bulk.egress_usd == pytest.approx((1024 - 100) * 0.09, rel=1e-3)
    assert proxy.seconds > bulk.seconds > 90
