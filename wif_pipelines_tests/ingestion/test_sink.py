"""The listing of the sink, over the wire."""

from __future__ import annotations

from typing import Any

import pytest

from wif_pipelines.errors import NotFoundError
from wif_pipelines.ingestion.checksum import crc32c_of
from wif_pipelines.ingestion.sink import SinkLocation, find_in_sink, landed_state, list_sink


@pytest.fixture
def filled(storage: Any, sink: SinkLocation) -> list[str]:
    """Forty objects in the sink."""
    names = [f"{sink.prefix}{number:02d}" for number in range(40)]
    for name in names:
        storage.bucket(sink.bucket).blob(name).upload_from_string(name.encode())
    return names


def test_shows_what_cloud_storage_computed(storage: Any, sink: SinkLocation, filled: list[str]) -> None:
    found = list(list_sink(storage, sink.bucket, prefix=sink.prefix))
    assert [each.name for each in found] == filled
    assert all(each.crc32c == crc32c_of(each.name.encode()) for each in found)
    assert all(each.md5 is not None and len(each.md5) == 32 for each in found)
    assert {each.kms_key for each in found} == {sink.kms_key}


def test_finds_the_wanted_and_only_those(storage: Any, sink: SinkLocation, filled: list[str]) -> None:
    missing = [f"{sink.prefix}05x", f"{sink.prefix}zz"]
    wanted = sorted([filled[0], filled[5], filled[39], *missing])
    assert [each.name for each in find_in_sink(storage, sink.bucket, wanted)] == [filled[0], filled[5], filled[39]]
    assert list(find_in_sink(storage, sink.bucket, [])) == []
    assert list(find_in_sink(storage, sink.bucket, ["\U0010ffff"])) == []


def test_looks_at_one_object(storage: Any, sink: SinkLocation, filled: list[str]) -> None:
    assert landed_state(storage, sink.bucket, filled[3]) == (len(filled[3]), None)
    assert landed_state(storage, sink.bucket, filled[3] + "-gone") is None


def test_a_missing_bucket_is_an_error_and_not_an_empty_listing(storage: Any, sink: SinkLocation) -> None:
    with pytest.raises(NotFoundError):
        list(list_sink(storage, sink.bucket + "-gone"))
