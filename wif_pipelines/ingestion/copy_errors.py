"""What goes wrong while an object is copied: obstore's errors in our words, and our own."""

from __future__ import annotations

import re

from wif_pipelines.errors import (
    AccessDeniedError,
    ConflictError,
    NotFoundError,
    TransferError,
    UnavailableError,
    WifError,
)
from wif_pipelines.ingestion.inventory import SourceObject
from wif_pipelines.wire.google_errors import TRANSIENT_STATUSES
from wif_pipelines.wire.redaction import redacted

_STATUS = re.compile(r"status code: (\d{3})")
_STALE = re.compile(r"<Code>(ExpiredToken|RequestExpired|TokenRefreshRequired)</Code>")


class SourceChangedError(TransferError):
    """The source object is no longer in the state that the plan saw; nothing of it was kept."""


class StaleCredentialError(UnavailableError):
    """The token or the keys were refused before their time; new ones may do."""


def source_changed(item: SourceObject) -> SourceChangedError:
    """The error for an object that is gone or has another ETag than planned."""
    return SourceChangedError(
        f"{item.key!r} changed at the source since the plan was made (it had the ETag {item.etag}).",
        remedy="Plan again: the new state is another version of the object. Nothing of this one was kept.",
    )


def sink_changed(name: str) -> ConflictError:
    """The error for a name that somebody else wrote since the plan."""
    return ConflictError(
        f"{name!r} was written by somebody else since the plan was made.",
        remedy="Plan again to see what is there now; give each pipeline a prefix of its own.",
        status=412,
    )


def size_differs(item: SourceObject, size: int) -> TransferError:
    """The error for a body of another length than planned."""
    return TransferError(
        f"{item.key!r} was to be {item.size} bytes, and {size} came.",
        remedy="Take a new inventory and run again; nothing of this object was kept.",
    )


def is_obstore_error(error: BaseException) -> bool:
    """Whether obstore raised this (missing objects come as Python's own `FileNotFoundError`)."""
    from obstore.exceptions import BaseError

    return isinstance(error, BaseError | FileNotFoundError)


def is_precondition(error: BaseException) -> bool:
    """Whether a condition that we set (`if_match`, create only, this generation only) did not hold."""
    from obstore.exceptions import AlreadyExistsError, PreconditionError

    return isinstance(error, AlreadyExistsError | PreconditionError)


def translate(error: Exception, *, doing: str) -> WifError:
    """Our error for an exception of obstore.

    Args:
        error: What obstore raised.
        doing: What we were doing; it follows "While".
    """
    from obstore.exceptions import PermissionDeniedError, UnauthenticatedError

    said = f"While {doing}: {_first_line(error)}"
    if isinstance(error, UnauthenticatedError) or _STALE.search(str(error)):
        return StaleCredentialError(
            said, remedy="Run again; if it stays, check the clock (NTP) and the identity's roles."
        )
    if isinstance(error, PermissionDeniedError):
        return AccessDeniedError(
            said, remedy="Grant the workload read access to the source and object access to the sink."
        )
    if isinstance(error, FileNotFoundError):
        return NotFoundError(
            said, remedy="Check the bucket's name; if objects are being deleted, take a new inventory."
        )
    found = _STATUS.search(str(error))
    if found and int(found[1]) not in TRANSIENT_STATUSES:
        return TransferError(said, remedy="Correct what the service names, then run again; what has arrived stays.")
    return UnavailableError(said, remedy="Run again: what has arrived is not copied again.")


def _first_line(error: Exception) -> str:
    """The message without obstore's dump of its inner state."""
    return redacted(" ".join(str(error).partition("\n\nDebug source")[0].split()))
