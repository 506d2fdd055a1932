"""Objects over the JSON API, but for their coming in: listed, read, changed, deleted, composed and copied.

https://cloud.google.com/storage/docs/json_api/v1/objects
"""

from typing import Any

from aiohttp import web

from wif_pipelines.sandbox.google.access.principal import Principal
from wif_pipelines.sandbox.google.call import Answer, Call, Handlers
from wif_pipelines.sandbox.google.errors import ApiError
from wif_pipelines.sandbox.google.storage.buckets import no_content
from wif_pipelines.sandbox.google.storage.copying import Copying
from wif_pipelines.sandbox.google.storage.listing import Query, list_page
from wif_pipelines.sandbox.google.storage.masks import masked
from wif_pipelines.sandbox.google.storage.media import object_headers, send
from wif_pipelines.sandbox.google.storage.objects import Objects, forbidden
from wif_pipelines.sandbox.google.storage.record import ObjectRecord
from wif_pipelines.sandbox.google.storage.resources import (
    generation_of,
    object_resource,
    patched_fields,
    preconditions,
    written_fields,
)


class Catalogue:
    """The JSON API's methods on objects."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._copying = Copying(objects)

    def handlers(self) -> Handlers:
        """Google's methods."""
        return {
            "storage.objects.get": self.get,
            "storage.objects.list": self._list,
            "storage.objects.patch": self._patch,
            "storage.objects.update": self._update,
            "storage.objects.delete": self._delete,
            "storage.objects.compose": self._compose,
            "storage.objects.rewrite": self._rewrite,
            "storage.objects.copy": self._copy,
            "storage.objects.move": self._move,
        }

    async def get(self, call: Call) -> Answer:
        """The resource, or with alt=media the bytes."""
        record = readable(
            self._objects, call.principal, call.params["bucket"], call.params["object"], _generation(call)
        )
        preconditions(call.params).check(record, reading=True)
        if call.params.get("alt") == "media":
            return await send(call.request, self._objects, record, object_headers(record, xml=False))
        return masked(object_resource(record), call.params.get("fields"))

    async def _list(self, call: Call) -> Answer:
        params = call.params
        bucket = self._objects.existing_bucket(params["bucket"])["name"]
        self._objects.authorise(call.principal, "storage.objects.list", bucket)
        if params.get("matchGlob") or params.get("softDeleted") or params.get("filter"):
            raise ApiError(501, "The local cloud lists by prefix and offset, not by matchGlob, softDeleted or filter.")
        limit = int(params.get("maxResults") or 1000)
        if limit < 1:
            raise ApiError(400, "Invalid value for maxResults.", reason="invalid")
        query = Query(
            bucket=bucket,
            prefix=params.get("prefix", ""),
            delimiter=params.get("delimiter", ""),
            start=params.get("startOffset", ""),
            end=params.get("endOffset", ""),
            token=params.get("pageToken", ""),
            limit=min(limit, 1000),
            trailing=bool(params.get("includeTrailingDelimiter")),
            versions=bool(params.get("versions")),
        )
        page = list_page(self._objects.table, query)
        answer: dict[str, Any] = {"kind": "storage#objects"}
        answer |= {"nextPageToken": page.token} if page.token else {}
        answer |= {"prefixes": page.prefixes} if page.prefixes else {}
        answer |= {"items": [object_resource(record) for record in page.records]} if page.records else {}
        # Sent as it is: checking a thousand resources against the description would take longer than finding them.
        return web.json_response(masked(answer, params.get("fields")))

    async def _patch(self, call: Call) -> Answer:
        record = self._for_update(call)
        return self._changed(call, record, patched_fields(record, call.body))

    async def _update(self, call: Call) -> Answer:
        record = self._for_update(call)
        written = written_fields(call.body)
        written["attributes"] = {"storageClass": record.attributes.get("storageClass"), **written["attributes"]}
        return self._changed(call, record, written)

    async def _delete(self, call: Call) -> Answer:
        bucket, name = call.params["bucket"], call.params["object"]
        self._objects.existing_bucket(bucket)
        self._objects.authorise(call.principal, "storage.objects.delete", bucket)
        self._objects.delete(bucket, name, generation=_generation(call), demands=preconditions(call.params))
        return no_content()

    async def _compose(self, call: Call) -> Answer:
        bucket, name = call.params["destinationBucket"], call.params["destinationObject"]
        self._objects.existing_bucket(bucket)
        may_create(self._objects, call.principal, bucket, name)
        self._objects.authorise(call.principal, "storage.objects.get", bucket)
        return masked(object_resource(self._copying.compose(call, bucket, name)), call.params.get("fields"))

    async def _rewrite(self, call: Call) -> Answer:
        record = self._copied(call)
        answer = {
            "kind": "storage#rewriteResponse",
            "totalBytesRewritten": str(record.size),
            "objectSize": str(record.size),
            "done": True,
            "resource": object_resource(record),
        }
        return masked(answer, call.params.get("fields"))

    async def _copy(self, call: Call) -> Answer:
        return masked(object_resource(self._copied(call)), call.params.get("fields"))

    async def _move(self, call: Call) -> Answer:
        bucket, name = call.params["bucket"], call.params["sourceObject"]
        source = readable(self._objects, call.principal, bucket, name, None)
        preconditions(call.params, "ifSource").check(source)
        may_create(self._objects, call.principal, bucket, call.params["destinationObject"])
        self._objects.authorise(call.principal, "storage.objects.delete", bucket)
        record = self._copying.duplicate(
            source, bucket, call.params["destinationObject"], demands=preconditions(call.params)
        )
        self._objects.delete(bucket, name, generation=source.generation)
        return masked(object_resource(record), call.params.get("fields"))

    def _copied(self, call: Call) -> ObjectRecord:
        params = call.params
        source = readable(
            self._objects,
            call.principal,
            params["sourceBucket"],
            params["sourceObject"],
            _generation(call, "sourceGeneration"),
        )
        preconditions(params, "ifSource").check(source)
        self._objects.existing_bucket(params["destinationBucket"])
        may_create(self._objects, call.principal, params["destinationBucket"], params["destinationObject"])
        return self._copying.duplicate(
            source,
            params["destinationBucket"],
            params["destinationObject"],
            resource=call.body,
            demands=preconditions(params),
            kms_key=params.get("destinationKmsKeyName"),
        )

    def _for_update(self, call: Call) -> ObjectRecord:
        bucket = call.params["bucket"]
        self._objects.existing_bucket(bucket)
        self._objects.authorise(call.principal, "storage.objects.update", bucket)
        record = self._objects.existing(bucket, call.params["object"], _generation(call))
        preconditions(call.params).check(record)
        return record

    def _changed(self, call: Call, record: ObjectRecord, changes: dict[str, Any]) -> dict[str, Any]:
        changed = self._objects.change(record, **changes)
        return masked(object_resource(changed), call.params.get("fields"))


def readable(objects: Objects, principal: Principal, bucket: str, name: str, generation: int | None) -> ObjectRecord:
    """An object that the caller may read; one who may not list does not learn that it is not there.

    Raises:
        ApiError: 403, 404.
    """
    objects.existing_bucket(bucket)
    objects.authorise(principal, "storage.objects.get", bucket)
    record = objects.get(bucket, name, generation)
    if record is None and not objects.allows(principal, "storage.objects.list", bucket):
        raise forbidden(principal, "storage.objects.list", "object")
    return record or objects.existing(bucket, name, generation)


def may_create(objects: Objects, principal: Principal, bucket: str, name: str) -> None:
    """Refuse a caller who may not write the object; who replaces one must be allowed to delete it, too.

    Raises:
        ApiError: 403.
    """
    objects.authorise(principal, "storage.objects.create", bucket)
    if objects.get(bucket, name) is not None:
        objects.authorise(principal, "storage.objects.delete", bucket)


def _generation(call: Call, name: str = "generation") -> int | None:
    return generation_of(call.params, name)
