"""The XML API's documents: errors, listings and the answers to multipart uploads.

https://cloud.google.com/storage/docs/xml-api/reference-status
"""

from collections.abc import Iterable
from typing import TypeAlias
from xml.sax.saxutils import escape

from aiohttp import web

from wif_pipelines.sandbox.google.errors import ApiError

_NAMESPACE = "http://doc.s3.amazonaws.com/2006-03-01"
_UPLOADS_NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"  # multipart uploads came later, with another one
Content: TypeAlias = "str | int | bool | Iterable[tuple[str, Content]]"

_ERRORS = {
    400: ("InvalidArgument", "Invalid argument."),
    401: ("AuthenticationRequired", "Authentication required."),
    403: ("AccessDenied", "Access denied."),
    404: ("NoSuchKey", "The specified key does not exist."),
    409: ("Conflict", "The request conflicts with the state of the resource."),
    412: ("PreconditionFailed", "At least one of the pre-conditions you specified did not hold."),
    413: ("EntityTooLarge", "Your proposed upload is larger than the maximum object size specified."),
    416: ("InvalidRange", "The requested range cannot be satisfied."),
    429: ("SlowDown", "Reduce your request rate."),
    500: ("InternalError", "We encountered an internal error. Please try again."),
    501: ("NotImplemented", "The requested operation is not implemented."),
    503: ("ServiceUnavailable", "Service Unavailable"),
}


def element(name: str, content: Content) -> str:
    """An element of text, or of elements within; booleans as XML Schema writes them."""
    if isinstance(content, bool):
        return f"<{name}>{str(content).lower()}</{name}>"
    if isinstance(content, (str, int)):
        return f"<{name}>{escape(str(content))}</{name}>"
    return f"<{name}>{''.join(element(*child) for child in content)}</{name}>"


def document(root: str, content: Iterable[tuple[str, Content]], *, status: int = 200) -> web.Response:
    """An answer in the XML API's namespace."""
    namespace = _UPLOADS_NAMESPACE if "Multipart" in root or "Parts" in root else _NAMESPACE
    inner = "".join(element(*child) for child in content)
    text = f"<?xml version='1.0' encoding='UTF-8'?><{root} xmlns='{namespace}'>{inner}</{root}>"
    return web.Response(status=status, text=text, content_type="application/xml", charset="UTF-8")


class XmlError(ApiError):
    """A refusal that only the XML API knows, by its own code."""

    def __init__(self, status: int, name: str, message: str) -> None:
        super().__init__(status, message)
        self.name = name


def refusal(error: ApiError) -> web.Response:
    """An error as the XML API shows it: its own code and message, and the particulars as details."""
    name, message = _named(error)
    details = [("Details", error.message)] if error.message != message else []
    inner = "".join(element(*child) for child in [("Code", name), ("Message", message), *details])
    text = f"<?xml version='1.0' encoding='UTF-8'?><Error>{inner}</Error>"
    if error.code == 304:
        return web.Response(status=304, headers=error.headers)
    return web.Response(
        status=error.code, text=text, content_type="application/xml", charset="UTF-8", headers=error.headers
    )


def _named(error: ApiError) -> tuple[str, str]:
    if isinstance(error, XmlError):
        return error.name, error.message
    if error.code == 404 and "bucket" in error.message:
        return "NoSuchBucket", error.message
    if error.reason.startswith("cloudKms"):
        return error.reason[0].upper() + error.reason[1:], error.message
    if error.message.startswith("Provided CRC32C"):
        return "CrcMismatch", "The CRC32C you specified did not match what we received."
    if error.message.startswith("Provided MD5"):
        return "BadDigest", "The Content-MD5 you specified did not match what we received."
    return _ERRORS.get(error.code, _ERRORS[500])
