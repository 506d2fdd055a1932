"""What is known of one stored object, and what a write may demand of the one it replaces."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from wif_pipelines.sandbox.google.errors import ApiError
from wif_pipelines.sandbox.google.storage.blobs import Segment


@dataclass(frozen=True)
class ObjectRecord:
    """One generation of one object.

    Attributes:
        generation: Microseconds since the epoch at which it was written; unique.
        metageneration: Counts changes of metadata, from 1.
        size: Bytes.
        crc32c: Base64.
        md5: Base64; None for a composite object.
        metadata: The user's own.
        kms_key: The key version that protects it; None for Google's own keys.
        created: RFC 3339, milliseconds, UTC; so are `updated` and `deleted`.
        deleted: When it ceased to be the live generation; None while it is.
        component_count: Of a composite object.
        attributes: The other fields a writer may set (`cacheControl`, `contentDisposition`, `storageClass`…).
        segments: Where the bytes are.
    """

    bucket: str
    name: str
    generation: int
    metageneration: int
    size: int
    crc32c: str
    md5: str | None
    content_type: str | None
    kms_key: str | None
    created: str
    updated: str
    deleted: str | None = None
    component_count: int | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    attributes: Mapping[str, Any] = field(default_factory=dict)
    segments: tuple[Segment, ...] = ()


@dataclass(frozen=True)
class Preconditions:
    """What must hold of the live generation; generation 0 means that there is none.

    https://cloud.google.com/storage/docs/request-preconditions
    """

    generation: int | None = None
    not_generation: int | None = None
    metageneration: int | None = None
    not_metageneration: int | None = None

    def check(self, record: ObjectRecord | None, *, reading: bool = False) -> None:
        """Refuse unless all hold.

        Raises:
            ApiError: 412; 304 for a reader whose not-match fails (it has this generation already).
        """
        generation = record.generation if record else 0
        metageneration = record.metageneration if record else 0
        if (self.generation is not None and generation != self.generation) or (
            self.metageneration is not None and metageneration != self.metageneration
        ):
            raise precondition_failed()
        if (self.not_generation is not None and generation == self.not_generation) or (
            self.not_metageneration is not None and metageneration == self.not_metageneration
        ):
            raise ApiError(304, "Not Modified") if reading else precondition_failed()


def precondition_failed() -> ApiError:
    """412, in Cloud Storage's words."""
    text = "At least one of the pre-conditions you specified did not hold."
    return ApiError(412, text, reason="conditionNotMet", location="If-Match")
