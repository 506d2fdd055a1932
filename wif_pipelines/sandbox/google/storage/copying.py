"""New objects from old ones: the bytes are shared on disk, so that a copy costs the same at any size."""

from collections.abc import Mapping
from typing import Any

from wif_pipelines.sandbox.google.call import Call
from wif_pipelines.sandbox.google.errors import ApiError
from wif_pipelines.sandbox.google.storage.objects import Objects
from wif_pipelines.sandbox.google.storage.record import ObjectRecord, Preconditions
from wif_pipelines.sandbox.google.storage.resources import generation_of, preconditions, written_fields

_MOST_SOURCES = 32


class Copying:
    """Copies and compositions. Who may make them has been asked before."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects

    def duplicate(
        self,
        source: ObjectRecord,
        bucket: str,
        name: str,
        *,
        resource: Mapping[str, Any] | None = None,
        demands: Preconditions | None = None,
        kms_key: str | None = None,
    ) -> ObjectRecord:
        """The same bytes as another object, under the target's key.

        Args:
            source: What is copied.
            bucket: The target's.
            name: The target's.
            resource: The target's metadata; the source's when there is none.
            demands: What must hold of the target.
            kms_key: The target's key; its bucket's by default.

        Raises:
            ApiError: 400 or 403 when either key cannot be used; 412.
        """
        self._objects.encryption.for_reading(source.kms_key)
        fields = written_fields(resource) if resource else _metadata(source)
        storage_class = (resource or {}).get("storageClass")
        if storage_class:
            fields["attributes"]["storageClass"] = storage_class
        return self._objects.compose(
            bucket,
            name,
            [(source.crc32c, source.size)],
            self._objects.blobs.link(source.segments),
            demands=demands or Preconditions(),
            kms_key=kms_key,
            component_count=source.component_count,
            md5=source.md5,
            **fields,
        )

    def compose(self, call: Call, bucket: str, name: str) -> ObjectRecord:
        """Objects of one bucket, one behind the other.

        Raises:
            ApiError: 400 for none or too many; 404 for a missing one; 412.
        """
        asked = call.body.get("sourceObjects") or []
        if not asked:
            raise ApiError(400, "You must provide at least one source component.", reason="required")
        if len(asked) > _MOST_SOURCES:
            text = f"The number of source components provided ({len(asked)}) exceeds the maximum ({_MOST_SOURCES})"
            raise ApiError(400, text, reason="invalid")
        sources = [self._source(bucket, one) for one in asked]
        fields = written_fields(call.body.get("destination") or {})
        record = self._objects.compose(
            bucket,
            name,
            [(source.crc32c, source.size) for source in sources],
            [segment for source in sources for segment in self._objects.blobs.link(source.segments)],
            demands=preconditions(call.params),
            kms_key=call.params.get("kmsKeyName"),
            component_count=sum(source.component_count or 1 for source in sources),
            **fields,
        )
        if call.body.get("deleteSourceObjects"):
            for source in sources:
                self._objects.delete(bucket, source.name, generation=source.generation)
        return record

    def _source(self, bucket: str, asked: Mapping[str, Any]) -> ObjectRecord:
        record = self._objects.existing(bucket, asked.get("name", ""), generation_of(asked))
        demands = asked.get("objectPreconditions") or {}
        Preconditions(generation=generation_of(demands, "ifGenerationMatch")).check(record)
        self._objects.encryption.for_reading(record.kms_key)
        return record


def _metadata(source: ObjectRecord) -> dict[str, Any]:
    # The target's bucket decides on the storage class.
    attributes = {name: value for name, value in source.attributes.items() if name != "storageClass"}
    return {"content_type": source.content_type, "metadata": dict(source.metadata), "attributes": attributes}
