"""The listing of the source, over the wire."""

from __future__ import annotations

from typing import Any

import pytest

from wif_pipelines.errors import NotFoundError
from wif_pipelines.ingestion.inventory import SourceLocation, list_objects
from wif_pipelines_tests.ingestion.conftest import Put

ODD_KEYS = [
    "a b", "a//b", "trail/", "a/./b", "a/../b", "tab\tx", "del\x7f", "control\x01", "q?x=1", "percent%20", "plus+x",
    "ünï/☃", "emoji😀", "hash#", "[br]", "back\\slash", "'\"&<>", "</Key>", "~tilde", "semi;colon", " lead", "end ",
]  # fmt: skip


def test_shows_objects_as_boto3_does(put: Put, s3: Any, source: SourceLocation) -> None:
    put({"b.csv": b"two", "a.csv": b"", "c/d.csv": b"three"})
    expected = s3.list_objects_v2(Bucket=source.bucket)["Contents"]
    found = list(list_objects(s3, source))
    assert [(each.key, each.size, f'"{each.etag}"', each.last_modified) for each in found] == [
        (each["Key"], each["Size"], each["ETag"], each["LastModified"]) for each in expected
    ]
    assert [each.key for each in found] == ["a.csv", "b.csv", "c/d.csv"]


def test_keys_of_any_shape_come_out_as_they_are(put: Put, s3: Any, source: SourceLocation) -> None:
    put(dict.fromkeys(ODD_KEYS, b"x"))
    assert [each.key for each in list_objects(s3, source)] == sorted(ODD_KEYS)


def test_pages_add_up_and_a_look_can_go_on(put: Put, s3: Any, source: SourceLocation) -> None:
    keys = [f"{number:02d}" for number in range(25)]
    put(dict.fromkeys(keys, b"x"))
    assert [each.key for each in list_objects(s3, source, page_size=10)] == keys
    assert [each.key for each in list_objects(s3, source, start_after="11", page_size=4)] == keys[12:]


def test_a_prefix_is_text_and_not_a_folder(put: Put, s3: Any, source: SourceLocation) -> None:
    put(dict.fromkeys(["ab/1", "ab-2", "b/3"], b"x"))
    assert [each.key for each in list_objects(s3, SourceLocation(source.bucket, "ab"))] == ["ab-2", "ab/1"]


def test_tells_what_is_archived(put: Put, s3: Any, source: SourceLocation) -> None:
    put({"cold": b"x"}, StorageClass="DEEP_ARCHIVE")
    put({"instant": b"x"}, StorageClass="GLACIER_IR")
    assert [(each.key, each.archived) for each in list_objects(s3, source)] == [("cold", True), ("instant", False)]


def test_an_empty_bucket_is_an_empty_listing(s3: Any, source: SourceLocation) -> None:
    assert list(list_objects(s3, source)) == []


def test_leaves_the_client_to_others_as_it_was(put: Put, s3: Any, source: SourceLocation) -> None:
    put({"a": b"x"})
    assert len(list(list_objects(s3, source))) == 1
    assert [each["Key"] for each in s3.list_objects_v2(Bucket=source.bucket)["Contents"]] == ["a"]


def test_a_missing_bucket_is_an_error_and_not_an_empty_listing(s3: Any, source: SourceLocation) -> None:
    with pytest.raises(NotFoundError, match="listing s3://"):
        list(list_objects(s3, SourceLocation(source.bucket + "-gone")))
