"""Objects coming in over the JSON API: simple, multipart and resumable uploads.

https://cloud.google.com/storage/docs/uploads-downloads
"""

import json
import secrets
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

from aiohttp import web

from wif_pipelines.sandbox.google.call import Answer, Call, Handlers
from wif_pipelines.sandbox.google.descriptions import load
from wif_pipelines.sandbox.google.errors import ApiError
from wif_pipelines.sandbox.google.kernel import Kernel
from wif_pipelines.sandbox.google.schema import Reader
from wif_pipelines.sandbox.google.storage.catalogue import may_create
from wif_pipelines.sandbox.google.storage.incoming import RelatedBody, hashes, pieces, pour, whole
from wif_pipelines.sandbox.google.storage.masks import masked
from wif_pipelines.sandbox.google.storage.naming import check_object_name
from wif_pipelines.sandbox.google.storage.objects import Objects
from wif_pipelines.sandbox.google.storage.resources import HOST, object_resource, preconditions, written_fields
from wif_pipelines.sandbox.google.storage.sessions import Sessions


class Uploads:
    """storage.objects.insert, and the sessions of resumable uploads."""

    def __init__(self, kernel: Kernel, objects: Objects) -> None:
        self._objects = objects
        self._sessions = Sessions(kernel, objects)

    def handlers(self) -> Handlers:
        """Google's methods."""
        return {"storage.objects.insert": self._insert}

    async def resume(self, request: web.BaseRequest) -> web.StreamResponse:
        """PUT, POST or DELETE on a session's own address, which is its authorisation."""
        return await self._sessions.serve(request)

    async def _insert(self, call: Call) -> Answer:
        if "upload_id" in call.params:
            return await self._sessions.serve(call.request)
        kind = call.params.get("uploadType")
        if not call.upload or kind not in ("media", "multipart", "resumable"):
            text = "Upload requests must be uploaded to */upload/* with an uploadType of media, multipart or resumable."
            raise ApiError(400, text, reason="wrongUrlForUpload")
        self._objects.existing_bucket(call.params["bucket"])
        if kind == "resumable":
            return await self._begin(call)
        if kind == "multipart":
            related = RelatedBody(call.request)
            resource, content_type = await related.metadata()
            return await self._store(call, _checked(resource), content_type, related.media())
        return await self._store(call, {}, call.request.headers.get("Content-Type"), pieces(call.request))

    async def _store(
        self, call: Call, resource: dict[str, Any], content_type: str | None, body: AsyncIterator[bytes]
    ) -> Answer:
        fields = self._fields(call, resource, content_type)
        with self._objects.writer(**fields, preconditions=preconditions(call.params)) as writer:
            writer.expect(**hashes(call.request))
            await pour(body, writer.write)
            record = writer.commit()
        return masked(object_resource(record), call.params.get("fields"))

    async def _begin(self, call: Call) -> Answer:
        resource = _checked(_json(await whole(call.request)))
        fields = self._fields(call, resource, call.request.headers.get("X-Upload-Content-Type"))
        demands = preconditions(call.params)
        demands.check(self._objects.get(fields["bucket"], fields["name"]))
        self._objects.key_version(self._objects.existing_bucket(fields["bucket"]), fields["kms_key"])
        token = secrets.token_urlsafe(48)
        total = call.request.headers.get("X-Upload-Content-Length", "")
        self._sessions.begin(token, fields, demands, int(total) if total.isdigit() else None, call.params.get("fields"))
        bucket, name = quote(fields["bucket"]), quote(fields["name"], safe="")
        query = f"uploadType=resumable&name={name}&upload_id={token}"
        location = f"{HOST}/upload/storage/v1/b/{bucket}/o?{query}"
        return web.Response(headers={"Location": location, "X-GUploader-UploadID": token})

    def _fields(self, call: Call, resource: dict[str, Any], content_type: str | None) -> dict[str, Any]:
        """The arguments of `Objects.writer`.

        Raises:
            ApiError: 400 or 403.
        """
        bucket, name = call.params["bucket"], resource.get("name") or call.params.get("name", "")
        check_object_name(name)
        may_create(self._objects, call.principal, bucket, name)
        if encoding := call.params.get("contentEncoding"):
            resource = {**resource, "contentEncoding": encoding}
        fields = written_fields(resource)
        fields["content_type"] = fields["content_type"] or content_type
        sums = {"crc32c": resource.get("crc32c"), "md5": resource.get("md5Hash")}
        key = call.params.get("kmsKeyName") or resource.get("kmsKeyName")
        return fields | sums | {"bucket": bucket, "name": name, "kms_key": key}


def _checked(resource: Any) -> dict[str, Any]:
    description = load("storage", "v1")
    read: dict[str, Any] = Reader(description).read(resource, {"$ref": "Object"})
    return read


def _json(raw: bytes) -> Any:
    try:
        return json.loads(raw or b"{}")
    except ValueError:
        raise ApiError(400, "Parse Error", reason="parseError") from None
