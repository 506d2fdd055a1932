"""The cursor against a bucket that changes in every way, under bounded looks."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from wif_pipelines.errors import ConfigurationError
from wif_pipelines.ingestion.cursor import DEFAULT_LAG, MINIMUM_LAG, ListingCursor, new_objects
from wif_pipelines.ingestion.inventory import SourceObject
from wif_pipelines_tests.ingestion.strategies import EPOCH, batches, plain_keys

State = tuple[str, str, datetime]


def state(item: SourceObject) -> State:
    return item.key, item.etag, item.last_modified


class Bucket(RuleBasedStateMachine):
    """A bucket and a sensor: nothing is missed, nothing is handed out twice."""

    def __init__(self) -> None:
        super().__init__()
        self.now = EPOCH
        self.objects: dict[str, SourceObject] = {}
        self.versions = 0
        self.cursor = ListingCursor()
        self.handed: list[State] = []

    @initialize(scanned=st.integers(1, 4), batch=st.integers(1, 4), seen=st.integers(1, 6))
    def bounds(self, scanned: int, batch: int, seen: int) -> None:
        self.limits = {"max_scanned": scanned, "max_batch": batch, "max_seen": seen}

    @rule(seconds=st.sampled_from([0, 1, 5, 3600, 86_400]))
    def wait(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)

    @rule(key=st.sampled_from("abcdefgh"), late=st.integers(0, int(MINIMUM_LAG.total_seconds()) - 1))
    def write(self, key: str, late: int) -> None:
        """New, modified or overwritten; a multipart upload shows the time at which it began."""
        self.versions += 1
        moment = self.now - timedelta(seconds=late)
        self.objects[key] = SourceObject(key, self.versions, f"etag-{self.versions}", moment)

    @rule(key=st.sampled_from("abcdefgh"))
    def delete(self, key: str) -> None:
        self.objects.pop(key, None)

    @rule()
    def look(self) -> None:
        listing = sorted(
            (item for item in self.objects.values() if item.key > self.cursor.position), key=lambda item: item.key
        )
        kept = ListingCursor.from_json(self.cursor.to_json())
        assert kept == self.cursor
        batch, self.cursor = new_objects(kept, listing, now=self.now, **self.limits)
        assert len(batch) <= self.limits["max_batch"]
        self.handed.extend(state(item) for item in batch)

    @invariant()
    def nothing_twice(self) -> None:
        assert len(self.handed) == len(set(self.handed))

    def teardown(self) -> None:
        """When the bucket is left alone, whatever it holds is handed out within two sweeps."""
        for _ in range(2):
            self.look()
            while self.cursor.sweeping:
                self.look()
        assert {state(item) for item in self.objects.values()} <= set(self.handed)


TestBucket = Bucket.TestCase
TestBucket.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)


@given(batches(plain_keys), st.integers(1, 5))
def test_bounded_looks_find_what_one_look_finds(batch: list[SourceObject], scanned: int) -> None:
    listing = sorted(batch, key=lambda item: item.key)
    now = EPOCH + timedelta(days=365)
    whole, done = new_objects(ListingCursor(), listing, now=now)
    found: list[SourceObject] = []
    cursor = ListingCursor()
    while True:
        rest = [item for item in listing if item.key > cursor.position]
        some, cursor = new_objects(cursor, rest, now=now, max_scanned=scanned)
        found.extend(some)
        if not cursor.sweeping:
            break
    assert tuple(found) == whole
    assert cursor == done


def test_reads_no_further_than_needed() -> None:
    def endless():  # type: ignore[no-untyped-def]
        number = 0
        while True:
            number += 1
            yield SourceObject(f"{number:09d}", 1, "e", EPOCH)

    batch, cursor = new_objects(ListingCursor(), endless(), now=EPOCH, max_scanned=1000, max_batch=10)
    assert len(batch) == 10
    assert cursor.position == "000000010"


def test_since_leaves_the_past_alone() -> None:
    cursor = ListingCursor.since(EPOCH)
    old = SourceObject("a", 1, "e", EPOCH - timedelta(seconds=1))
    new = SourceObject("b", 1, "e", EPOCH)
    batch, _ = new_objects(cursor, [old, new], now=EPOCH)
    assert batch == (new,)


def test_remembers_a_bounded_number_and_stays_small() -> None:
    old = EPOCH - timedelta(hours=2)
    listing = [SourceObject(f"{number:06d}", 1, "e", old + timedelta(seconds=number // 9)) for number in range(30_000)]
    _, cursor = new_objects(ListingCursor(), listing, now=EPOCH, max_scanned=10**6, max_batch=10**6)
    assert len(cursor.seen) <= 20_000
    assert len(cursor.to_json()) < 360_000
    again, _ = new_objects(cursor, listing, now=EPOCH)
    assert again == ()


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"version":0}', '{"version":1,"seen":"?"}'])
def test_refuses_what_is_no_cursor(text: str) -> None:
    with pytest.raises(ConfigurationError, match="cursor cannot be read"):
        ListingCursor.from_json(text)


def test_nothing_at_all_is_the_first_cursor() -> None:
    assert ListingCursor.from_json(None) == ListingCursor.from_json("") == ListingCursor()


def test_an_object_at_the_floor_itself_is_remembered() -> None:
    old = SourceObject("a", 1, "e", EPOCH - DEFAULT_LAG)
    first, cursor = new_objects(ListingCursor(), [old], now=EPOCH)
    again, _ = new_objects(cursor, [old], now=EPOCH)
    assert (first, again) == ((old,), ())
