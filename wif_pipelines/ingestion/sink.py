"""What the landing bucket holds: a streaming listing of Cloud Storage with sizes, checksums and origins.

One request answers 1,000 objects, with their checksums: this is what makes verification and resuming cheap. Only the
fields that are used are asked for.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from wif_pipelines.errors import ConflictError, NotFoundError, UnavailableError
from wif_pipelines.ingestion.inventory import SourceObject
from wif_pipelines.wire.google_errors import translated
from wif_pipelines.wire.retry import retrying

SOURCE_ETAG = "wif-source-etag"
SOURCE_VERSION = "wif-source-version"
SOURCE_MODIFIED = "wif-source-last-modified"
SOURCE_CRC32C = "wif-source-crc32c"
VERIFIED_CRC32C = "wif-verified-crc32c"
"""Custom metadata that we write on objects: of which source object, in which state, it is a copy."""

TRANSFER_SERVICE_ETAG = "x-goog-source-etag"
"""Custom metadata in which Storage Transfer Service keeps the source's ETag.

See https://cloud.google.com/storage-transfer/docs/metadata-preservation
"""

_FIELDS = "nextPageToken,items(name,size,crc32c,md5Hash,generation,metadata,kmsKeyName)"


@dataclass(frozen=True, slots=True)
class SinkLocation:
    """Where objects go.

    Attributes:
        bucket: Name of the Cloud Storage bucket.
        prefix: Put before each name; with its trailing `/` when a folder is meant.
        kms_key: Full name of the Cloud KMS key that encrypts each object
            (`projects/P/locations/L/keyRings/R/cryptoKeys/K`); `None` leaves it to the bucket's default.
    """

    bucket: str
    prefix: str = ""
    kms_key: str | None = None

    @property
    def uri(self) -> str:
        """`gs://bucket/prefix`."""
        return f"gs://{self.bucket}/{self.prefix}"


@dataclass(frozen=True, slots=True)
class SinkObject:
    """One object as Cloud Storage holds it.

    Attributes:
        name: Its full name.
        size: Bytes.
        crc32c: Base64 of the big-endian checksum, as Cloud Storage writes it.
        md5: Hexadecimal, or `None` for objects that were composed or uploaded in parts.
        generation: The number of this state of the object.
        source_etag: The ETag of the source object it was copied from, when the copier wrote it down.
        source_crc32c: The checksum of the bytes that the copier read at the source, when it wrote it down.
        verified: Whether an earlier verification proved that it has the content of `source_etag`.
        kms_key: The key that encrypts it, without the key's version; `None` for Google's own keys.
    """

    name: str
    size: int
    crc32c: str
    md5: str | None
    generation: int
    source_etag: str | None = None
    source_crc32c: str | None = None
    verified: bool = False
    kms_key: str | None = None


def list_sink(storage: Any, bucket: str, *, prefix: str = "") -> Iterator[SinkObject]:
    """Yield the objects of a bucket in byte order of their names, a page of 1,000 at a time.

    Args:
        storage: A `google.cloud.storage.Client`.
        bucket: Name of the bucket.
        prefix: Only names that begin with this.

    Raises:
        WifError: The bucket does not exist, or may not be listed.

    See https://cloud.google.com/storage/docs/json_api/v1/objects/list
    """
    with translated(f"listing gs://{bucket}/{prefix}"):
        for blob in storage.list_blobs(bucket, prefix=prefix or None, fields=_FIELDS, page_size=1000):
            yield _object(blob)


def find_in_sink(storage: Any, bucket: str, names: Iterable[str]) -> Iterator[SinkObject]:
    """Yield those of the named objects that the bucket holds, by listing: a request for up to 1,000 neighbours.

    Each page begins at the next wanted name, so that a few names in a full bucket cost a request each at most, and a
    whole batch costs a thousandth of that. Memory is one page.

    Args:
        storage: A `google.cloud.storage.Client`.
        bucket: Name of the bucket.
        names: Full names, ascending (Python's order of text is the order of UTF-8 bytes).

    Raises:
        WifError: The bucket does not exist, or may not be listed.
    """
    wanted = iter(names)
    name = next(wanted, None)
    while name is not None:
        page, last = _page(storage, bucket, name)
        for found in page:
            while name is not None and name < found.name:
                name = next(wanted, None)
            if name == found.name:
                yield found
                name = next(wanted, None)
        if last:
            return


def _page(storage: Any, bucket: str, first: str) -> tuple[list[SinkObject], bool]:
    """The objects from a name on, one page of them, and whether there are no more."""
    with translated(f"listing gs://{bucket} from {first!r}"):
        listing = storage.list_blobs(bucket, start_offset=first, fields=_FIELDS, page_size=1000)
        page = [_object(blob) for blob in next(listing.pages, ())]
        return page, listing.next_page_token is None


def source_facts(item: SourceObject, crc32c: str | None = None) -> dict[str, str]:
    """Custom metadata that says which state of which source object a copy is, and what was read, if that is known."""
    facts = {
        SOURCE_ETAG: item.etag,
        SOURCE_MODIFIED: item.last_modified.isoformat(),
        SOURCE_VERSION: item.version_id,
        SOURCE_CRC32C: crc32c,
    }
    return {name: value for name, value in facts.items() if value is not None}


def record_read(storage: Any, bucket: str, name: str, item: SourceObject, crc32c: str) -> None:
    """Write on an object what was read at the source to make it, when that was known only at its end.

    A later verification then needs no second look at the source. An object that is gone or replaced is left alone.

    Raises:
        WifError: Cloud Storage refused, or did not answer.
    """

    def patch() -> None:
        with translated(f"recording the checksum of gs://{bucket}/{name}"):
            blob = storage.bucket(bucket).get_blob(name)
            if blob is None or _object(blob).source_etag != item.etag:
                return
            blob.metadata = {**(blob.metadata or {}), SOURCE_CRC32C: crc32c}
            blob.patch(if_generation_match=blob.generation)

    with suppress(ConflictError, NotFoundError):
        retrying(patch, on=UnavailableError)


def record_verified(storage: Any, bucket: str, found: SinkObject, item: SourceObject) -> None:
    """Write on an object that it was proven to have the source's content, so that it need not be proven again.

    Raises:
        ConflictError: The object changed since it was looked at.
        NotFoundError: It is gone, or was replaced.
        WifError: Cloud Storage refused.
    """
    with translated(f"recording the verification of gs://{bucket}/{found.name}"):
        blob = storage.bucket(bucket).blob(found.name, generation=found.generation)
        blob.metadata = {**source_facts(item, found.source_crc32c), VERIFIED_CRC32C: found.crc32c}
        blob.patch(if_generation_match=found.generation)


def landed_state(storage: Any, bucket: str, name: str) -> tuple[int, str | None] | None:
    """Size and source ETag of one object, or `None` when there is no such object.

    Raises:
        WifError: Cloud Storage refused.
    """
    with translated(f"looking for gs://{bucket}/{name}"):
        blob = storage.bucket(bucket).get_blob(name)
    if blob is None:
        return None
    found = _object(blob)
    return found.size, found.source_etag


def _object(blob: Any) -> SinkObject:
    metadata = blob.metadata or {}
    etag = metadata.get(SOURCE_ETAG) or metadata.get(TRANSFER_SERVICE_ETAG)
    return SinkObject(
        name=blob.name,
        size=int(blob.size),
        crc32c=blob.crc32c,
        md5=base64.b64decode(blob.md5_hash).hex() if blob.md5_hash else None,
        generation=int(blob.generation),
        source_etag=etag.strip('"') if etag else None,
        source_crc32c=metadata.get(SOURCE_CRC32C),
        verified=metadata.get(VERIFIED_CRC32C) == blob.crc32c,
        kms_key=blob.kms_key_name.partition("/cryptoKeyVersions/")[0] if blob.kms_key_name else None,
    )
