"""What botocore raises, sorted and told in our words."""

from collections.abc import Iterator
from contextlib import contextmanager

from wif_pipelines.errors import (
    AccessDeniedError,
    ConflictError,
    HomeNotFoundError,
    NotFoundError,
    RemoteError,
    UnavailableError,
    WifError,
)
from wif_pipelines.wire.google_errors import TRANSIENT_STATUSES
from wif_pipelines.wire.redaction import redacted

_DENIED = frozenset({"AccessDenied", "AccessDeniedException", "403", "UnauthorizedOperation", "InvalidAccessKeyId"})
_EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException", "RequestExpired", "RequestTimeTooSkewed"})
_ABSENT = frozenset({"404", "NoSuchKey", "NoSuchBucket", "NoSuchVersion", "NoSuchEntity"})
_CHANGED = frozenset({"409", "412", "PreconditionFailed", "ConditionalRequestConflict"})
_THROTTLED = frozenset({"SlowDown", "Throttling", "ThrottlingException", "RequestLimitExceeded", "RequestTimeout"})


def is_transient(error: BaseException) -> bool:
    """Whether the same request may succeed if it is sent again; botocore itself has already tried a few times."""
    from botocore.exceptions import ClientError, HTTPClientError
    from botocore.exceptions import ConnectionError as ConnectionLostError
    from botocore.parsers import ResponseParserError

    if isinstance(error, ClientError):
        return _code(error) in _THROTTLED or _status(error) in TRANSIENT_STATUSES
    return isinstance(error, ConnectionLostError | HTTPClientError | ResponseParserError)


def remote_error(error: BaseException, *, doing: str) -> WifError:
    """Our error for an exception of botocore.

    Args:
        error: What botocore raised.
        doing: What we were doing; it follows "While".
    """
    from botocore.exceptions import ClientError, NoCredentialsError

    said = f"While {doing}, AWS answered: {redacted(' '.join(str(error).split()))}"
    if isinstance(error, NoCredentialsError):
        return HomeNotFoundError(
            said, remedy="Run where AWS gives an identity (EC2, ECS, EKS, Lambda), or name a profile."
        )
    if is_transient(error):
        return UnavailableError(said, remedy="Try again later; https://health.aws.amazon.com tells of outages.")
    if not isinstance(error, ClientError):
        return RemoteError(said, remedy="Check the AWS configuration of this machine: region, profile and endpoint.")
    return _answered(_code(error), _status(error), said)


@contextmanager
def translated(doing: str) -> Iterator[None]:
    """Turn what botocore raises inside the block into our errors; ours pass unchanged.

    Args:
        doing: What we were doing; it follows "While".

    Raises:
        WifError: For every exception of botocore.
    """
    from botocore.exceptions import BotoCoreError, ClientError
    from botocore.parsers import ResponseParserError

    try:
        yield
    except (BotoCoreError, ClientError, ResponseParserError) as error:
        raise remote_error(error, doing=doing) from error


def _answered(code: str, status: int | None, said: str) -> WifError:
    if code in _EXPIRED:
        return AccessDeniedError(
            said, remedy="The AWS session is stale or the clock is wrong: renew the session, check NTP."
        )
    if code in _DENIED:
        return AccessDeniedError(said, remedy="Allow the action that AWS names in the role's policy, on this resource.")
    if code in _ABSENT:
        return NotFoundError(said, remedy="Check the name, the account and the region.", status=status)
    if code in _CHANGED:
        return ConflictError(said, remedy="It changed since it was listed: take a new inventory.", status=status)
    return RemoteError(said, remedy="Correct what AWS names, then run again.", status=status)


def _code(error: BaseException) -> str:
    return str(getattr(error, "response", {}).get("Error", {}).get("Code", ""))


def _status(error: BaseException) -> int | None:
    status = getattr(error, "response", {}).get("ResponseMetadata", {}).get("HTTPStatusCode")
    return status if isinstance(status, int) else None
