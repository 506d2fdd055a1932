"""Objects in process: what the JSON and XML APIs are made of, and what other services read and write through.

Nothing of an object can be seen before it is committed, and a generation is never changed but in its metadata.
"""

import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from wif_pipelines.sandbox.google.access.principal import Principal
from wif_pipelines.sandbox.google.clock import timestamp
from wif_pipelines.sandbox.google.errors import ApiError
from wif_pipelines.sandbox.google.kernel import Kernel
from wif_pipelines.sandbox.google.kms.keys import Keys
from wif_pipelines.sandbox.google.storage.blobs import Blobs, BlobWriter, Segment
from wif_pipelines.sandbox.google.storage.checksums import crc32c_of_whole
from wif_pipelines.sandbox.google.storage.encryption import Encryption
from wif_pipelines.sandbox.google.storage.naming import check_object_name
from wif_pipelines.sandbox.google.storage.record import ObjectRecord, Preconditions
from wif_pipelines.sandbox.google.storage.table import ObjectTable
from wif_pipelines.sandbox.google.storage.writer import ObjectWriter

BUCKETS = "storage.buckets"
_OF_BUCKETS = ("storage.buckets.", "storage.objects.list", "storage.multipartUploads.list")


class Objects:
    """Every object of every bucket. Calls may come from any thread.

    Refusals are `ApiError`s in Cloud Storage's own words, for callers to pass on or to translate. Who may do what is
    asked apart, by `authorise`: a service that acts for an agent asks for that agent.
    """

    def __init__(self, kernel: Kernel, keys: Keys) -> None:
        self.blobs = Blobs(kernel.store.blobs)
        self.blobs.sweep()
        self.table = ObjectTable(kernel.store)
        self.encryption = Encryption(kernel, keys)
        self._kernel = kernel
        self._buckets = kernel.store.collection(BUCKETS)
        self._generation_lock = threading.Lock()
        self._generation = self.table.latest_generation

    def bucket(self, name: str) -> dict[str, Any] | None:
        """The bucket resource of the JSON API, or None."""
        return self._buckets.get(name)

    def existing_bucket(self, name: str) -> dict[str, Any]:
        """The bucket resource.

        Raises:
            ApiError: 404.
        """
        bucket = self._buckets.get(name)
        if bucket is None:
            raise ApiError(404, "The specified bucket does not exist.")
        return bucket

    def allows(self, principal: Principal, permission: str, bucket: str) -> bool:
        """Whether the bucket's policy, or its project's, grants the permission."""
        return self._kernel.policies.allows(principal, permission, self._chain(bucket))

    def authorise(self, principal: Principal, permission: str, bucket: str) -> None:
        """Refuse a caller whom neither the bucket's policy nor its project's grants the permission.

        Raises:
            ApiError: 403.
        """
        if not self.allows(principal, permission, bucket):
            raise forbidden(principal, permission, "bucket" if permission.startswith(_OF_BUCKETS) else "object")

    def get(self, bucket: str, name: str, generation: int | None = None) -> ObjectRecord | None:
        """The live generation, or the one asked for; None when there is none."""
        return self.table.get(bucket, name, generation)

    def existing(self, bucket: str, name: str, generation: int | None = None) -> ObjectRecord:
        """As `get`.

        Raises:
            ApiError: 404.
        """
        record = self.table.get(bucket, name, generation)
        if record is None:
            raise ApiError(404, f"No such object: {bucket}/{name}" + (f"#{generation}" if generation else ""))
        return record

    def list(
        self, bucket: str, prefix: str = "", *, after: str = "", limit: int | None = None
    ) -> Iterator[ObjectRecord]:
        """Live objects whose names start with `prefix` and sort behind `after`, in order; read a page at a time."""
        for count, record in enumerate(self.table.scan(bucket, prefix, after)):
            if count == limit:
                return
            yield record

    def read(self, record: ObjectRecord, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """The bytes from `start` to before `stop`, in pieces of at most 1 MiB.

        Raises:
            ApiError: at once when the object's key cannot be used now, or the object is gone.
        """
        self.encryption.for_reading(record.kms_key)
        return self.blobs.read(record.segments, start, stop)

    def writer(
        self,
        bucket: str,
        name: str,
        *,
        content_type: str | None = None,
        metadata: Mapping[str, str] | None = None,
        kms_key: str | None = None,
        if_generation_match: int | None = None,
        preconditions: Preconditions | None = None,
        attributes: Mapping[str, Any] | None = None,
        crc32c: str | None = None,
        md5: str | None = None,
        body: BlobWriter | None = None,
    ) -> ObjectWriter:
        """A new object, or a new generation of one; a context manager that forgets what was not committed.

        Args:
            bucket: Where; it must exist.
            name: The object's.
            content_type: MIME type.
            metadata: The user's own.
            kms_key: A key other than the bucket's default one.
            if_generation_match: The live generation there must be; 0 for none.
            preconditions: In place of `if_generation_match`, any of them.
            attributes: Other writable fields of the JSON API's object resource.
            crc32c: What the caller says the body's is; a body that differs is refused. `md5` likewise.
            md5: Base64.
            body: What received the body already; by default a new one.

        Raises:
            ApiError: 404 for the bucket, 400 for the name, what `Encryption.for_writing` raises, 412.
        """
        check_object_name(name)
        resource = self.existing_bucket(bucket)
        demands = preconditions or Preconditions(generation=if_generation_match)
        demands.check(self.get(bucket, name))
        fields: dict[str, Any] = {
            "bucket": bucket,
            "name": name,
            "content_type": content_type,
            "metadata": dict(metadata or {}),
            "attributes": self._attributes(resource, attributes),
            "kms_key": self.key_version(resource, kms_key),
        }
        return ObjectWriter(
            self.publish, self.blobs, fields, demands, body or self.blobs.writer(), crc32c=crc32c, md5=md5
        )

    def compose(
        self,
        bucket: str,
        name: str,
        parts: Sequence[tuple[str, int]],
        segments: Sequence[Segment],
        *,
        demands: Preconditions,
        kms_key: str | None = None,
        component_count: int | None = None,
        **fields: Any,
    ) -> ObjectRecord:
        """A new generation from bytes that are here already; no byte is copied, and all are the new object's.

        Args:
            bucket: Where.
            name: The new object's.
            parts: (CRC32C, size) of each part.
            segments: Of all parts in order, owned by nobody.
            demands: What must hold of the live generation.
            kms_key: As for `writer`.
            component_count: Of how many it is made, as later answers say.
            fields: Other fields of `ObjectRecord`: `content_type`, `metadata`, `attributes`, `md5`.

        Raises:
            ApiError: as `writer`; the segments are dropped then.
        """
        try:
            check_object_name(name)
            resource = self.existing_bucket(bucket)
            fields["attributes"] = self._attributes(resource, fields.get("attributes"))
            fields |= {"bucket": bucket, "name": name, "kms_key": self.key_version(resource, kms_key)}
            fields |= {"component_count": component_count, "segments": tuple(segments)}
            crc32c = parts[0][0] if len(parts) == 1 else crc32c_of_whole(parts)
            return self.publish(fields | {"crc32c": crc32c, "size": sum(size for _, size in parts)}, demands)
        except BaseException:
            self.blobs.drop(segments)
            raise

    def publish(self, fields: Mapping[str, Any], demands: Preconditions) -> ObjectRecord:
        """Make a whole object the live generation of its name, at one stroke.

        Raises:
            ApiError: 412; 404 when its bucket has gone meanwhile.
        """
        with self._kernel.store.transaction():
            bucket = self.existing_bucket(fields["bucket"])
            previous = self.get(fields["bucket"], fields["name"])
            demands.check(previous)
            _check_holds(previous)
            now = self._now()
            stamps = {"generation": self._next_generation(), "metageneration": 1, "created": now, "updated": now}
            record = ObjectRecord(**{"md5": None, **fields, **stamps})
            dropped = self._retire(previous, bucket, now)
            self.table.insert(record)
        self.blobs.drop(dropped)
        return record

    def change(self, record: ObjectRecord, **changes: Any) -> ObjectRecord:
        """The same generation with other metadata, and the next metageneration."""
        return self.table.replace(record, **changes, metageneration=record.metageneration + 1, updated=self._now())

    def delete(
        self, bucket: str, name: str, *, generation: int | None = None, demands: Preconditions | None = None
    ) -> None:
        """Delete the live generation (where the bucket keeps versions it becomes noncurrent), or a given one for good.

        Raises:
            ApiError: 404, 412, 403 while a hold is on it.
        """
        with self._kernel.store.transaction():
            resource = self.existing_bucket(bucket)
            record = self.existing(bucket, name, generation)
            (demands or Preconditions()).check(record)
            _check_holds(record)
            dropped = self._retire(record, {} if generation else resource, self._now())
        self.blobs.drop(dropped)

    def key_version(self, bucket: Mapping[str, Any], kms_key: str | None) -> str | None:
        """The key version that protects a write: of the given key, else of the bucket's default one, else None."""
        key = kms_key or bucket.get("encryption", {}).get("defaultKmsKeyName")
        return self.encryption.for_writing(key, bucket["location"]) if key else None

    def _retire(self, record: ObjectRecord | None, bucket: Mapping[str, Any], now: str) -> tuple[Segment, ...]:
        """Take a generation out of sight; returns what may be dropped once that is certain."""
        if record is None:
            return ()
        if bucket.get("versioning", {}).get("enabled"):
            self.table.replace(record, deleted=now)
            return ()
        self.table.delete(record)
        return record.segments

    def _chain(self, bucket: str) -> tuple[str, ...]:
        resource = self._buckets.get(bucket)
        world = self._kernel.world
        number = resource["projectNumber"] if resource else world.project_number
        return (f"buckets/{bucket}", f"projects/{world.project if number == world.project_number else number}")

    @staticmethod
    def _attributes(bucket: Mapping[str, Any], attributes: Mapping[str, Any] | None) -> dict[str, Any]:
        return {"storageClass": bucket.get("storageClass", "STANDARD"), **(attributes or {})}

    def _next_generation(self) -> int:
        with self._generation_lock:
            self._generation = max(self._generation + 1, int(self._kernel.clock.time() * 1e6))
            return self._generation

    def _now(self) -> str:
        return timestamp(self._kernel.clock.time())[:23] + "Z"


def forbidden(principal: Principal, permission: str, kind: str) -> ApiError:
    """403 as Cloud Storage words it; `kind` is `object`, `bucket` or `project`."""
    what = "project" if kind == "project" else f"Storage {kind}"
    text = (
        f"{principal.email or principal.subject} does not have {permission} access to the Google Cloud {what}. "
        f"Permission '{permission}' denied on resource (or it may not exist)."
    )
    return ApiError(403, text, reason="forbidden")


def _check_holds(record: ObjectRecord | None) -> None:
    if record is None:
        return
    for hold, words in (("temporaryHold", "Temporary hold"), ("eventBasedHold", "Event-Based hold")):
        if record.attributes.get(hold):
            text = (
                f"Object '{record.bucket}/{record.name}' is under active {words} and cannot be deleted, overwritten or "
                "archived until hold is removed."
            )
            raise ApiError(403, text, reason="objectUnderActiveHold")
