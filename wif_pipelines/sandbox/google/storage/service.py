"""Cloud Storage put together, for the gateway."""

from collections.abc import Callable
from typing import Any

from aiohttp import web

from wif_pipelines.sandbox.google.access.principal import Principal
from wif_pipelines.sandbox.google.call import Call, Handlers
from wif_pipelines.sandbox.google.descriptions import load
from wif_pipelines.sandbox.google.errors import ApiError
from wif_pipelines.sandbox.google.kernel import Kernel
from wif_pipelines.sandbox.google.services import APIS, Api
from wif_pipelines.sandbox.google.storage.batches import Batches
from wif_pipelines.sandbox.google.storage.buckets import Buckets
from wif_pipelines.sandbox.google.storage.catalogue import Catalogue
from wif_pipelines.sandbox.google.storage.objects import Objects
from wif_pipelines.sandbox.google.storage.uploads import Uploads
from wif_pipelines.sandbox.google.storage.xml_api import XmlApi

_HOST = "storage.googleapis.com"


class CloudStorage:
    """The JSON API's methods, and what no description covers: uploads' sessions, downloads, batches and the XML API.

    Args:
        kernel: The ground floor.
        objects: What is stored.
        authenticate: Reads the caller of a request, or raises 401.
        require_enabled: Refuses a call to an API that is off, given the API and its title.
    """

    def __init__(
        self,
        kernel: Kernel,
        objects: Objects,
        authenticate: Callable[[web.BaseRequest], Principal],
        require_enabled: Callable[[Api, str], None],
    ) -> None:
        self.buckets = Buckets(kernel, objects)
        self._policies = kernel.policies
        self._authenticate = authenticate
        self._require_enabled = require_enabled
        self._api = next(api for api in APIS if api.name == "storage")
        self._catalogue = Catalogue(objects)
        self._uploads = Uploads(kernel, objects)
        self._batches = Batches(kernel.policies, self.buckets.handlers() | self._catalogue.handlers())
        self._xml = XmlApi(kernel, objects)

    def handlers(self) -> Handlers:
        """Google's methods, for `Gateway.serve`."""
        return self.buckets.handlers() | self._catalogue.handlers() | self._uploads.handlers()

    async def serve_raw(self, request: web.BaseRequest) -> web.StreamResponse:
        """What no description covers, for `Gateway.serve_raw`.

        Raises:
            ApiError: to be shown as the JSON API does; the XML API shows its own.
        """
        kind = _kind(request)
        if kind == "session":
            return await self._uploads.resume(request)
        if kind == "xml":
            return await self._xml.serve(request, self._admit)
        caller = self._admit(request)
        if kind == "batch":
            return await self._batches.serve(request, caller)
        return await self._download(request, caller)

    def describe(self, request: web.BaseRequest) -> str:
        """The method's id of a request to `serve_raw`."""
        kind = _kind(request)
        if kind == "xml":
            return self._xml.describe(request)
        return {"session": "storage.objects.insert", "batch": "storage.batch"}.get(kind, "storage.objects.get")

    def _admit(self, request: web.BaseRequest) -> Principal:
        caller = self._authenticate(request)
        self._require_enabled(self._api, load("storage", "v1").title)
        return caller

    async def _download(self, request: web.BaseRequest, caller: Principal) -> web.StreamResponse:
        path = request.url.raw_path.removeprefix("/download")
        match = load("storage", "v1").find("GET", path)
        if match is None or match.method.id != "storage.objects.get" or request.method != "GET":
            raise ApiError(404, f"The requested URL {request.url.raw_path} was not found on this server.")
        params: dict[str, Any] = dict(request.url.query) | match.path_params
        params.setdefault("alt", "media")
        answer = await self._catalogue.get(Call(match.method, params, {}, request, caller, self._policies))
        return answer if isinstance(answer, web.StreamResponse) else web.json_response(answer)


def _kind(request: web.BaseRequest) -> str:
    """Which of them a request is: `session`, `batch`, `download` or `xml`."""
    path = request.url.raw_path
    if (request.url.host or "") in (_HOST, "www.googleapis.com"):
        if "upload_id" in request.url.query and path.startswith(("/upload/storage/", "/resumable/upload/storage/")):
            return "session"
        if path in ("/batch/storage/v1", "/batch"):
            return "batch"
        if path.startswith("/download/storage/v1/b/"):
            return "download"
    return "xml"
