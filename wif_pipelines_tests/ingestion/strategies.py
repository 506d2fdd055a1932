"""What hypothesis draws for the ingestion: keys of any shape, objects, and what a sink may hold."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st

from wif_pipelines.ingestion.inventory import SourceObject
from wif_pipelines.ingestion.sink import SinkObject

EPOCH = datetime(2026, 1, 5, 3, 0, tzinfo=UTC)

plain_keys = st.from_regex(r"[a-z]{1,3}(/[a-z0-9]{1,4}){0,3}\.csv", fullmatch=True)
any_keys = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60)
etags = st.integers(0, 2**128 - 1).map(lambda number: f"{number:032x}")
sizes = st.integers(0, 5 * 2**30)


@st.composite
def objects(draw: st.DrawFn, keys: st.SearchStrategy[str] = any_keys) -> SourceObject:
    """One object as a listing may show it."""
    return SourceObject(
        key=draw(keys),
        size=draw(sizes),
        etag=draw(etags | etags.map(lambda etag: f"{etag}-7")),
        last_modified=EPOCH + timedelta(seconds=draw(st.integers(0, 10**7))),
        storage_class=draw(st.sampled_from(["STANDARD", "STANDARD", "GLACIER", "GLACIER_IR", "DEEP_ARCHIVE"])),
    )


def batches(keys: st.SearchStrategy[str] = any_keys, max_size: int = 25) -> st.SearchStrategy[list[SourceObject]]:
    """Objects with a key each."""
    return st.lists(objects(keys), unique_by=lambda item: item.key, max_size=max_size)


def landed(item: SourceObject, name: str, *, generation: int = 1, kms_key: str | None = None) -> SinkObject:
    """What the sink holds after the proxy copied an object."""
    return SinkObject(
        name=name,
        size=item.size,
        crc32c="AAAAAA==",
        md5=None,
        generation=generation,
        source_etag=item.etag,
        source_crc32c="AAAAAA==",
        kms_key=kms_key,
    )
