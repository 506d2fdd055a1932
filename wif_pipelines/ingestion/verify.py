"""Did everything arrive as it left? Every object of a batch is compared with the sink, by size and content.

The sink is listed, 1,000 objects a request, with the CRC32C and MD5 that Cloud Storage computed over what it stores.
Against them stand the CRC32C of the bytes that passed through the proxy, which covers the way to the sink, and the MD5
that S3 gives as ETag, which covers both ways. Without such an ETag (uploads in parts, objects under a KMS key) S3 is
asked for a checksum; what neither passed through us nor has one is read once more. An object that needed asking is
marked, so that no later run pays again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from wif_pipelines.errors import ConflictError, NotFoundError, VerificationError
from wif_pipelines.ingestion.ends import Ends
from wif_pipelines.ingestion.evidence import Proof, ask_source, read_again
from wif_pipelines.ingestion.inventory import SourceObject
from wif_pipelines.ingestion.plan import Plan
from wif_pipelines.ingestion.proxy import Copied
from wif_pipelines.ingestion.sink import SinkObject, find_in_sink, record_verified
from wif_pipelines.wire.google_errors import translated

KEPT_DIFFERENCES = 1000
"""A report names so many objects; it counts all."""

_LOOKS = 5


@dataclass(frozen=True, slots=True)
class Expected:
    """What the sink must hold.

    Attributes:
        name: Full name at the sink.
        source: The state of the source object that it must be a copy of.
        crc32c: Of the bytes that passed, when they passed through us.
    """

    name: str
    source: SourceObject
    crc32c: str | None = None


@dataclass(frozen=True, slots=True)
class Difference:
    """An object that is not as it should be.

    Attributes:
        name: Full name at the sink.
        reason: What differs.
        damaged: The generation of an object that says it is a copy of this very source object and is not: removing it
            harms nobody. `None` when there is nothing to remove.
    """

    name: str
    reason: str
    damaged: int | None = None


@dataclass(frozen=True)
class VerificationReport:
    """The comparison of a batch with the sink.

    Attributes:
        objects: How many were compared.
        size: Their bytes at the source.
        different: How many differ or are missing.
        differences: The first of them, in order of names.
        proofs: How the content of the others was proven, and of how many.
    """

    objects: int = 0
    size: int = 0
    different: int = 0
    differences: tuple[Difference, ...] = ()
    proofs: Mapping[Proof, int] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether everything is as it should be."""
        return self.different == 0

    def raise_if_different(self) -> None:
        """Raise unless everything is as it should be.

        Raises:
            VerificationError: Names the first objects that differ, and how.
        """
        if self.ok:
            return
        shown = "\n".join(f"  {each.name}: {each.reason}" for each in self.differences[:10])
        more = f"\n  and {self.different - 10} more" if self.different > 10 else ""
        raise VerificationError(
            f"{self.different} of {self.objects} objects are not what the source holds:\n{shown}{more}",
            remedy="Run the ingestion again: it copies what is missing or differs, and verifies everything.",
            objects=[each.name for each in self.differences],
        )


def expected_of(plan: Plan, copied: Iterable[Copied] = ()) -> tuple[Expected, ...]:
    """What the sink must hold after a plan was carried out, in order of names.

    Args:
        plan: Everything that it copies, or finds unchanged, is expected.
        copied: What passed through the proxy, with checksums.
    """
    passed = {each.decision.name: each.crc32c for each in copied}
    rows = (Expected(each.name, each.source, passed.get(each.name)) for each in plan.expected)
    return tuple(sorted(rows, key=lambda each: each.name))


def verify(expected: Iterable[Expected], ends: Ends, *, workers: int = 8) -> VerificationReport:
    """Compare what the sink must hold with what it holds.

    Args:
        expected: In order of names, each name once.
        ends: Source and sink; the source is asked only about objects without other proof.
        workers: Source objects to ask about at once.

    Raises:
        WifError: The sink could not be listed, or the source could not be asked.
    """
    rows = list(expected)
    held = {each.name: each for each in find_in_sink(ends.storage, ends.sink.bucket, (row.name for row in rows))}
    differences: list[Difference] = []
    proofs: Counter[Proof] = Counter()
    with ThreadPoolExecutor(workers, thread_name_prefix="verify") as pool:
        for verdict in _judge_all(rows, held, ends, pool):
            if isinstance(verdict, Proof):
                proofs[verdict] += 1
            else:
                differences.append(verdict)
    return VerificationReport(
        objects=len(rows),
        size=sum(row.source.size for row in rows),
        different=len(differences),
        differences=tuple(differences[:KEPT_DIFFERENCES]),
        proofs=dict(proofs),
    )


