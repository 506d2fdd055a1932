"""Bodies as they go out: whole or a range, with the headers that both APIs put beside them."""

import re
from datetime import datetime
from email.utils import format_datetime

from aiohttp import web
from multidict import CIMultiDict

from wif_pipelines.sandbox.google.errors import ApiError
from wif_pipelines.sandbox.google.storage.objects import Objects
from wif_pipelines.sandbox.google.storage.record import ObjectRecord
from wif_pipelines.sandbox.google.storage.resources import etag

_RANGE = re.compile(r"bytes=(\d*)-(\d*)")
_ATTRIBUTES = {
    "cacheControl": "Cache-Control",
    "contentDisposition": "Content-Disposition",
    "contentEncoding": "Content-Encoding",
    "contentLanguage": "Content-Language",
}
_WHOLE = 1 << 20


def object_headers(record: ObjectRecord, *, xml: bool) -> "CIMultiDict[str]":
    """The headers of an object, in the XML API's way (with its metadata and key) or the JSON API's."""
    headers: CIMultiDict[str] = CIMultiDict()
    headers["Content-Type"] = record.content_type or "application/octet-stream"
    headers["ETag"] = xml_etag(record) if xml else etag(record)
    headers["Last-Modified"] = http_date(record.updated)
    headers["Accept-Ranges"] = "bytes"
    headers["X-Goog-Generation"] = str(record.generation)
    headers["X-Goog-Metageneration"] = str(record.metageneration)
    headers["X-Goog-Storage-Class"] = str(record.attributes.get("storageClass", "STANDARD"))
    headers["X-Goog-Stored-Content-Encoding"] = str(record.attributes.get("contentEncoding", "identity"))
    headers["X-Goog-Stored-Content-Length"] = str(record.size)
    headers["X-Goog-Hash"] = f"crc32c={record.crc32c}" + (f",md5={record.md5}" if record.md5 else "")
    for name, header in _ATTRIBUTES.items():
        if name in record.attributes:
            headers[header] = str(record.attributes[name])
    if xml:
        headers.update({f"X-Goog-Meta-{name}": value for name, value in record.metadata.items()})
        if record.component_count:
            headers["X-Goog-Component-Count"] = str(record.component_count)
    if xml and record.kms_key:
        headers["X-Goog-Encryption-Kms-Key-Name"] = record.kms_key
    return headers


def xml_etag(record: ObjectRecord) -> str:
    """The entity tag of the XML API: the quoted MD5, or for a composite object another opaque value."""
    import base64

    if record.md5 is None:
        return f'"-{etag(record)}"'
    return f'"{base64.b64decode(record.md5).hex()}"'


def http_date(time: str) -> str:
    """RFC 3339 as HTTP writes it."""
    return format_datetime(datetime.fromisoformat(time), usegmt=True)


async def send(
    request: web.BaseRequest, objects: Objects, record: ObjectRecord, headers: "CIMultiDict[str]"
) -> web.StreamResponse:
    """Answer with the object's bytes, or those of the Range header.

    Raises:
        ApiError: 416, or what `Objects.read` raises; nothing is sent then.
    """
    span = _span(request.headers.get("Range"), record.size)
    start, stop = span or (0, record.size)
    if span:
        headers["Content-Range"] = f"bytes {start}-{stop - 1}/{record.size}"
    body = objects.read(record, start, stop)
    status = 206 if span else 200
    if request.method == "HEAD" or stop - start <= _WHOLE:
        # A HEAD says how long the body is and sends none of it.
        data = b"" if request.method == "HEAD" else b"".join(body)
        if request.method == "HEAD":
            headers["Content-Length"] = str(stop - start)
        return web.Response(status=status, headers=headers, body=data)
    headers["Content-Length"] = str(stop - start)
    response = web.StreamResponse(status=status, headers=headers)
    await response.prepare(request)
    for data in body:
        await response.write(data)
    await response.write_eof()
    return response


def _span(header: str | None, size: int) -> tuple[int, int] | None:
    """(start, stop) of a Range header; None for the whole, as a header that cannot be read means, too."""
    found = _RANGE.fullmatch((header or "").strip())
    if not found or found[0] == "bytes=-":
        return None
    first, last = found[1], found[2]
    if not first:
        start, stop = max(size - int(last), 0), size
        unsatisfiable = int(last) == 0 or not size
    else:
        start, stop = int(first), min(int(last) + 1, size) if last else size
        if last and int(last) < start:
            return None
        unsatisfiable = start >= size
    if unsatisfiable:
        text = "Request range not satisfiable"
        raise ApiError(416, text, headers={"Content-Range": f"bytes */{size}"})
    return start, stop
