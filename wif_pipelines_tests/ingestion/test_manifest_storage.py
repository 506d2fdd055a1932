"""Manifests in Cloud Storage, over the wire."""

from __future__ import annotations

from typing import Any

import pytest

from wif_pipelines.errors import NotFoundError
from wif_pipelines.ingestion.inventory import SourceObject
from wif_pipelines.ingestion.manifest import digest, read_manifest, write_manifest
from wif_pipelines.ingestion.sink import SinkLocation
from wif_pipelines_tests.ingestion.strategies import EPOCH

BATCH = [SourceObject(key, 10, f"etag-{key}", EPOCH) for key in ("b", "a", "ü/☃")]


def test_comes_back_in_order_of_keys(storage: Any, sink: SinkLocation) -> None:
    manifest = write_manifest(storage, sink.uri, BATCH, kms_key=sink.kms_key)
    assert [row.source.key for row in read_manifest(storage, manifest.uri)] == ["a", "b", "ü/☃"]
    assert (manifest.objects, manifest.size, manifest.digest) == (3, 30, digest(BATCH))
    assert manifest.digest in manifest.uri


def test_writing_it_again_changes_nothing(storage: Any, sink: SinkLocation) -> None:
    first = write_manifest(storage, sink.uri, BATCH)
    second = write_manifest(storage, sink.uri, reversed(BATCH))
    assert first == second
    (blob,) = storage.list_blobs(sink.bucket, prefix=sink.prefix)
    assert blob.metageneration == 1


def test_an_empty_batch_has_a_manifest_too(storage: Any, sink: SinkLocation) -> None:
    manifest = write_manifest(storage, sink.uri, [])
    assert list(read_manifest(storage, manifest.uri)) == []


def test_a_missing_manifest_is_an_error(storage: Any, sink: SinkLocation) -> None:
    with pytest.raises(NotFoundError, match="reading the manifest"):
        list(read_manifest(storage, f"{sink.uri}none.jsonl"))