Verdict = Proof | Difference
"""How the content was proven, or what differs."""


def _judge_all(
    rows: list[Expected], held: Mapping[str, SinkObject], ends: Ends, pool: ThreadPoolExecutor
) -> Iterator[Verdict]:
    """Judge each row from the listing; ask the source about the rest, several at once."""
    judged = [_from_listing(row, held.get(row.name), ends.sink.kms_key) for row in rows]
    unproven = [index for index, verdict in enumerate(judged) if verdict is None]
    settled = pool.map(lambda index: _settle(rows[index], held[rows[index].name], ends), unproven)
    for index, verdict in zip(unproven, settled, strict=True):
        judged[index] = verdict
    return (verdict for verdict in judged if verdict is not None)


def _from_listing(row: Expected, found: SinkObject | None, kms_key: str | None) -> Verdict | None:
    """Judge from what the listings of both ends say; `None` when they do not say enough."""
    if found is None:
        return Difference(row.name, "it is missing")
    if found.size != row.source.size:
        return _damaged(row, found, f"it has {found.size} bytes, not {row.source.size}")
    if kms_key is not None and found.kms_key != kms_key:
        return Difference(row.name, f"it is encrypted with {found.kms_key or 'a key of Google'}, not with {kms_key}")
    if (read := _read_at_source(row, found)) not in {None, found.crc32c}:
        return _damaged(row, found, f"its content differs: crc32c {found.crc32c}, as read at the source {read}")
    if found.md5 is not None and found.md5 == row.source.content_md5:
        return Proof.PASSED if row.crc32c is not None else Proof.MD5
    return Proof.RECORDED if found.verified and found.source_etag == row.source.etag else None


def _read_at_source(row: Expected, found: SinkObject) -> str | None:
    """The checksum of the bytes that were read to make this copy, in this run or an earlier one."""
    if row.crc32c is not None:
        return row.crc32c
    return found.source_crc32c if found.source_etag == row.source.etag else None


def _settle(row: Expected, found: SinkObject, ends: Ends) -> Verdict:
    """Have proof from the source, and write on the object that it was had.

    Another worker on the same batch may replace the object meanwhile; what it wrote is then judged instead.
    """
    for _ in range(_LOOKS):
        verdict = _ask(row, found, ends)
        if not isinstance(verdict, Proof):
            return verdict
        try:
            record_verified(ends.storage, ends.sink.bucket, found, row.source)
        except (ConflictError, NotFoundError):
            again = next(find_in_sink(ends.storage, ends.sink.bucket, [row.name]), None)
            listed = _from_listing(row, again, ends.sink.kms_key)
            if listed is not None or again is None:
                return listed or Difference(row.name, "it is missing")
            found = again
        else:
            return verdict
    return Difference(row.name, "it is being replaced all the time")


def _ask(row: Expected, found: SinkObject, ends: Ends) -> Verdict:
    says = ask_source(row.source, ends)
    if says.crc32c is not None:
        return _compared(row, found, says.crc32c, Proof.S3_CHECKSUM)
    if says.md5 is not None and found.md5 is not None:
        return _damaged(row, found, f"its content differs: md5 {found.md5}, at the source {says.md5}")
    if _read_at_source(row, found) is not None:
        return Proof.PASSED
    return _compared(row, found, read_again(row.source, ends), Proof.READ_AGAIN)


def _compared(row: Expected, found: SinkObject, crc32c: str, proof: Proof) -> Verdict:
    if found.crc32c == crc32c:
        return proof
    return _damaged(row, found, f"its content differs: crc32c {found.crc32c}, at the source {crc32c}")


def _damaged(row: Expected, found: SinkObject, reason: str) -> Difference:
    ours = found.source_etag == row.source.etag
    return Difference(row.name, reason, damaged=found.generation if ours else None)


def remove_damaged(report: VerificationReport, ends: Ends) -> int:
    """Remove copies of ours whose content differs, so that nobody reads them; return how many.

    An object that somebody else wrote, or that changed since, is left alone.

    Raises:
        WifError: Cloud Storage refused.
    """
    damaged = [(each.name, each.damaged) for each in report.differences if each.damaged is not None]
    return sum(_remove(name, generation, ends) for name, generation in damaged)


def _remove(name: str, generation: int, ends: Ends) -> bool:
    try:
        with translated(f"removing gs://{ends.sink.bucket}/{name}"):
            ends.storage.bucket(ends.sink.bucket).blob(name).delete(if_generation_match=generation)
    except (ConflictError, NotFoundError):
        return False
    return True
