"""How one object travels: read in the planned state, checksummed as it passes, written at once or not at all.

Small objects are one GET and one PUT. Large ones are ranges read in parallel and parts of one upload, which Cloud
Storage shows only when it is complete. Keys that obstore would rewrite go through `careful`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import Any

from wif_pipelines.ingestion import careful, names
from wif_pipelines.ingestion.checksum import Crc32c, crc32c_of
from wif_pipelines.ingestion.copy_errors import (
    StaleCredentialError,
    is_obstore_error,
    is_precondition,
    sink_changed,
    size_differs,
    source_changed,
    translate,
)
from wif_pipelines.ingestion.ends import Ends
from wif_pipelines.ingestion.inventory import SourceObject
from wif_pipelines.ingestion.plan import Decision
from wif_pipelines.ingestion.sink import landed_state, record_read, source_facts

MAX_PARTS = 10_000
"""https://cloud.google.com/storage/quotas#requests"""

Span = tuple[int, int]
Answer = tuple[dict[str, str], Any]
"""Attributes and bytes."""

Count = Callable[[int], None]
"""Told of bytes as they pass; negative when an attempt is given up."""


class Stopped(Exception):  # noqa: N818 - not an error: somebody stopped the batch
    """The batch was stopped while this object was under way."""


@dataclass(frozen=True)
class Carrier:
    """Copies objects between two ends.

    Attributes:
        ends: Source and sink.
        whole_bytes: Objects up to this size are one GET and one PUT.
        part_bytes: Size of the parts of larger ones; at least 5 MiB. Grows above 80 GiB (8 MiB parts), where 10,000
            would not do.
        parts_at_once: Ranges read, and parts written, at the same time for one large object.
        stopped: Says whether the batch was stopped.
    """

    ends: Ends
    whole_bytes: int
    part_bytes: int
    parts_at_once: int
    stopped: Callable[[], bool] = field(default=lambda: False)

    def footprint(self, item: SourceObject) -> int:
        """Bytes of memory that this object's body takes while it is under way."""
        if item.size <= self.whole_bytes:
            return item.size
        return 2 * self.parts_at_once * self._part_size(item)

    def copy(self, decision: Decision, count: Count) -> str:
        """Copy one object and return the CRC32C of the bytes that passed.

        Raises:
            SourceChangedError: The source is not in the planned state any more.
            ConflictError: The sink changed since the plan, and does not hold this object.
            WifError: Either end refused, or did not answer.
        """
        if names.needs_careful_client(decision.source.key) or names.needs_careful_client(decision.name):
            return careful.copy(decision, self.ends, chunk=self.part_bytes, count=count)
        if decision.source.size <= self.whole_bytes:
            return self._whole(decision, count)
        return self._in_parts(decision, count)

    def _whole(self, decision: Decision, count: Count) -> str:
        attributes, body = self._read(decision.source, None)
        if len(body) != decision.source.size:
            raise size_differs(decision.source, len(body))
        checksum = crc32c_of(body)
        condition = "create" if decision.replaces is None else {"version": str(decision.replaces)}
        facts = attributes | source_facts(decision.source, checksum)
        self._write(decision, body, facts, use_multipart=False, mode=condition)
        count(decision.source.size)
        return checksum

    def _in_parts(self, decision: Decision, count: Count) -> str:
        item = decision.source
        part = self._part_size(item)
        first, *rest = ((start, min(start + part, item.size)) for start in range(0, item.size, part))
        attributes, head = self._read(item, first)
        with ThreadPoolExecutor(self.parts_at_once, thread_name_prefix="range") as pool:
            ahead = _ReadAhead(lambda span: pool.submit(self._read, item, span), rest, self.parts_at_once)
            body = _Body(item, head, ahead, self.stopped, count)
            try:
                upload = {"use_multipart": True, "chunk_size": part, "max_concurrency": self.parts_at_once}
                self._write(decision, iter(body), attributes | source_facts(item), **upload)
            except BaseException:
                count(-body.passed.size)
                raise
        record_read(self.ends.storage, self.ends.sink.bucket, decision.name, item, body.passed.base64)
        return body.passed.base64

    def _read(self, item: SourceObject, span: Span | None) -> Answer:
        """Read an object or a range of it, in the planned state; its attributes and its bytes."""
        import obstore

        options: dict[str, Any] = {"if_match": f'"{item.etag}"'}
        if item.version_id is not None:
            options["version"] = item.version_id
        if span is not None:
            options["range"] = span
        reader = self.ends.reader
        try:
            answer = obstore.get(reader, item.key, options=options)
            return dict(answer.attributes), answer.bytes()
        except Exception as error:
            if not is_obstore_error(error):
                raise
            if is_precondition(error) or isinstance(error, FileNotFoundError):
                raise source_changed(item) from error
            raise self._translated(error, reader, f"reading {item.key!r}") from error

    def _write(self, decision: Decision, body: Any, attributes: dict[str, str], **how: Any) -> None:
        """Write an object; when the answer was lost or somebody came first, see whether it is there."""
        import obstore

        attributes.pop("Storage-Class", None)  # S3's classes mean nothing to Cloud Storage
        writer = self.ends.writer
        try:
            obstore.put(writer, decision.name, body, attributes=attributes, **how)
        except Exception as error:
            if not is_obstore_error(error):
                raise
            if (is_precondition(error) or isinstance(error, FileNotFoundError)) and self._landed(decision):
                return
            if is_precondition(error):
                raise sink_changed(decision.name) from error
            raise self._translated(error, writer, f"writing {decision.name!r}") from error

    def _landed(self, decision: Decision) -> bool:
        """Whether the sink holds this very object, as after an answer that was lost."""
        there = landed_state(self.ends.storage, self.ends.sink.bucket, decision.name)
        return there == (decision.source.size, decision.source.etag)

    def _translated(self, error: Exception, store: Any, doing: str) -> Exception:
        told = translate(error, doing=doing)
        if isinstance(told, StaleCredentialError):
            self.ends.renew(store)
        return told

    def _part_size(self, item: SourceObject) -> int:
        return max(self.part_bytes, -(-item.size // MAX_PARTS))


class _ReadAhead:
    """Ranges that are being read, in order, so many at a time."""

    def __init__(self, ask: Callable[[Span], Future[Answer]], spans: Iterable[Span], width: int) -> None:
        self._ask = ask
        self._spans = iter(spans)
        self._pending = deque(ask(span) for span in islice(self._spans, width))

    def __iter__(self) -> Iterator[Any]:
        """Yield bodies in order, and ask for another range as each is taken."""
        while self._pending:
            _, body = self._pending.popleft().result()
            self._pending.extend(self._ask(span) for span in islice(self._spans, 1))
            yield body


@dataclass
class _Body:
    """The bytes of a large object on their way into an upload; an error in here aborts the upload."""

    item: SourceObject
    head: Any
    ahead: Iterable[Any]
    stopped: Callable[[], bool]
    count: Count
    passed: Crc32c = field(default_factory=Crc32c)

    def __iter__(self) -> Iterator[Any]:
        for body in chain((self.head,), self.ahead):
            if self.stopped():
                raise Stopped
            self.head = None
            self.passed.update(body)
            self.count(len(body))
            yield body
        if self.passed.size != self.item.size:
            raise size_differs(self.item, self.passed.size)
