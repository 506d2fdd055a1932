"""What the source's content is, when the listing does not say it: asked of S3, or read once more.

An ETag of 32 hexadecimal digits is the MD5 of the content, unless the object is encrypted with a KMS key or a
customer's
key: then it only looks like one. A HEAD request tells, and brings the CRC32C that S3 keeps for objects uploaded with
    one.
"""

from __future__ import annotations

from dataclasses import dataclass
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
    """How it is known that a copy has the source's content."""

    PASSED = "crc32c of the bytes that passed"
    MD5 = "md5 in the source's ETag"
    S3_CHECKSUM = "crc32c kept by S3"
    READ_AGAIN = "crc32c of the source, read again"
    RECORDED = "proven by an earlier verification"


@dataclass(frozen=True, slots=True)
class SourceSays:
    """What S3 says of an object's content.

    Attributes:
        crc32c: Of the whole object, base64, when S3 keeps one.
        md5: Of the whole object, hexadecimal, when the ETag is one.
    """

    crc32c: str | None
    md5: str | None


def ask_source(item: SourceObject, ends: Ends) -> SourceSays:
    """Ask S3 what it knows of an object in the planned state; one HEAD request.

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
    kept: str | None = answer.get("ChecksumCRC32C")
    if answer.get("ChecksumType") == "COMPOSITE" or "-" in (kept or ""):
        kept = None  # of the parts' checksums, not of the content
    plain = answer.get("ServerSideEncryption") in {None, "AES256"} and "SSECustomerAlgorithm" not in answer
    return SourceSays(kept, item.content_md5 if plain else None)


def read_again(item: SourceObject, ends: Ends) -> str:
    """Read a source object in the planned state and return its CRC32C; costs its egress, and 1 MiB of memory.

    Raises:
        SourceChangedError: The source is not in the planned state any more.
        WifError: S3 refused, or did not answer.
    """
    return retrying(lambda: _read(item, ends), on=UnavailableError)


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
