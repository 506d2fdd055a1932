"""Multipart uploads of the XML API: parts in any order and at once, joined without copying a byte.

https://cloud.google.com/storage/docs/xml-api/post-object-multipart and its neighbours. No precondition can be put on
such an upload. Uploads and their parts outlive a restart.
"""

import base64
import uuid
from collections.abc import Mapping
from typing import Any
from xml.etree import ElementTree

from aiohttp import web

from wif_pipelines.sandbox.google.access.principal import Principal
from wif_pipelines.sandbox.google.clock import timestamp
from wif_pipelines.sandbox.google.kernel import Kernel
from wif_pipelines.sandbox.google.storage.blobs import Segment
from wif_pipelines.sandbox.google.storage.catalogue import may_create
from wif_pipelines.sandbox.google.storage.incoming import hashes, pieces, pour, whole
from wif_pipelines.sandbox.google.storage.media import xml_etag
from wif_pipelines.sandbox.google.storage.naming import check_object_name
from wif_pipelines.sandbox.google.storage.objects import Objects
from wif_pipelines.sandbox.google.storage.record import Preconditions
from wif_pipelines.sandbox.google.storage.writer import check_checksums
from wif_pipelines.sandbox.google.storage.xml_document import Content, XmlError, document
from wif_pipelines.sandbox.google.storage.xml_headers import Target, written_headers

_SMALLEST_PART = 5 << 20
_MOST_PARTS = 10_000


