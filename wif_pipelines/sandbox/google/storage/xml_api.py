"""The XML API: objects by PUT, GET, HEAD and DELETE, listings, and multipart uploads.

https://cloud.google.com/storage/docs/xml-api/overview
"""

import logging
from collections.abc import Callable
from urllib.parse import quote

from aiohttp import web
from multidict import CIMultiDict

from wif_pipelines.sandbox.google.access.principal import Principal
from wif_pipelines.sandbox.google.errors import ApiError
from wif_pipelines.sandbox.google.kernel import Kernel
from wif_pipelines.sandbox.google.storage.catalogue import may_create, readable
from wif_pipelines.sandbox.google.storage.copying import Copying
from wif_pipelines.sandbox.google.storage.incoming import hashes, pieces, pour
from wif_pipelines.sandbox.google.storage.listing import Query, list_page
from wif_pipelines.sandbox.google.storage.media import object_headers, send, xml_etag
from wif_pipelines.sandbox.google.storage.objects import Objects
from wif_pipelines.sandbox.google.storage.record import ObjectRecord
from wif_pipelines.sandbox.google.storage.xml_document import Content, XmlError, document, refusal
from wif_pipelines.sandbox.google.storage.xml_headers import (
    Target,
    check_conditions,
    copy_source,
    preconditions,
    target_of,
    written_headers,
)
from wif_pipelines.sandbox.google.storage.xml_uploads import XmlUploads

_LOG = logging.getLogger(__name__)
Admit = Callable[[web.BaseRequest], Principal]
_SUBRESOURCES = {"acl", "cors", "lifecycle", "versioning", "website", "logging", "tagging", "encryption", "compose"}


