"""A batch's manifest: which states of which objects, as one immutable file in Cloud Storage.

Run configuration, events and databases carry its address and digest, never the list. Manifests are named after their
digest, so that writing one twice is writing it once; the digest does not depend on the order of the listing.

A line of the file is one JSON array: key, size, ETag, last modified, version, storage class, crc32c (when known,
base64).
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from wif_pipelines.errors import IngestionError
from wif_pipelines.ingestion.inventory import SourceObject
from wif_pipelines.wire.google_errors import status_of, translated


@dataclass(frozen=True, slots=True)
class ManifestRow:
    """One object of a batch, and its checksum once somebody has read it."""

    source: SourceObject
    crc32c: str | None = None


@dataclass(frozen=True, slots=True)
class Manifest:
    """Where a manifest is and what it holds; small enough for run configuration.

    Attributes:
        uri: `gs://bucket/name`.
        digest: SHA-256 over the objects, hexadecimal; identifies the batch.
        objects: How many.
        size: Bytes in all.
    """

    uri: str
    digest: str
    objects: int
    size: int

    @property
    def batch(self) -> str:
        """The digest's first 16 digits: short enough for run keys and labels."""
        return self.digest[:16]


def in_key_order(objects: Iterable[SourceObject]) -> list[SourceObject]:
    """Sort as S3 and Cloud Storage list: by the bytes of the key's UTF-8."""
    return sorted(objects, key=lambda item: item.key.encode("utf-8", "surrogatepass"))


def digest(objects: Iterable[SourceObject]) -> str:
    """Hash a batch: the same objects in the same states give the same digest, in whatever order they come.

    The last modification counts: an object that changes there and back is another batch, and is looked at again.
    """
    return _hash(in_key_order(objects))


def _hash(ordered: Iterable[SourceObject]) -> str:
    whole = hashlib.sha256()
    for item in ordered:
        whole.update(_line(ManifestRow(item)))
    return whole.hexdigest()


def encode(rows: Iterable[ManifestRow]) -> Iterator[bytes]:
    """Write rows as lines."""
    return map(_line, rows)


def decode(lines: Iterable[bytes]) -> Iterator[ManifestRow]:
    """Read lines as rows.

    Raises:
        IngestionError: A line is not a row.
    """
    for number, line in enumerate(lines, start=1):
        try:
            key, size, etag, modified, version, storage_class, crc32c = json.loads(line)
            source = SourceObject(key, size, etag, datetime.fromisoformat(modified), version, storage_class)
        except (ValueError, TypeError) as error:
            raise IngestionError(
                f"Line {number} of the manifest is not an object of a batch: {error}.",
                remedy="Delete this manifest and take a new inventory.",
            ) from error
        yield ManifestRow(source, crc32c)


def _line(row: ManifestRow) -> bytes:
    item = row.source
    fields = [
        item.key,
        item.size,
        item.etag,
        item.last_modified.isoformat(),
        item.version_id,
        item.storage_class,
        row.crc32c,
    ]
    return json.dumps(fields, separators=(",", ":")).encode("ascii") + b"\n"


def write_manifest(
    storage: Any, folder: str, objects: Iterable[SourceObject], *, kms_key: str | None = None
) -> Manifest:
    """Write a batch's manifest, unless it is there already.

    Args:
        storage: A `google.cloud.storage.Client`.
        folder: `gs://bucket/prefix/` to write under.
        objects: The batch.
        kms_key: The key that encrypts the file; `None` for the bucket's default.

    Raises:
        WifError: Cloud Storage refused.
    """
    ordered = in_key_order(objects)
    name = _hash(ordered)
    uri = f"{folder.rstrip('/')}/{name}.jsonl"
    write_once(storage, uri, b"".join(encode(map(ManifestRow, ordered))), kms_key=kms_key, kind="application/jsonl")
    return Manifest(uri, name, len(ordered), sum(item.size for item in ordered))


def read_manifest(storage: Any, uri: str) -> Iterator[ManifestRow]:
    """Yield a manifest's rows as they are read.

    Raises:
        WifError: The manifest does not exist or may not be read.
        IngestionError: It is not a manifest.
    """
    with translated(f"reading the manifest {uri}"), _blob(storage, uri).open("rb") as lines:
        yield from decode(lines)


def transfer_csv(keys: Iterable[tuple[str, str | None]], *, root: str = "") -> bytes:
    """Write the list of names that Storage Transfer Service takes as a manifest.

    Args:
        keys: Keys, with the version to copy where one is pinned.
        root: The source path of the transfer job; names are relative to it.

    See https://cloud.google.com/storage-transfer/docs/manifest
    """
    text = io.StringIO(newline="")
    rows = csv.writer(text, lineterminator="\n")
    for key, version in keys:
        rows.writerow([key.removeprefix(root), *([version] if version else [])])
    return text.getvalue().encode("utf-8")


def write_once(storage: Any, uri: str, content: bytes, *, kms_key: str | None = None, kind: str = "text/csv") -> None:
    """Store content under a name derived from it; when the name is taken, that very content is there already.

    Raises:
        WifError: Cloud Storage refused.
    """
    with translated(f"writing {uri}"):
        try:
            _blob(storage, uri, kms_key).upload_from_string(
                content, content_type=kind, if_generation_match=0, checksum="crc32c"
            )
        except Exception as error:
            if status_of(error) != 412:
                raise


def split_uri(uri: str) -> tuple[str, str]:
    """Split `gs://bucket/name` into bucket and name.

    Raises:
        IngestionError: It is not such an address.
    """
    bucket, _, name = uri.removeprefix("gs://").partition("/")
    if not uri.startswith("gs://") or not bucket:
        raise IngestionError(f"{uri!r} is not an address in Cloud Storage.", remedy="Write it as gs://BUCKET/NAME.")
    return bucket, name


def _blob(storage: Any, uri: str, kms_key: str | None = None) -> Any:
    bucket, name = split_uri(uri)
    return storage.bucket(bucket).blob(name, kms_key_name=kms_key)
