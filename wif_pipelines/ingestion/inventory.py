"""What is in the source bucket: a streaming listing of S3 in key order.

The listing asks 1,000 keys a page and yields as it goes, so that a bucket of any size costs one page of memory.
botocore's XML parser takes most of a listing's time (71 s a million keys); the pages are therefore read by
`_take_contents`, on botocore's own `before-parse` event: signing, retries, redirects and errors stay botocore's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import unquote_plus

from wif_pipelines.wire.aws_errors import translated

ARCHIVED_CLASSES = frozenset({"GLACIER", "DEEP_ARCHIVE"})
"""Storage classes whose objects cannot be read before they are restored (GLACIER_IR can)."""


@dataclass(frozen=True, slots=True)
class SourceLocation:
    """Where objects come from: a bucket, and the prefix under which they are.

    Attributes:
        bucket: Name of the S3 bucket.
        prefix: Only keys that begin with this; it is removed from the name at the destination. Empty for all keys.
        region: The bucket's region; `None` asks S3.
    """

    bucket: str
    prefix: str = ""
    region: str | None = None

    @property
    def uri(self) -> str:
        """`s3://bucket/prefix`."""
        return f"s3://{self.bucket}/{self.prefix}"


@dataclass(frozen=True, slots=True)
class SourceObject:
    """One object as a listing showed it; a transfer pins this very state of it.

    Attributes:
        key: The whole key, as S3 has it.
        size: Bytes.
        etag: Without its quotes. The MD5 of the content only when it is 32 hexadecimal digits and the object is neither
            a multipart upload nor encrypted with a KMS key or a customer's key.
        last_modified: Time-zone-aware. For a multipart upload this is when the upload *began*.
        version_id: When the listing knows it (an inventory report, an event); a plain listing does not.
        storage_class: S3's name, for example `STANDARD` or `DEEP_ARCHIVE`.
        restored: An archived object of which a readable copy exists for now.
    """

    key: str
    size: int
    etag: str
    last_modified: datetime
    version_id: str | None = None
    storage_class: str = "STANDARD"
    restored: bool = False

    @property
    def archived(self) -> bool:
        """Whether S3 refuses to read it until it is restored."""
        return self.storage_class in ARCHIVED_CLASSES and not self.restored

    @property
    def marks_directory(self) -> bool:
        """Whether it is an empty object whose key ends in `/`, as consoles write for a folder."""
        return self.size == 0 and self.key.endswith("/")

    @property
    def content_md5(self) -> str | None:
        """The ETag when it may be the MD5 of the content (32 hexadecimal digits), else `None`.

        An object under SSE-KMS also has such an ETag, and it is not an MD5: equality with the sink's MD5 proves the
        content, inequality proves nothing.
        """
        return self.etag.lower() if re.fullmatch("[0-9a-fA-F]{32}", self.etag) else None


def list_objects(
    s3: Any, location: SourceLocation, *, start_after: str = "", page_size: int = 1000
) -> Iterator[SourceObject]:
    """Yield the objects under `location`, in byte order of their keys, a page at a time.

    Keys of any shape come out as they are: S3 sends them percent-encoded (`EncodingType=url`), which also carries
    control characters that XML cannot.

    Args:
        s3: A boto3 S3 client.
        location: Bucket and prefix.
        start_after: Only keys after this one; lets a bounded look at a bucket go on where the last one stopped.
        page_size: Keys to ask for at once; S3 gives 1,000 at most.

    Raises:
        WifError: S3 refused, or did not answer.

    See https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html
    """
    _read_pages_quickly(s3)
    request: dict[str, Any] = {
        "Bucket": location.bucket,
        "Prefix": location.prefix,
        "EncodingType": "url",
        "MaxKeys": page_size,
        "OptionalObjectAttributes": ["RestoreStatus"],
    }
    if start_after:
        request["StartAfter"] = start_after
    while True:
        with translated(f"listing {location.uri}"):
            page = _page(s3, request)
        for text in page["WifContents"]:
            yield _object(text)
        if not page.get("IsTruncated"):
            return
        request["ContinuationToken"] = page["NextContinuationToken"]


_OURS: ContextVar[bool] = ContextVar("ours", default=False)


def _page(s3: Any, request: dict[str, Any]) -> dict[str, Any]:
    token = _OURS.set(True)
    try:
        page: dict[str, Any] = s3.list_objects_v2(**request)
        return page
    finally:
        _OURS.reset(token)


def _read_pages_quickly(s3: Any) -> None:
    """Attach the page reader to this client, once however often it is asked.

    botocore calls handlers with this wildcard before its own, which would parse the whole page to look for errors.
    Calls that others make through the same client stay as they are.
    """
    s3.meta.events.register("before-parse.*.ListObjectsV2", _take_contents, unique_id="wif-pages")


def _take_contents(response_dict: dict[str, Any], customized_response_dict: dict[str, Any], **_ignored: Any) -> None:
    """Hand over the `<Contents>` elements as text and leave botocore the rest of the page to parse."""
    if response_dict["status_code"] != 200 or not _OURS.get():
        return
    head, *pieces = response_dict["body"].decode("utf-8").split("<Contents>")
    contents, rests = [], [head]
    for piece in pieces:
        inside, _, rest = piece.partition("</Contents>")
        contents.append(inside)
        rests.append(rest)
    customized_response_dict["WifContents"] = contents
    response_dict["body"] = "".join(rests).encode("utf-8")


def _field(name: str) -> re.Pattern[str]:
    return re.compile(f"<{name}>([^<]*)<")


_KEY, _SIZE, _ETAG, _MODIFIED = _field("Key"), _field("Size"), _field("ETag"), _field("LastModified")
_CLASS, _RESTORED = _field("StorageClass"), _field("RestoreExpiryDate")


def _object(text: str) -> SourceObject:
    """Read one `<Contents>` element."""
    storage_class = _CLASS.search(text)
    return SourceObject(
        key=unquote_plus(_required(_KEY, text)),
        size=int(_required(_SIZE, text)),
        etag=_required(_ETAG, text).replace("&quot;", "").replace("&#34;", "").strip('"'),
        last_modified=datetime.fromisoformat(_required(_MODIFIED, text)),
        storage_class=storage_class[1] if storage_class else "STANDARD",
        restored=_RESTORED.search(text) is not None,
    )


def _required(pattern: re.Pattern[str], text: str) -> str:
    found = pattern.search(text)
    if found is None:
        msg = f"S3 listed an object without {pattern.pattern.partition('>')[0]}>: {text[:200]}"
        raise ValueError(msg)
    return found[1]