class XmlApi:
    """Serves whatever is not the JSON API's."""

    def __init__(self, kernel: Kernel, objects: Objects) -> None:
        self._objects = objects
        self._copying = Copying(objects)
        self._uploads = XmlUploads(kernel, objects)

    async def serve(self, request: web.BaseRequest, admit: Admit) -> web.StreamResponse:
        """Answer one request; refusals too come as XML."""
        try:
            return await self._answer(request, admit(request))
        except ApiError as error:
            return refusal(error)
        except ConnectionError:
            raise
        except Exception:  # noqa: BLE001 (logged; a fault of ours is a 500 in the API's own shape)
            _LOG.exception("%s %s failed", request.method, request.url.raw_path)
            return refusal(ApiError(500, "We encountered an internal error. Please try again."))

    def describe(self, request: web.BaseRequest) -> str:
        """The JSON API's name of what a request does; multipart uploads go by the names of their permissions."""
        query, verb = request.url.query, request.method
        _, _, name = request.url.raw_path.removeprefix("/").partition("/")
        if (request.url.host or "").endswith(".storage.googleapis.com"):
            name = request.url.raw_path.removeprefix("/")
        if "uploads" in query or "uploadId" in query:
            return f"storage.multipartUploads.{_upload_step(verb, 'uploads' in query, bool(name))}"
        if not name:
            return "storage.objects.list" if verb == "GET" else f"storage.buckets.{_BUCKET_VERBS.get(verb, 'get')}"
        if verb == "PUT" and "X-Goog-Copy-Source" in request.headers:
            return "storage.objects.copy"
        return f"storage.objects.{_OBJECT_VERBS.get(verb, 'get')}"

    async def _answer(self, request: web.BaseRequest, caller: Principal) -> web.StreamResponse:
        target, query = target_of(request), request.url.query
        if not target.bucket or _SUBRESOURCES.intersection(query):
            raise ApiError(501, "The local cloud does not implement this part of the XML API.")
        self._objects.existing_bucket(target.bucket)
        if "uploads" in query or "uploadId" in query:
            return await self._uploads.serve(request, target, caller)
        match request.method, bool(target.name):
            case "GET" | "HEAD", False:
                return self._bucket(request, target.bucket, caller)
            case "GET" | "HEAD", True:
                return await self._get(request, target, caller)
            case "PUT", True if "X-Goog-Copy-Source" in request.headers:
                return self._copy(request, target, caller)
            case "PUT", True:
                return await self._put(request, target, caller)
            case "DELETE", True:
                return self._delete(request, target, caller)
        raise ApiError(501, "The local cloud makes and deletes buckets through the JSON API alone.")

    async def _get(self, request: web.BaseRequest, target: Target, caller: Principal) -> web.StreamResponse:
        generation = request.url.query.get("generation", "")
        if generation and not generation.isdigit():
            raise XmlError(400, "InvalidArgument", "Invalid argument.")
        record = readable(self._objects, caller, target.bucket, target.name, int(generation) if generation else None)
        preconditions(request).check(record, reading=True)
        check_conditions(request, record)
        return await send(request, self._objects, record, object_headers(record, xml=True))

    async def _put(self, request: web.BaseRequest, target: Target, caller: Principal) -> web.StreamResponse:
        may_create(self._objects, caller, target.bucket, target.name)
        with self._objects.writer(
            target.bucket, target.name, **written_headers(request), preconditions=preconditions(request)
        ) as writer:
            writer.expect(**hashes(request))
            await pour(pieces(request), writer.write)
            record = writer.commit()
        return web.Response(headers=_written(record))

    def _copy(self, request: web.BaseRequest, target: Target, caller: Principal) -> web.StreamResponse:
        origin, generation = copy_source(request)
        source = readable(self._objects, caller, origin.bucket, origin.name, generation)
        may_create(self._objects, caller, target.bucket, target.name)
        written = written_headers(request)
        replaced = None
        if request.headers.get("X-Goog-Metadata-Directive", "").upper() == "REPLACE":
            replaced = {
                "contentType": written["content_type"],
                "metadata": written["metadata"],
                **written["attributes"],
            }
        elif "storageClass" in written["attributes"]:
            replaced = {
                "contentType": source.content_type,
                "metadata": source.metadata,
                **source.attributes,
                "storageClass": written["attributes"]["storageClass"],
            }
        record = self._copying.duplicate(
            source,
            target.bucket,
            target.name,
            resource=replaced,
            demands=preconditions(request),
            kms_key=written["kms_key"],
        )
        answer = document("CopyObjectResult", [("LastModified", record.updated), ("ETag", xml_etag(record))])
        answer.headers.update(_written(record, bare=True))
        return answer

    def _delete(self, request: web.BaseRequest, target: Target, caller: Principal) -> web.StreamResponse:
        self._objects.authorise(caller, "storage.objects.delete", target.bucket)
        generation = request.url.query.get("generation", "")
        self._objects.delete(
            target.bucket,
            target.name,
            generation=int(generation) if generation.isdigit() else None,
            demands=preconditions(request),
        )
        return web.Response(status=204)

    def _bucket(self, request: web.BaseRequest, bucket: str, caller: Principal) -> web.StreamResponse:
        query = request.url.query
        if "location" in query:
            self._objects.authorise(caller, "storage.buckets.get", bucket)
            return document("LocationConstraint", [], status=200)
        self._objects.authorise(caller, "storage.objects.list", bucket)
        if request.method == "HEAD":
            return web.Response()
        limit = query.get("max-keys", "1000")
        if not limit.isdigit() or int(limit) < 1:
            raise XmlError(400, "InvalidArgument", "Invalid argument.")
        second = query.get("list-type") == "2"
        page = list_page(
            self._objects.table,
            Query(
                bucket=bucket,
                prefix=query.get("prefix", ""),
                delimiter=query.get("delimiter", ""),
                after=query.get("start-after" if second else "marker", ""),
                token=query.get("continuation-token", "") if second else "",
                limit=min(int(limit), 1000),
            ),
        )
        escaped = query.get("encoding-type") == "url"

        def shown(name: str) -> str:
            return quote(name, safe="/") if escaped else name

        head: list[tuple[str, Content]] = [("Name", bucket), ("Prefix", shown(query.get("prefix", "")))]
        head += [("Delimiter", shown(query["delimiter"]))] if query.get("delimiter") else []
        head += [("EncodingType", "url")] if escaped else []
        head += [("MaxKeys", min(int(limit), 1000)), ("IsTruncated", bool(page.token))]
        if second:
            head += [("KeyCount", len(page.records) + len(page.prefixes))]
            head += [(tag, query[name]) for name, tag in _ECHOED.items() if name in query]
            head += [("NextContinuationToken", page.token)] if page.token else []
        else:
            head += [("Marker", shown(query.get("marker", "")))]
            last = max([record.name for record in page.records[-1:]] + page.prefixes[-1:], default="")
            head += [("NextMarker", shown(last))] if page.token else []
        head += [("Contents", _entry(record, shown(record.name))) for record in page.records]
        head += [("CommonPrefixes", [("Prefix", shown(prefix))]) for prefix in page.prefixes]
        return document("ListBucketResult", head)


_ECHOED = {"start-after": "StartAfter", "continuation-token": "ContinuationToken"}
_OBJECT_VERBS = {"PUT": "insert", "POST": "insert", "DELETE": "delete"}
_BUCKET_VERBS = {"PUT": "insert", "DELETE": "delete"}


def _upload_step(verb: str, plural: bool, of_object: bool) -> str:
    if verb == "POST":
        return "create" if plural else "complete"
    if verb == "GET":
        return "listParts" if of_object and not plural else "list"
    return {"PUT": "uploadPart", "DELETE": "abort"}.get(verb, "list")


def _entry(record: ObjectRecord, name: str) -> list[tuple[str, Content]]:
    return [
        ("Key", name),
        ("Generation", record.generation),
        ("MetaGeneration", record.metageneration),
        ("LastModified", record.updated),
        ("ETag", xml_etag(record)),
        ("Size", record.size),
    ]


def _written(record: ObjectRecord, *, bare: bool = False) -> "CIMultiDict[str]":
    """The headers that tell a writer what it wrote; `bare` leaves out those of the answer's own body."""
    headers = object_headers(record, xml=True)
    dropped = ["Content-Type", "Content-Encoding", "Content-Disposition", "Cache-Control", "Accept-Ranges"]
    for name in [*dropped, *(["ETag"] if bare else [])]:
        headers.popall(name, None)
    return headers
