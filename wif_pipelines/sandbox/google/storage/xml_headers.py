"""Requests of the XML API: where they lead, and what their headers say of an object.

https://cloud.google.com/storage/docs/xml-api/reference-headers
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import unquote

from aiohttp import web

from wif_pipelines.sandbox.google.errors import ApiError
from wif_pipelines.sandbox.google.storage.media import xml_etag
from wif_pipelines.sandbox.google.storage.naming import check_storage_class
from wif_pipelines.sandbox.google.storage.record import ObjectRecord, Preconditions, precondition_failed

_SUFFIX = ".storage.googleapis.com"
_ATTRIBUTES = {
    "Cache-Control": "cacheControl",
    "Content-Disposition": "contentDisposition",
    "Content-Encoding": "contentEncoding",
    "Content-Language": "contentLanguage",
    "X-Goog-Custom-Time": "customTime",
    "X-Goog-Storage-Class": "storageClass",
}
_META = "x-goog-meta-"


@dataclass(frozen=True)
class Target:
    """What a request is about; both names empty for the service as a whole."""

    bucket: str
    name: str


def target_of(request: web.BaseRequest) -> Target:
    """From a path-style address or a bucket's own host."""
    host, path = request.url.host or "", request.url.raw_path.removeprefix("/")
    if host.endswith(_SUFFIX):
        return Target(host.removesuffix(_SUFFIX), _unescaped(path))
    bucket, _, name = path.partition("/")
    return Target(_unescaped(bucket), _unescaped(name))


def copy_source(request: web.BaseRequest) -> tuple[Target, int | None]:
    """The object named by `x-goog-copy-source`, and its generation if one is named.

    Raises:
        ApiError: 400.
    """
    bucket, _, name = request.headers["X-Goog-Copy-Source"].removeprefix("/").partition("/")
    if not name:
        raise ApiError(400, "The copy source must be of the form bucket/object.", reason="invalid")
    return Target(unquote(bucket), _unescaped(name)), _number(request, "X-Goog-Copy-Source-Generation")


def written_headers(request: web.BaseRequest) -> dict[str, Any]:
    """What `Objects.writer` takes, from the headers.

    Raises:
        ApiError: 400 for an unknown storage class.
    """
    attributes = {field: request.headers[name] for name, field in _ATTRIBUTES.items() if name in request.headers}
    check_storage_class(attributes.get("storageClass", "STANDARD"))
    pairs = ((name.lower(), value) for name, value in request.headers.items())
    return {
        "content_type": request.headers.get("Content-Type"),
        "metadata": {name.removeprefix(_META): value for name, value in pairs if name.startswith(_META)},
        "attributes": attributes,
        "kms_key": request.headers.get("X-Goog-Encryption-Kms-Key-Name"),
    }


def preconditions(request: web.BaseRequest) -> Preconditions:
    """What the headers demand of the live generation.

    Raises:
        ApiError: 400.
    """
    return Preconditions(
        generation=_number(request, "X-Goog-If-Generation-Match"),
        metageneration=_number(request, "X-Goog-If-Metageneration-Match"),
    )


def check_conditions(request: web.BaseRequest, record: ObjectRecord) -> None:
    """HTTP's own conditions on a reading: entity tags before dates (RFC 9110, section 13).

    Raises:
        ApiError: 412, 304.
    """
    own, updated = xml_etag(record), datetime.fromisoformat(record.updated).replace(microsecond=0)
    match, none_match = request.headers.get("If-Match"), request.headers.get("If-None-Match")
    if match is not None and not _names(match, own):
        raise precondition_failed()
    since = _date(request, "If-Unmodified-Since")
    if match is None and since and updated > since:
        raise precondition_failed()
    headers = {"ETag": own}
    if none_match is not None and _names(none_match, own):
        raise ApiError(304, "Not Modified", headers=headers)
    since = _date(request, "If-Modified-Since")
    if none_match is None and since and updated <= since:
        raise ApiError(304, "Not Modified", headers=headers)


def _names(header: str, own: str) -> bool:
    bare = own.strip('"')
    return header.strip() == "*" or any(tag.strip().removeprefix("W/").strip('"') == bare for tag in header.split(","))


def _date(request: web.BaseRequest, header: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(request.headers[header])
    except (KeyError, ValueError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _number(request: web.BaseRequest, header: str) -> int | None:
    value = request.headers.get(header)
    if value is None:
        return None
    if not value.isdigit():
        raise ApiError(400, f"Invalid value of the {header.lower()} header.", reason="invalid")
    return int(value)


def _unescaped(text: str) -> str:
    try:
        return unquote(text, errors="strict")
    except UnicodeDecodeError:
        raise ApiError(400, "The object name is not valid UTF-8.", reason="invalid") from None
