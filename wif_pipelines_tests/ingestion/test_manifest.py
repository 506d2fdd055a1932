"""Manifests: a digest that is the batch's, lines that come back as they went, and Google's list of names."""

from __future__ import annotations

import csv
import io
import random
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wif_pipelines.errors import IngestionError
from wif_pipelines.ingestion.inventory import SourceObject
from wif_pipelines.ingestion.manifest import ManifestRow, decode, digest, encode, in_key_order, split_uri, transfer_csv
from wif_pipelines_tests.ingestion.strategies import EPOCH, any_keys, batches


@given(batches(), st.randoms(use_true_random=False))
def test_the_order_of_the_listing_does_not_matter(batch: list[SourceObject], dice: random.Random) -> None:
    shuffled = dice.sample(batch, len(batch))
    assert digest(shuffled) == digest(batch)


@given(batches().filter(bool), st.data())
def test_every_fact_of_an_object_matters(batch: list[SourceObject], data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(batch) - 1))
    item = batch[index]
    changed = data.draw(
        st.sampled_from(
            [
                replace(item, key=item.key + "x"),
                replace(item, size=item.size + 1),
                replace(item, etag=item.etag + "0"),
                replace(item, version_id="v2"),
                replace(item, last_modified=item.last_modified + timedelta(microseconds=1)),
            ]
        )
    )
    assert digest([*batch[:index], changed, *batch[index + 1 :]]) != digest(batch)
    assert digest(batch[:index] + batch[index + 1 :]) != digest(batch)


@given(batches(), st.none() | st.just("4waSgw=="))
def test_lines_come_back_as_they_went(batch: list[SourceObject], crc32c: str | None) -> None:
    rows = [ManifestRow(item, crc32c) for item in batch]
    lines = list(encode(rows))
    assert all(line.endswith(b"\n") and line.count(b"\n") == 1 for line in lines)
    assert list(decode(lines)) == rows


@given(batches())
def test_key_order_is_the_order_of_bytes(batch: list[SourceObject]) -> None:
    keys = [item.key.encode() for item in in_key_order(batch)]
    assert keys == sorted(keys)


@pytest.mark.parametrize("line", [b"", b"{}", b"[1]", b'["k",1,"e","yesterday",null,"STANDARD",null]'])
def test_tells_which_line_is_broken(line: bytes) -> None:
    good = next(encode([ManifestRow(SourceObject("k", 1, "e", EPOCH))]))
    with pytest.raises(IngestionError, match="Line 2"):
        list(decode([good, line]))


@given(st.lists(st.tuples(any_keys.filter(lambda key: "\r" not in key), st.none() | st.just("v1")), max_size=10))
def test_a_list_of_names_is_plain_csv(keys: list[tuple[str, str | None]]) -> None:
    text = transfer_csv(keys).decode("utf-8")
    rows = list(csv.reader(io.StringIO(text, newline="")))
    assert rows == [[key, *([version] if version else [])] for key, version in keys]


def test_names_are_relative_to_the_source_path() -> None:
    assert transfer_csv([("exports/doe,john.csv", None), ("exports/b.csv", "7")], root="exports/") == (
        b'"doe,john.csv"\nb.csv,7\n'
    )


def test_takes_addresses_apart() -> None:
    assert split_uri("gs://bucket/a/b") == ("bucket", "a/b")
    with pytest.raises(IngestionError, match="not an address"):
        split_uri("s3://bucket/a")
