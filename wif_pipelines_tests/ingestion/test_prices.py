"""The arithmetic of prices."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wif_pipelines.ingestion.prices import ASSUMED_THROUGHPUT, GIB, LIST_PRICES, estimate_bulk, estimate_proxy

volumes = st.integers(0, 300_000 * GIB)


@pytest.mark.parametrize(
    ("gib", "usd"),
    [
        (0, 0),
        (100, 0),
        (101, 0.09),
        (10 * 1024, (10 * 1024 - 100) * 0.09),
        (10 * 1024 + 1, (10 * 1024 - 100) * 0.09 + 0.085),
    ],
)
def test_tiers(gib: int, usd: float) -> None:
    assert LIST_PRICES.egress_usd(gib * GIB) == pytest.approx(usd)


@given(volumes, volumes)
def test_two_transfers_cost_what_one_costs(one: int, other: int) -> None:
    apart = LIST_PRICES.egress_usd(one) + LIST_PRICES.egress_usd(other, already_this_month=one)
    assert apart == pytest.approx(LIST_PRICES.egress_usd(one + other), abs=1e-6)


@given(volumes, volumes)
def test_more_never_costs_less(one: int, other: int) -> None:
    assert LIST_PRICES.egress_usd(min(one, other)) <= LIST_PRICES.egress_usd(max(one, other))


def test_the_private_network_has_a_price_of_its_own() -> None:
    how = {"prices": LIST_PRICES, "speed": ASSUMED_THROUGHPUT}
    assert estimate_bulk(1, 1000 * GIB, managed_network=True, **how).egress_usd == pytest.approx(30)
    assert estimate_bulk(1, 1000 * GIB, **how).egress_usd == pytest.approx(81)


def test_nothing_takes_no_time() -> None:
    assert estimate_bulk(0, 0, prices=LIST_PRICES, speed=ASSUMED_THROUGHPUT).seconds == 0
    assert estimate_proxy(0, 0, parts=0, prices=LIST_PRICES, speed=ASSUMED_THROUGHPUT).total_usd == 0


def test_many_small_objects_are_bound_by_requests() -> None:
    small = estimate_proxy(80_000, 80_000, parts=0, prices=LIST_PRICES, speed=ASSUMED_THROUGHPUT)
    assert small.seconds == pytest.approx(100)
    assert small.request_usd == pytest.approx(80 * (0.0004 + 0.005) + 80 * (0.005 + 0.005) / 1000)
