"""Verification, over the wire: every way in which a copy can differ is found, and every proof is the cheapest."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from wif_pipelines.errors import VerificationError
from wif_pipelines.ingestion.checksum import crc32c_of
from wif_pipelines.ingestion.copy_errors import SourceChangedError
from wif_pipelines.ingestion.ends import Ends
from wif_pipelines.ingestion.evidence import Proof, ask_source
from wif_pipelines.ingestion.inventory import SourceObject
from wif_pipelines.ingestion.landing import plan_batch
from wif_pipelines.ingestion.plan import MIB
from wif_pipelines.ingestion.proxy import ProxyOptions, copy_all
from wif_pipelines.ingestion.verify import Expected, expected_of, remove_damaged, verify
from wif_pipelines_tests.ingestion.conftest import Put
from wif_pipelines_tests.ingestion.test_proxy import IN_PARTS, noise

Listed = Callable[[], list[SourceObject]]


@pytest.fixture
def upload(storage: Any, ends: Ends) -> Callable[..., None]:
    """Write an object to the sink as somebody else would."""

    def write(name: str, content: bytes, **settings: Any) -> None:
        blob = storage.bucket(ends.sink.bucket).blob(ends.sink.prefix + name, **settings)
        blob.upload_from_string(content)

    return write


def multipart(operator: Any, bucket: str, key: str, content: bytes, **settings: Any) -> None:
    """Upload in parts, so that the ETag is no MD5."""
    client = operator.client("s3")
    upload = client.create_multipart_upload(Bucket=bucket, Key=key, **settings)["UploadId"]
    pieces = [content[: 5 * MIB], content[5 * MIB :]]
    parts = []
    for number, piece in enumerate(pieces, start=1):
        answer = client.upload_part(Bucket=bucket, Key=key, UploadId=upload, PartNumber=number, Body=piece)
        parts.append({"PartNumber": number, "ETag": answer["ETag"]})
    client.complete_multipart_upload(Bucket=bucket, Key=key, UploadId=upload, MultipartUpload={"Parts": parts})


def expected(ends: Ends, item: SourceObject, **rest: Any) -> list[Expected]:
    return [Expected(ends.sink.prefix + item.key, item, **rest)]


def test_a_whole_batch_is_proven_by_what_passed(put: Put, listed: Listed, ends: Ends) -> None:
    put({f"{number}": noise(500, str(number)) for number in range(20)} | {"odd//name": b"x", "empty": b""})
    planned = plan_batch(listed(), ends)
    report = verify(expected_of(planned, copy_all(planned.proxy, ends)), ends)
    report.raise_if_different()
    assert report.ok
    assert (report.objects, dict(report.proofs)) == (22, {Proof.PASSED: 22})
    assert report.size == 20 * 500 + 1


def test_what_landed_before_is_proven_from_the_listings_alone(
    put: Put, listed: Listed, ends: Ends, operator: Any, faults: Any
) -> None:
    put({"small": b"x"})
    multipart(operator, ends.source.bucket, "large", noise(6 * MIB))
    planned = plan_batch(listed(), ends)
    verify(expected_of(planned, copy_all(planned.proxy, ends, options=IN_PARTS)), ends).raise_if_different()
    again = plan_batch(listed(), ends)
    reads = faults.add("status", service="s3", method="s3:[GH]e*Object", status=500, count=None)
    report = verify(expected_of(again), ends)
    assert faults.get(reads["id"])["used"] == 0
    assert dict(report.proofs) == {Proof.MD5: 1, Proof.RECORDED: 1}


def test_a_large_copy_is_proven_in_another_process_without_reading_the_source_again(
    listed: Listed, ends: Ends, operator: Any, faults: Any
) -> None:
    multipart(operator, ends.source.bucket, "large", noise(6 * MIB))
    planned = plan_batch(listed(), ends)
    copy_all(planned.proxy, ends, options=IN_PARTS)
    reads = faults.add("status", service="s3", method="s3:GetObject", status=500, count=None)
    report = verify(expected_of(planned), ends)
    assert faults.get(reads["id"])["used"] == 0
    assert dict(report.proofs) == {Proof.PASSED: 1}


class TestDifferences:
    """Each is told with the name and what differs."""

    def test_missing(self, put: Put, listed: Listed, ends: Ends) -> None:
        put({"a": b"1"})
        report = verify(expected(ends, *listed()), ends)
        with pytest.raises(VerificationError, match="it is missing") as caught:
            report.raise_if_different()
        assert caught.value.objects == (ends.sink.prefix + "a",)

    def test_another_size(self, put: Put, listed: Listed, ends: Ends, upload: Callable[..., None]) -> None:
        put({"a": b"123"})
        upload("a", b"12")
        (difference,) = verify(expected(ends, *listed()), ends).differences
        assert difference.reason == "it has 2 bytes, not 3"

    def test_another_content_of_the_same_size(
        self, put: Put, listed: Listed, ends: Ends, upload: Callable[..., None]
    ) -> None:
        put({"a": b"123"})
        upload("a", b"124")
        (item,) = listed()
        (passed,) = verify(expected(ends, item, crc32c=crc32c_of(b"123")), ends).differences
        (asked,) = verify(expected(ends, item), ends).differences
        assert f"crc32c {crc32c_of(b'124')}, as read at the source {crc32c_of(b'123')}" in passed.reason
        assert f"at the source {item.etag}" in asked.reason

    def test_damaged_before_it_reached_us(self, put: Put, listed: Listed, ends: Ends, faults: Any) -> None:
        put({"a": noise(3000)})
        planned = plan_batch(listed(), ends)
        fault = faults.add("corrupt", service="s3", method="s3:GetObject", after_bytes=1000)
        copied = copy_all(planned.proxy, ends)
        assert faults.get(fault["id"])["used"] == 1
        (difference,) = verify(expected_of(planned, copied), ends).differences
        assert "its content differs: md5" in difference.reason
        assert difference.damaged is not None

    def test_another_key(self, put: Put, listed: Listed, ends: Ends, upload: Callable[..., None], sandbox: Any) -> None:
        put({"a": b"123"})
        upload("a", b"123")
        other = Ends(
            ends.session,
            ends.credentials,
            ends.storage,
            source=ends.source,
            sink=type(ends.sink)(ends.sink.bucket, ends.sink.prefix, sandbox.world.kms_key + "-other"),
        )
        (difference,) = verify(expected(ends, *listed()), other).differences
        assert "is encrypted with" in difference.reason
        assert difference.damaged is None


class TestProofs:
    """For copies that did not pass through us."""

    def test_the_md5_in_the_etag_costs_nothing(
        self, put: Put, listed: Listed, ends: Ends, upload: Callable[..., None]
    ) -> None:
        put({"a": b"123"})
        upload("a", b"123")
        assert dict(verify(expected(ends, *listed()), ends).proofs) == {Proof.MD5: 1}

    def test_a_checksum_that_s3_keeps_costs_a_request(self, put: Put, listed: Listed, ends: Ends) -> None:
        content = noise(6 * MIB)
        put({"a": content}, ChecksumCRC32C=crc32c_of(content))
        (item,) = listed()
        assert ask_source(item, ends).crc32c == crc32c_of(content)

    def test_the_source_is_asked_about_the_planned_state_only(self, put: Put, listed: Listed, ends: Ends) -> None:
        put({"a": b"123"})
        (item,) = listed()
        put({"a": b"124"})
        with pytest.raises(SourceChangedError, match="'a' changed"):
            ask_source(item, ends)

    def test_without_either_the_source_is_read_once_and_never_again(
        self, listed: Listed, ends: Ends, upload: Callable[..., None], operator: Any
    ) -> None:
        content = noise(6 * MIB)
        multipart(operator, ends.source.bucket, "a", content)
        upload("a", content, chunk_size=MIB)
        first = verify(expected(ends, *listed()), ends)
        second = verify(expected(ends, *listed()), ends)
        assert dict(first.proofs) == {Proof.READ_AGAIN: 1}
        assert dict(second.proofs) == {Proof.RECORDED: 1}


class TestDamage:
    """A copy of ours that does not hold what was read is removed; others' objects are not."""

    def test_ours(self, put: Put, listed: Listed, ends: Ends, faults: Any) -> None:
        put({"a": noise(3000)})
        planned = plan_batch(listed(), ends)
        (copied,) = copy_all(planned.proxy, ends, options=ProxyOptions())
        wrong = [Expected(copied.decision.name, copied.decision.source, crc32c_of(b"something else"))]
        report = verify(wrong, ends)
        assert remove_damaged(report, ends) == 1
        assert remove_damaged(report, ends) == 0
        assert len(plan_batch(listed(), ends).proxy) == 1

    def test_not_ours(self, put: Put, listed: Listed, ends: Ends, upload: Callable[..., None]) -> None:
        put({"a": b"123"})
        upload("a", b"124")
        report = verify(expected(ends, *listed()), ends)
        assert remove_damaged(report, ends) == 0
