"""Cloud Storage as Storage Transfer writes it: as its service agent, and under the bucket's default key."""

import base64
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import urllib3
from botocore.exceptions import BotoCoreError

from wif_pipelines.sandbox.google.access.principal import service_account
from wif_pipelines.sandbox.google.clock import timestamp
from wif_pipelines.sandbox.google.errors import ApiError
from wif_pipelines.sandbox.google.storage.objects import Objects
from wif_pipelines.sandbox.google.storage.record import ObjectRecord
from wif_pipelines.sandbox.google.storagetransfer.failure import TransferFailure
from wif_pipelines.sandbox.google.storagetransfer.source import S3Source, SourceObject
from wif_pipelines.sandbox.world import World

_PIECE = 1 << 20
_NEEDED = ("storage.objects.create", "storage.objects.list")
# S3 keeps these as headers, Cloud Storage as fields of the object.
_HEADERS = {
    "CacheControl": "cacheControl",
    "ContentDisposition": "contentDisposition",
    "ContentEncoding": "contentEncoding",
    "ContentLanguage": "contentLanguage",
}
_OWN_CLASS = ("STORAGE_CLASS_UNSPECIFIED", "STORAGE_CLASS_DESTINATION_BUCKET_DEFAULT", "STORAGE_CLASS_PRESERVE")


