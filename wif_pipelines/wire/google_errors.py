"""What Google's client libraries raise, sorted into what may pass and what will not, and told in our words.

Over REST the libraries raise base classes (`TooManyRequests`, `Forbidden`), over gRPC their subclasses, and the media
uploads and downloads yet others; the HTTP status is what they share, so the status is what this module goes by.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from wif_pipelines.errors import (
    AccessDeniedError,
    ConflictError,
    NotFoundError,
    RemoteError,
    UnavailableError,
    WifError,
)
from wif_pipelines.wire.redaction import redacted

TRANSIENT_STATUSES = frozenset({408, 429, 500, 502, 503, 504})
"""https://cloud.google.com/storage/docs/retry-strategy#retryable"""

_PERMISSION = re.compile(r"[Pp]ermission '?([\w.]+\.[\w.]+)'?|([\w.]+\.\w+\.\w+) access")


def status_of(error: BaseException) -> int | None:
    """The HTTP status that an exception of a Google library stands for; None when there was no answer."""
    code = getattr(error, "code", None)
    if isinstance(code, int):
        return int(code)
    status = getattr(getattr(error, "response", None), "status_code", None)
    return status if isinstance(status, int) else None


def is_transient(error: BaseException) -> bool:
    """Whether the same request may succeed if it is sent again.

    Says nothing about whether sending it again is safe: that depends on the request.
    """
    import requests
    from google.api_core.exceptions import RetryError
    from google.auth.exceptions import TransportError

    if isinstance(error, UnavailableError):
        return True
    if (status := status_of(error)) is not None:
        return status in TRANSIENT_STATUSES
    lost_on_the_way = (ConnectionError, TimeoutError, TransportError, RetryError)
    lost_by_requests = (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError)
    return isinstance(error, (*lost_on_the_way, *lost_by_requests))


def retry_after(error: BaseException) -> float | None:
    """Seconds that the service asked us to wait, or None. Dates, which Google does not send, are ignored."""
    headers = getattr(getattr(error, "response", None), "headers", None) or {}
    value = headers.get("Retry-After", "")
    return float(value) if str(value).isdigit() else None


def remote_error(error: BaseException, *, doing: str) -> WifError:
    """Our error for an exception of a Google library.

    Args:
        error: What the library raised.
        doing: What we were doing, as in "reading the key projects/…": it follows "While".

    Returns:
        An error that quotes the service and says what to do.
    """
    status = status_of(error)
    said = f"While {doing}, the service answered {status or 'nothing'}: {text_of(error)}"
    if status == 401:
        return AccessDeniedError(said, remedy=_UNAUTHENTICATED)
    if status == 403:
        return AccessDeniedError(said, remedy=_denied_remedy(said))
    if status == 404:
        return NotFoundError(
            said, remedy="Check the name, the project and the region; create it if it is missing.", status=404
        )
    if status in {409, 412}:
        return ConflictError(
            said, remedy="Look at what is there now, then decide whether to keep or replace it.", status=status
        )
    if is_transient(error):
        advice = "Try again later; https://status.cloud.google.com tells of outages."
        return UnavailableError(said, remedy=advice, status=status, retry_after=retry_after(error))
    return RemoteError(said, remedy="Correct what the service names, then run again.", status=status)


def text_of(error: BaseException) -> str:
    """What the service said, on one line and without secrets."""
    message = getattr(error, "message", None)
    text = message if isinstance(message, str) and message else str(error) or type(error).__name__
    return redacted(" ".join(text.split()))


@contextmanager
def translated(doing: str) -> Iterator[None]:
    """Turn what Google's libraries raise inside the block into our errors; ours pass unchanged.

    Args:
        doing: See `remote_error`.

    Raises:
        WifError: For every exception of google.api_core, google.auth, google.cloud.storage's media and requests.
    """
    import requests
    from google.api_core.exceptions import GoogleAPIError
    from google.auth.exceptions import GoogleAuthError
    from google.cloud.storage.exceptions import DataCorruption, InvalidResponse

    try:
        yield
    except (GoogleAPIError, GoogleAuthError, requests.RequestException, InvalidResponse, DataCorruption) as error:
        raise remote_error(error, doing=doing) from error


_UNAUTHENTICATED = (
    "The token was not accepted. If it had not expired, this API may not support federated tokens: "
    "name a service_account to impersonate."
)


def _denied_remedy(said: str) -> str:
    if "has not been used in project" in said or "SERVICE_DISABLED" in said:
        return "Enable the API that the answer names: gcloud services enable NAME --project PROJECT"
    if "vpcServiceControlsUniqueIdentifier" in said:
        return (
            "A VPC Service Controls perimeter refused this: ask its owners for an ingress rule, quoting the identifier."
        )
    match = _PERMISSION.search(said)
    permission = (match.group(1) or match.group(2)) if match else ""
    wanted = f"the permission {permission}" if permission else "the missing permission"
    return f"Grant the caller a role that holds {wanted} on this resource; a new grant can take some minutes to work."