class XmlUploads:
    """Uploads under way, and their parts."""

    def __init__(self, kernel: Kernel, objects: Objects) -> None:
        self._kernel = kernel
        self._objects = objects
        self._uploads = kernel.store.collection("storage.uploads")
        self._parts = kernel.store.collection("storage.parts")

    async def serve(self, request: web.BaseRequest, target: Target, caller: Principal) -> web.StreamResponse:
        """Answer a request about an upload.

        Raises:
            ApiError: what the XML API refuses.
        """
        query = request.url.query
        match request.method, "uploads" in query:
            case "POST", True:
                return self._create(request, target, caller)
            case "GET", True:
                return self._list(target, caller)
        upload = query.get("uploadId", "")
        started = self._uploads.get(upload)
        if started is None or (started["bucket"], started["name"]) != (target.bucket, target.name):
            raise XmlError(404, "NoSuchUpload", "The requested upload was not found.")
        match request.method:
            case "PUT":
                return await self._part(request, upload, started, caller)
            case "POST":
                return await self._complete(request, upload, started, caller)
            case "DELETE":
                self._objects.authorise(caller, "storage.multipartUploads.abort", target.bucket)
                self._forget(upload)
                return web.Response(status=204)
            case "GET":
                return self._list_parts(upload, target, caller)
        raise XmlError(405, "MethodNotAllowed", "The specified method is not allowed against this resource.")

    def _create(self, request: web.BaseRequest, target: Target, caller: Principal) -> web.StreamResponse:
        check_object_name(target.name)
        self._objects.authorise(caller, "storage.multipartUploads.create", target.bucket)
        may_create(self._objects, caller, target.bucket, target.name)
        if any(name.lower().startswith("x-goog-if-") for name in request.headers):
            text = "Preconditions are not supported for multipart uploads."
            raise XmlError(400, "InvalidArgument", text)
        fields = written_headers(request)
        self._objects.key_version(self._objects.existing_bucket(target.bucket), fields["kms_key"])
        upload = base64.urlsafe_b64encode(uuid.uuid4().bytes + uuid.uuid4().bytes).decode().rstrip("=")
        started = {"bucket": target.bucket, "name": target.name, "fields": fields, "initiated": self._now()}
        self._uploads.put(upload, started)
        return document(
            "InitiateMultipartUploadResult", [("Bucket", target.bucket), ("Key", target.name), ("UploadId", upload)]
        )

    async def _part(
        self, request: web.BaseRequest, upload: str, started: Mapping[str, Any], caller: Principal
    ) -> web.StreamResponse:
        self._objects.authorise(caller, "storage.objects.create", started["bucket"])
        number = request.url.query.get("partNumber", "")
        if not number.isdigit() or not 1 <= int(number) <= _MOST_PARTS:
            text = f"Part number must be an integer between 1 and {_MOST_PARTS}, inclusive."
            raise XmlError(400, "InvalidArgument", text)
        bucket = self._objects.existing_bucket(started["bucket"])
        self._objects.key_version(bucket, started["fields"]["kms_key"])
        body = self._objects.blobs.writer()
        try:
            await pour(pieces(request), body.write)
            said = hashes(request)
            check_checksums(body.crc32c, body.md5, said.get("crc32c"), said.get("md5"))
        except BaseException:
            body.discard()
            raise
        part = {"crc32c": body.crc32c, "md5": body.md5, "size": body.size, "modified": self._now()}
        self._keep(upload, int(number), part | {"segments": body.keep()})
        sums = f"crc32c={part['crc32c']},md5={part['md5']}"
        return web.Response(headers={"ETag": _etag(part), "X-Goog-Hash": sums})

    async def _complete(
        self, request: web.BaseRequest, upload: str, started: Mapping[str, Any], caller: Principal
    ) -> web.StreamResponse:
        bucket, name = started["bucket"], started["name"]
        may_create(self._objects, caller, bucket, name)
        asked = _asked(await whole(request))
        parts = self._chosen(upload, asked)
        segments = [Segment(*segment) for part in parts for segment in part["segments"]]
        # The object gets links of its own: should it be refused, the parts are still there for another attempt.
        record = self._objects.compose(
            bucket,
            name,
            [(part["crc32c"], part["size"]) for part in parts],
            self._objects.blobs.link(segments),
            demands=Preconditions(),
            **started["fields"],
        )
        self._forget(upload)
        location = f"http://storage.googleapis.com/{bucket}/{name}"
        answer = document(
            "CompleteMultipartUploadResult",
            [("Location", location), ("Bucket", bucket), ("Key", name), ("ETag", xml_etag(record))],
        )
        answer.headers["X-Goog-Generation"] = str(record.generation)
        answer.headers["X-Goog-Hash"] = f"crc32c={record.crc32c}"
        return answer

    def _chosen(self, upload: str, asked: list[tuple[int, str]]) -> list[dict[str, Any]]:
        held = dict(self._parts.list(f"{upload}/"))
        if not asked or [number for number, _ in asked] != sorted({number for number, _ in asked}):
            raise XmlError(400, "InvalidPartOrder", "The list of parts was not in ascending order.")
        parts = []
        for number, tag in asked:
            part = held.get(_key(upload, number))
            if part is None or tag.strip().strip('"') != _etag(part).strip('"'):
                text = "One or more of the specified parts could not be found."
                raise XmlError(400, "InvalidPart", text)
            parts.append(part)
        if any(part["size"] < _SMALLEST_PART for part in parts[:-1]):
            raise XmlError(400, "EntityTooSmall", "Your proposed upload is smaller than the minimum object size.")
        return parts

    def _list_parts(self, upload: str, target: Target, caller: Principal) -> web.StreamResponse:
        self._objects.authorise(caller, "storage.multipartUploads.listParts", target.bucket)
        content: list[tuple[str, Content]] = [("Bucket", target.bucket), ("Key", target.name), ("UploadId", upload)]
        content += [("IsTruncated", False)]
        for name, part in self._parts.list(f"{upload}/"):
            number = int(name.rpartition("/")[2])
            shown = [("LastModified", part["modified"]), ("ETag", _etag(part)), ("Size", part["size"])]
            content.append(("Part", [("PartNumber", number), *shown]))
        return document("ListPartsResult", content)

    def _list(self, target: Target, caller: Principal) -> web.StreamResponse:
        self._objects.authorise(caller, "storage.multipartUploads.list", target.bucket)
        content: list[tuple[str, Content]] = [("Bucket", target.bucket), ("IsTruncated", False)]
        for upload, started in self._uploads.list():
            if started["bucket"] == target.bucket:
                shown = [("Key", started["name"]), ("UploadId", upload), ("Initiated", started["initiated"])]
                content.append(("Upload", shown))
        return document("ListMultipartUploadsResult", content)

    def _keep(self, upload: str, number: int, part: dict[str, Any]) -> None:
        with self._kernel.store.transaction():
            gone = self._uploads.get(upload) is None
            previous = self._parts.get(_key(upload, number))
            if not gone:
                self._parts.put(_key(upload, number), part)
        if gone:
            self._objects.blobs.drop(part["segments"])
            raise XmlError(404, "NoSuchUpload", "The requested upload was not found.")
        self._objects.blobs.drop(Segment(*one) for one in (previous or {}).get("segments", ()))

    def _forget(self, upload: str) -> None:
        with self._kernel.store.transaction():
            parts = self._parts.list(f"{upload}/")
            self._uploads.delete(upload)
            for name, _ in parts:
                self._parts.delete(name)
        self._objects.blobs.drop(Segment(*segment) for _, part in parts for segment in part["segments"])

    def _now(self) -> str:
        return timestamp(self._kernel.clock.time())[:23] + "Z"


def _asked(body: bytes) -> list[tuple[int, str]]:
    """(number, entity tag) of each part that a CompleteMultipartUpload names."""
    try:
        root = ElementTree.fromstring(body)  # noqa: S314 (a local cloud's own client; expat expands no outside entity)
        found = [({child.tag.rpartition("}")[2]: child.text or "" for child in part}) for part in root]
        return [(int(part["PartNumber"]), part["ETag"]) for part in found]
    except (ElementTree.ParseError, KeyError, ValueError):
        text = "The XML you provided was not well-formed or did not validate against our published schema."
        raise XmlError(400, "MalformedXML", text) from None


def _etag(part: Mapping[str, Any]) -> str:
    return f'"{base64.b64decode(part["md5"]).hex()}"'


def _key(upload: str, number: int) -> str:
    return f"{upload}/{number:05}"
