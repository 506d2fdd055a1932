"""Copies of objects whose keys obstore would rewrite (`a//b`, `./a`, control characters), by boto3 and Google's client.

Slower, and rare. The same promises as the fast way: the planned state only, bounded memory, nothing half-written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

from wif_pipelines.errors import ConflictError, NotFoundError, WifError
from wif_pipelines.ingestion.checksum import Crc32c
from wif_pipelines.ingestion.copy_errors import sink_changed, size_differs, source_changed
from wif_pipelines.ingestion.ends import Ends
from wif_pipelines.ingestion.inventory import SourceObject
from wif_pipelines.ingestion.plan import Decision
from wif_pipelines.ingestion.sink import landed_state, record_read, source_facts
from wif_pipelines.wire import aws_errors, google_errors

_FIXED = {
    "ContentType": "content_type",
    "ContentEncoding": "content_encoding",
    "ContentLanguage": "content_language",
    "ContentDisposition": "content_disposition",
    "CacheControl": "cache_control",
}
"""What boto3 and google-cloud-storage call the same headers."""


def copy(decision: Decision, ends: Ends, *, chunk: int, count: Callable[[int], None]) -> str:
    """Copy one object and return the CRC32C of the bytes that passed.

    Args:
        decision: What to copy.
        ends: Source and sink.
        chunk: Bytes held in memory at a time, a multiple of 256 KiB.
        count: Told of the object's bytes when it has arrived.

    Raises:
        SourceChangedError: The source is not in the planned state any more.
        WifError: Either end refused, or did not answer.
    """
    with _opened(decision.source, ends) as answer:
        passing = _Passing(answer["Body"])
        blob = ends.storage.bucket(ends.sink.bucket).blob(
            decision.name, chunk_size=chunk, kms_key_name=ends.sink.kms_key
        )
        for theirs, ours in _FIXED.items():
            if theirs != "ContentType" and answer.get(theirs):
                setattr(blob, ours, answer[theirs])
        blob.metadata = {**answer.get("Metadata", {}), **source_facts(decision.source)}
        _upload(blob, passing, decision, answer.get("ContentType"), ends)
    if decision.source.content_md5 is None:
        record_read(ends.storage, ends.sink.bucket, decision.name, decision.source, passing.checksum.base64)
    count(decision.source.size)
    return passing.checksum.base64


def _upload(blob: Any, passing: _Passing, decision: Decision, content_type: str | None, ends: Ends) -> None:
    """Upload in chunks; the client checks the whole against its own checksum, and Cloud Storage shows it only then."""
    item = decision.source
    try:
        with google_errors.translated(f"writing {decision.name!r}"), aws_errors.translated(f"reading {item.key!r}"):
            blob.upload_from_file(
                passing,
                size=item.size,
                content_type=content_type,
                if_generation_match=decision.replaces or 0,
                checksum="crc32c",
                retry=None,  # a body that passes cannot be rewound: the object is begun anew instead
            )
    except WifError as error:
        # After a lost answer the object is there, and the condition refuses the next attempt.
        if landed_state(ends.storage, ends.sink.bucket, decision.name) != (item.size, item.etag):
            raise sink_changed(decision.name) if isinstance(error, ConflictError) else error from error.__cause__
    if passing.checksum.size != item.size:
        raise size_differs(item, passing.checksum.size)


@contextmanager
def _opened(item: SourceObject, ends: Ends) -> Iterator[dict[str, Any]]:
    """The object at the source, in the planned state; its connection is given back when the block is left."""
    request = {"Bucket": ends.source.bucket, "Key": item.key, "IfMatch": f'"{item.etag}"'}
    if item.version_id is not None:
        request["VersionId"] = item.version_id
    try:
        with aws_errors.translated(f"reading {item.key!r}"):
            answer = ends.s3.get_object(**request)
    except (ConflictError, NotFoundError) as error:
        raise source_changed(item) from error
    with closing(answer["Body"]):
        yield answer


class _Passing:
    """A body that is checksummed as it is read; what google-cloud-storage needs of a file."""

    def __init__(self, body: Any) -> None:
        self._body = body
        self.checksum = Crc32c()

    def read(self, size: int | None = None) -> bytes:
        """Read up to so many bytes."""
        content: bytes = self._body.read(size)
        self.checksum.update(content)
        return content

    def tell(self) -> int:
        """How many bytes were read."""
        return self.checksum.size
