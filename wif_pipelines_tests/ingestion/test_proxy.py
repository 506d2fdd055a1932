"""The proxy route, over the wire: what arrives is what left, and nothing else becomes visible."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from typing import Any

import pytest

from wif_pipelines.errors import ConflictError, TransferError
from wif_pipelines.ingestion.checksum import crc32c_of
from wif_pipelines.ingestion.copy_errors import SourceChangedError
from wif_pipelines.ingestion.ends import Ends
from wif_pipelines.ingestion.inventory import SourceObject
from wif_pipelines.ingestion.landing import plan_batch
from wif_pipelines.ingestion.plan import MIB, Route, Routing
from wif_pipelines.ingestion.proxy import Copied, NotCopied, ProxyOptions, copy_all, copy_objects
from wif_pipelines.ingestion.sink import SinkLocation
from wif_pipelines_tests.ingestion.conftest import Put
from wif_pipelines_tests.ingestion.test_inventory import ODD_KEYS

PROXY = Routing(route=Route.PROXY)
IN_PARTS = ProxyOptions(concurrency=2, whole_bytes=MIB, part_bytes=5 * MIB, parts_at_once=2)
Listed = Callable[[], list[SourceObject]]
Contents = Callable[[], dict[str, bytes]]


def noise(size: int, seed: str = "noise") -> bytes:
    return hashlib.shake_256(seed.encode()).digest(size)


def test_what_arrives_is_what_left(put: Put, listed: Listed, ends: Ends, content_of: Contents) -> None:
    contents = {f"clinic-{number}.csv": noise(number * 1000, str(number)) for number in range(30)}
    put(contents)
    copied = copy_all(plan_batch(listed(), ends, routing=PROXY).proxy, ends)
    assert content_of() == contents
    assert {each.decision.source.key: each.crc32c for each in copied} == {
        key: crc32c_of(content) for key, content in contents.items()
    }


def test_carries_headers_metadata_key_and_origin(put: Put, listed: Listed, ends: Ends, storage: Any) -> None:
    put(
        {"a.csv": b"age,outcome\n"},
        ContentType="text/csv; charset=utf-8",
        ContentEncoding="identity",
        CacheControl="no-store",
        ContentDisposition="attachment",
        ContentLanguage="de",
        Metadata={"clinic": "north"},
    )
    (item,) = listed()
    copy_all(plan_batch([item], ends).proxy, ends)
    blob = storage.bucket(ends.sink.bucket).get_blob(f"{ends.sink.prefix}a.csv")
    assert blob.content_type == "text/csv; charset=utf-8"
    assert (blob.content_encoding, blob.cache_control) == ("identity", "no-store")
    assert (blob.content_disposition, blob.content_language) == ("attachment", "de")
    assert blob.kms_key_name.startswith(f"{ends.sink.kms_key}/cryptoKeyVersions/")
    assert blob.metadata == {
        "clinic": "north",
        "wif-source-etag": item.etag,
        "wif-source-last-modified": item.last_modified.isoformat(),
        "wif-source-crc32c": blob.crc32c,
    }


def test_a_large_object_travels_in_parts(put: Put, listed: Listed, ends: Ends, storage: Any) -> None:
    content = noise(12 * MIB + 17)
    put({"large.bin": content}, ContentType="application/x-clinic", Metadata={"clinic": "north"})
    seen: list[tuple[int, int]] = []
    (copied,) = copy_all(plan_batch(listed(), ends).proxy, ends, options=IN_PARTS, progress=lambda *at: seen.append(at))
    blob = storage.bucket(ends.sink.bucket).get_blob(f"{ends.sink.prefix}large.bin")
    assert blob.download_as_bytes() == content
    assert blob.crc32c == copied.crc32c == crc32c_of(content)
    assert blob.component_count is None
    assert (blob.content_type, blob.metadata["clinic"]) == ("application/x-clinic", "north")
    assert blob.kms_key_name.startswith(str(ends.sink.kms_key))
    assert seen[-1] == (1, len(content))


def test_keys_of_any_shape_keep_their_names(put: Put, listed: Listed, ends: Ends, content_of: Contents) -> None:
    contents = {key: key.encode() for key in ODD_KEYS}
    put(contents)
    copy_all(plan_batch(listed(), ends).proxy, ends)
    assert content_of() == contents


def test_a_large_object_with_an_odd_key(
    put: Put, listed: Listed, ends: Ends, content_of: Contents, storage: Any
) -> None:
    content = noise(9 * MIB)
    put({"a//b": content}, ContentType="text/csv", CacheControl="no-store")
    options = ProxyOptions(whole_bytes=MIB, part_bytes=MIB)
    (copied,) = copy_all(plan_batch(listed(), ends).proxy, ends, options=options)
    assert content_of() == {"a//b": content}
    blob = storage.bucket(ends.sink.bucket).get_blob(f"{ends.sink.prefix}a//b")
    assert (blob.content_type, blob.cache_control, blob.crc32c) == ("text/csv", "no-store", copied.crc32c)
    assert blob.kms_key_name.startswith(str(ends.sink.kms_key))


@pytest.mark.parametrize("key", ["plain.csv", "odd//name.csv"])
@pytest.mark.parametrize("size", [10, 6 * MIB])
def test_an_object_that_changed_since_the_plan_is_told_and_not_copied(
    put: Put, listed: Listed, ends: Ends, content_of: Contents, key: str, size: int
) -> None:
    put({key: noise(size)})
    planned = plan_batch(listed(), ends)
    put({key: noise(size, "another")})
    (outcome,) = copy_objects(planned.proxy, ends, options=IN_PARTS)
    assert isinstance(outcome, NotCopied)
    assert isinstance(outcome.error, SourceChangedError)
    assert repr(key) in str(outcome.error)
    assert content_of() == {}


def test_an_object_that_is_gone_since_the_plan_is_told(
    put: Put, listed: Listed, ends: Ends, operator: Any, content_of: Contents
) -> None:
    put({"a": b"1", "b": b"2"})
    planned = plan_batch(listed(), ends)
    operator.client("s3").delete_object(Bucket=ends.source.bucket, Key="a")
    with pytest.raises(TransferError, match="1 of 2 objects could not be copied"):
        copy_all(planned.proxy, ends)
    assert content_of() == {"b": b"2"}


@pytest.mark.parametrize("key", ["plain.csv", "odd//name.csv"])
def test_what_somebody_else_wrote_since_the_plan_is_left_alone(
    put: Put, listed: Listed, ends: Ends, storage: Any, content_of: Contents, key: str
) -> None:
    put({key: b"ours"})
    planned = plan_batch(listed(), ends)
    storage.bucket(ends.sink.bucket).blob(f"{ends.sink.prefix}{key}").upload_from_string(b"theirs")
    (outcome,) = copy_objects(planned.proxy, ends)
    assert isinstance(outcome, NotCopied)
    assert isinstance(outcome.error, ConflictError)
    assert content_of() == {key: b"theirs"}


def test_another_worker_that_was_first_is_no_conflict(put: Put, listed: Listed, ends: Ends) -> None:
    put({"a": b"1", "odd//name": b"2"})
    planned = plan_batch(listed(), ends)
    first, second = copy_all(planned.proxy, ends), copy_all(planned.proxy, ends)
    assert first == second


def test_a_differing_object_is_replaced(put: Put, listed: Listed, ends: Ends, content_of: Contents) -> None:
    put({"a": b"old", "odd//name": b"old"})
    copy_all(plan_batch(listed(), ends).proxy, ends)
    put({"a": b"new!", "odd//name": b"new!"})
    planned = plan_batch(listed(), ends)
    assert all(each.replaces for each in planned.proxy)
    copy_all(planned.proxy, ends)
    assert content_of() == {"a": b"new!", "odd//name": b"new!"}


def test_unchanged_objects_are_not_planned_again(put: Put, listed: Listed, ends: Ends) -> None:
    put({"a": b"1", "odd//name": b"2", "empty": b""})
    copy_all(plan_batch(listed(), ends).proxy, ends)
    again = plan_batch(listed(), ends)
    assert again.moving == ()
    assert len(again.unchanged) == 3


class TestUnderFaults:
    """Everything arrives whole, or is told by name."""

    @pytest.mark.parametrize(
        ("kind", "fields"),
        [
            ("status", {"service": "s3", "method": "s3:GetObject", "status": 503, "count": 3}),
            ("reset", {"service": "s3", "method": "s3:GetObject", "after_bytes": 500, "count": 3}),
            ("truncate", {"service": "s3", "method": "s3:GetObject", "after_bytes": 500, "count": 3}),
            ("status", {"service": "storage", "path": "*tests*", "status": 503, "count": 3}),
            ("request_reset", {"service": "storage", "path": "*tests*", "after_bytes": 500, "count": 3}),
        ],
    )
    def test_passing_faults_are_overcome(
        self, put: Put, listed: Listed, ends: Ends, content_of: Contents, faults: Any, kind: str, fields: dict[str, Any]
    ) -> None:
        contents = {f"{number}": noise(2000, str(number)) for number in range(12)}
        put(contents)
        planned = plan_batch(listed(), ends)
        fault = faults.add(kind, **fields)
        copied = copy_all(planned.proxy, ends)
        assert faults.get(fault["id"])["used"] == 3
        faults.clear()
        assert len(copied) == 12
        assert content_of() == contents

    def test_large_bodies_go_on_where_they_were_cut(
        self, put: Put, listed: Listed, ends: Ends, content_of: Contents, faults: Any
    ) -> None:
        content = noise(11 * MIB)
        put({"large": content})
        planned = plan_batch(listed(), ends)
        fault = faults.add("reset", service="s3", method="s3:GetObject", after_bytes=MIB, count=2)
        copy_all(planned.proxy, ends, options=IN_PARTS)
        assert faults.get(fault["id"])["used"] == 2
        faults.clear()
        assert content_of() == {"large": content}

    def test_a_source_that_refuses_one_object_does_not_stop_the_others(
        self, put: Put, listed: Listed, ends: Ends, content_of: Contents, faults: Any
    ) -> None:
        put({f"{number}": b"x" for number in range(5)})
        planned = plan_batch(listed(), ends)
        faults.add("status", service="s3", method="s3:GetObject", path="*/2", status=403, count=None)
        outcomes = list(copy_objects(planned.proxy, ends))
        faults.clear()
        failed = [each for each in outcomes if isinstance(each, NotCopied)]
        assert [each.decision.source.key for each in failed] == ["2"]
        assert "'2'" in failed[0].error.message
        assert set(content_of()) == {"0", "1", "3", "4"}

    def test_too_many_failures_stop_the_batch(self, put: Put, listed: Listed, ends: Ends, faults: Any) -> None:
        put({f"{number:02d}": b"x" for number in range(20)})
        planned = plan_batch(listed(), ends)
        faults.add("status", service="s3", method="s3:GetObject", status=403, count=None)
        options = ProxyOptions(concurrency=1, failures=3)
        outcomes = []
        with pytest.raises(TransferError, match="3 objects could not be copied; the batch was stopped"):
            outcomes.extend(copy_objects(planned.proxy, ends, options=options))
        faults.clear()

    def test_tokens_that_expire_under_way_are_renewed(
        self, put: Put, listed: Listed, ends: Ends, content_of: Contents, sandbox: Any
    ) -> None:
        contents = {f"{number}": noise(100, str(number)) for number in range(40)}
        put(contents)
        planned = plan_batch(listed(), ends)
        outcomes = []
        for outcome in copy_objects(planned.proxy, ends, options=ProxyOptions(concurrency=2)):
            outcomes.append(outcome)
            if len(outcomes) == 10:
                sandbox.expire_tokens()
        assert [each for each in outcomes if not isinstance(each, Copied)] == []
        assert content_of() == contents


def test_leaving_early_leaves_nothing_half_written_and_no_threads(
    put: Put, listed: Listed, ends: Ends, storage: Any, sink: SinkLocation
) -> None:
    put({f"{number}": noise(6 * MIB, str(number)) for number in range(4)})
    planned = plan_batch(listed(), ends)
    outcomes = copy_objects(planned.proxy, ends, options=IN_PARTS)
    next(outcomes)
    outcomes.close()  # type: ignore[attr-defined]
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("copy-")]
    assert all(blob.size == 6 * MIB for blob in storage.list_blobs(sink.bucket, prefix=sink.prefix))
