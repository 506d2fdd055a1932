"""What the source's content is, for copies that did not pass through us: the cheapest proof that there is.

In this order: the MD5 that an ETag may be (free, from the listing); the CRC32C that S3 keeps for objects uploaded with
one (a HEAD request); reading the object once more. An ETag of an object encrypted with a KMS key looks like an MD5 and
is none, so a difference only counts when the HEAD request says that it can be one.
"""

from __future__ import annotations

from enum import StrEnum

from wif_pipelines.errors import ConflictError, NotFoundError, UnavailableError
from wif_pipelines.ingestion.checksum import Crc32c
from wif_pipelines.ingestion.copy_errors import source_changed
from wif_pipelines.ingestion.ends import Ends
from wif_pipelines.ingestion.inventory import SourceObject
from wif_pipelines.wire.aws_errors import translated
from wif_pipelines.wire.retry import retrying

_PIECE = 1024 * 1024


class Proof(StrEnum):
    """How the source's content is known."""

    PASSED = "crc32c of the bytes that passed"
    RECORDED = "crc32c recorded when it was copied"
    MD5 = "md5 in the source's ETag"
    S3_CHECKSUM = "crc32c kept by S3"
    READ_AGAIN = "crc32c of the source, read again"


def source_crc32c(item: SourceObject, ends: Ends) -> tuple[Proof, str]:
    """Learn the CRC32C of a source object in the planned state: from S3 if it keeps one, else by reading the object.

    Reading costs a GET and the object's egress; memory is 1 MiB.

    Raises:
        SourceChangedError: The source is not in the planned state any more.
        WifError: S3 refused, or did not answer.
    """
    kept = kept_checksum(item, ends)
    if kept is not None:
        return Proof.S3_CHECKSUM, kept
    return Proof.READ_AGAIN, retrying(lambda: _read(item, ends), on=UnavailableError)


def kept_checksum(item: SourceObject, ends: Ends) -> str | None:
    """The CRC32C of the whole object that S3 keeps, base64, or `None`.

    See https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html

    Raises:
        SourceChangedError: The source is not in the planned state any more.
        WifError: S3 refused, or did not answer.
    """
    try:
        with translated(f"reading the checksum of {item.key!r}"):
            answer = ends.s3.head_object(**_pinned(item, ends), ChecksumMode="ENABLED")
    except (ConflictError, NotFoundError) as error:
        raise source_changed(item) from error
    value: str | None = answer.get("ChecksumCRC32C")
    composite = answer.get("ChecksumType") == "COMPOSITE" or "-" in (value or "")
    return None if composite else value


def _read(item: SourceObject, ends: Ends) -> str:
    whole = Crc32c()
    try:
        with translated(f"reading {item.key!r}"):
            body = ends.s3.get_object(**_pinned(item, ends))["Body"]
            for piece in body.iter_chunks(_PIECE):
                whole.update(piece)
    except (ConflictError, NotFoundError) as error:
        raise source_changed(item) from error
    return whole.base64


def _pinned(item: SourceObject, ends: Ends) -> dict[str, str]:
    request = {"Bucket": ends.source.bucket, "Key": item.key, "IfMatch": f'"{item.etag}"'}
    return request if item.version_id is None else {**request, "VersionId": item.version_id}