class GcsSink:
    """The bucket that a run writes to.

    Args:
        objects: Cloud Storage.
        world: Whose transfer account writes.
        spec: The job's `TransferSpec`.
    """

    def __init__(self, objects: Objects, world: World, spec: Mapping[str, Any]) -> None:
        self._objects = objects
        self._agent = service_account(world.transfer_agent)
        self._bucket: str = spec["gcsDataSink"]["bucketName"]
        self.path: str = spec["gcsDataSink"].get("path", "")
        self._options: Mapping[str, Any] = spec.get("transferOptions", {})

    def check(self) -> None:
        """See that the bucket is there, and that the transfer account may write it.

        Raises:
            TransferFailure: FAILED_PRECONDITION for the bucket, PERMISSION_DENIED for its objects.
        """
        if not self._objects.allows(self._agent, "storage.buckets.get", self._bucket):
            text = (
                f"Failed to obtain the location of the Google Cloud Storage (GCS) bucket {self._bucket} due to "
                "insufficient permissions. Please verify that the necessary permissions have been granted."
            )
            raise TransferFailure("FAILED_PRECONDITION", text)
        if self._objects.bucket(self._bucket) is None:
            text = f"The Google Cloud Storage (GCS) bucket {self._bucket} does not exist."
            raise TransferFailure("FAILED_PRECONDITION", text)
        for permission in _NEEDED:
            self._authorise(permission)

    def read_manifest(self, bucket: str, name: str) -> Iterator[bytes]:
        """The bytes of a manifest, read as the transfer account.

        Raises:
            TransferFailure: It is not there, or the account may not read it.
        """
        try:
            self._objects.authorise(self._agent, "storage.objects.get", bucket)
            return self._objects.read(self._objects.existing(bucket, name))
        except ApiError as error:
            failure = failure_of(error)
            text = f"Failed to read the manifest gs://{bucket}/{name}: {failure.message}"
            raise TransferFailure(failure.code, text) from None

    def wants(self, item: SourceObject, name: str) -> bool:
        """Whether an object is to be copied, by what the sink has under that name and the job's overwrite option.

        Two objects are the same when their sizes and MD5s are; where one has no MD5 (multipart uploads), when the one
        in the sink was written after the source's.
        """
        present = self._objects.get(self._bucket, name)
        when = self._options.get("overwriteWhen", "OVERWRITE_WHEN_UNSPECIFIED")
        if present is None or when == "ALWAYS":
            return True
        if when == "OVERWRITE_WHEN_UNSPECIFIED" and self._options.get("overwriteObjectsAlreadyExistingInSink"):
            return True
        return when != "NEVER" and not _same(item, present)

    def copy(self, source: S3Source, item: SourceObject, name: str, checkpoint: Callable[[], None]) -> None:
        """Copy one object, and prove that all of it arrived. Nothing is visible in the sink before that.

        Args:
            source: Where it is read.
            item: What to read.
            name: What it is called in the sink.
            checkpoint: Called between pieces; waits while the run is paused, raises when it is to end.

        Raises:
            TransferFailure: It could not be read or written, or is not what was listed.
        """
        if self._objects.get(self._bucket, name) is not None:
            self._authorise("storage.objects.delete")
        self._authorise("storage.objects.create")
        answer = source.open(item)
        body = answer["Body"]
        try:
            self._write(answer, body.iter_chunks(_PIECE), item, name, checkpoint)
        except ApiError as error:
            raise failure_of(error) from None
        except (BotoCoreError, urllib3.exceptions.HTTPError, OSError) as error:
            text = f"The connection broke while {source.url(item.key)} was read: {type(error).__name__}"
            raise TransferFailure("UNAVAILABLE", text) from None
        finally:
            body.close()

    def _write(
        self,
        answer: Mapping[str, Any],
        pieces: Iterator[bytes],
        item: SourceObject,
        name: str,
        checkpoint: Callable[[], None],
    ) -> None:
        md5 = base64.b64encode(bytes.fromhex(item.md5)).decode() if item.md5 else None
        with self._objects.writer(
            self._bucket,
            name,
            content_type=answer.get("ContentType"),
            metadata=answer.get("Metadata", {}),
            attributes=self._attributes(answer, item),
        ) as writer:
            for piece in pieces:
                checkpoint()
                writer.write(piece)
            if writer.size != item.size:
                text = f"The source sent {writer.size} of {item.size} bytes."
                raise TransferFailure("DATA_LOSS", text)
            writer.expect(md5=md5)
            try:
                writer.commit()
            except ApiError as error:
                raise TransferFailure("DATA_LOSS", error.message) if error.reason == "invalid" else error from None

    def surplus(self, prefixes: list[str]) -> Iterator[ObjectRecord]:
        """What the sink has under its path and any of the prefixes, in order."""
        for prefix in prefixes:
            yield from self._objects.list(self._bucket, prefix)

    def delete(self, name: str) -> None:
        """Delete an object of the sink.

        Raises:
            TransferFailure: It may not be deleted.
        """
        self._authorise("storage.objects.delete")
        try:
            self._objects.delete(self._bucket, name)
        except ApiError as error:
            raise failure_of(error) from None

    def url(self, name: str) -> str:
        """The address of an object, as error samples show it."""
        return f"gs://{self._bucket}/{name}"

    def _attributes(self, answer: Mapping[str, Any], item: SourceObject) -> dict[str, Any]:
        attributes = {field: answer[header] for header, field in _HEADERS.items() if answer.get(header)}
        options = self._options.get("metadataOptions", {})
        if options.get("timeCreated") == "TIME_CREATED_PRESERVE_AS_CUSTOM_TIME":
            attributes["customTime"] = timestamp(item.modified, whole=True)
        if (wanted := options.get("storageClass", _OWN_CLASS[0])) not in _OWN_CLASS:
            attributes["storageClass"] = wanted.removeprefix("STORAGE_CLASS_")
        return attributes

    def _authorise(self, permission: str) -> None:
        try:
            self._objects.authorise(self._agent, permission, self._bucket)
        except ApiError as error:
            raise failure_of(error) from None


def failure_of(error: ApiError) -> TransferFailure:
    """What Cloud Storage said, under the code that error breakdowns use."""
    if error.reason.startswith("cloudKms"):
        return TransferFailure("FAILED_PRECONDITION", error.message)
    return TransferFailure(error.status, error.message)


def _same(item: SourceObject, present: ObjectRecord) -> bool:
    if present.size != item.size:
        return False
    if item.md5 and present.md5:
        return base64.b64decode(present.md5).hex() == item.md5
    return datetime.fromisoformat(present.created).astimezone(UTC).timestamp() >= item.modified
