"""Everything this package raises on purpose, and what each error means.

Each error carries the remedy: what to do next, in the words of the person who has to do it. No message, remedy or
attribute ever holds a token, a key or a signature. The tree:

    WifError
    ├── ConfigurationError          a value that we were given cannot be right
    │   └── StaticKeyError          a long-lived key where only short-lived credentials may be
    ├── IdentityError               we could not become who we should be
    │   ├── HomeNotFoundError       this machine offers no identity of the expected kind
    │   ├── WrongIdentityError      it offers one, but another than the expected
    │   ├── TokenExchangeError      Google's token service refused or did not answer
    │   └── ImpersonationError      the service account could not be impersonated
    ├── AccessDeniedError           we are who we should be, and may not do this
    ├── RemoteError                 a service answered something else than what was asked for
    │   ├── UnavailableError        it may answer if asked again later
    │   ├── NotFoundError           the thing does not exist, or is hidden from us
    │   └── ConflictError           it exists already, or changed under us
    ├── ComplianceError             a policy of ours does not hold; carries every finding
    ├── IngestionError              data did not arrive as it left
    │   ├── PlanError               it cannot be planned as asked
    │   ├── TransferError           a copy failed
    │   └── VerificationError       a copy differs from its source; names the objects
    └── RemoteJobError              a job that runs elsewhere did not do its work
        ├── TrainingFailedError     a training job failed
        ├── DeploymentFailedError   a model could not be made to serve
        └── JobCancelledError       somebody cancelled it

Rooms above may derive their own errors from these.
"""

from collections.abc import Sequence

__all__ = [
    "AccessDeniedError",
    "ComplianceError",
    "ConfigurationError",
    "ConflictError",
    "DeploymentFailedError",
    "HomeNotFoundError",
    "IdentityError",
    "ImpersonationError",
    "IngestionError",
    "JobCancelledError",
    "NotFoundError",
    "PlanError",
    "RemoteError",
    "RemoteJobError",
    "StaticKeyError",
    "TokenExchangeError",
    "TrainingFailedError",
    "TransferError",
    "UnavailableError",
    "VerificationError",
    "WifError",
    "WrongIdentityError",
]


class WifError(Exception):
    """What happened, what it means, and what to do.

    Args:
        message: What happened and what it means, one or more sentences.
        remedy: What to do about it: a command, a setting or a person to ask.
    """

    def __init__(self, message: str, *, remedy: str) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        """The message, and the remedy on lines of its own."""
        return f"{self.message}\n  → " + self.remedy.replace("\n", "\n    ")

    def __reduce__(self) -> tuple[object, ...]:
        """Errors cross process boundaries (Dagster's steps, executors) with all that they say."""
        return _restored, (type(self), self.args, self.__dict__)


def _restored(kind: type[WifError], args: tuple[object, ...], state: dict[str, object]) -> WifError:
    error = kind.__new__(kind, *args)
    error.args = args
    error.__dict__.update(state)
    return error


class ConfigurationError(WifError):
    """A value that we were given cannot be right, whatever the services say."""


class StaticKeyError(ConfigurationError):
    """A long-lived key was found where only short-lived credentials may be."""


class IdentityError(WifError):
    """We could not become who we should be."""


class HomeNotFoundError(IdentityError):
    """This machine offers no identity of the expected kind, or a broken one."""


class WrongIdentityError(IdentityError):
    """This machine offers an identity, but another than the expected.

    Args:
        message: Names both.
        remedy: Where the unexpected one comes from and how to get the expected one.
        expected: The ARN that was configured.
        found: The ARN that answered.
        method: How botocore found it (``iam-role``, ``container-role``, ...).
    """

    def __init__(self, message: str, *, remedy: str, expected: str, found: str, method: str) -> None:
        super().__init__(message, remedy=remedy)
        self.expected = expected
        self.found = found
        self.method = method


class TokenExchangeError(IdentityError):
    """Google's Security Token Service refused the exchange, or did not answer.

    Args:
        message: What it said.
        remedy: What the catalogue of known errors advises.
        error: Its OAuth error, such as ``invalid_target``; empty when there was no answer of that form.
        status: The HTTP status, or None when there was no answer.
        transient: Whether asking again may help.
        retry_after: Seconds that the service asked us to wait, or None.
    """

    def __init__(
        self,
        message: str,
        *,
        remedy: str,
        error: str = "",
        status: int | None = None,
        transient: bool = False,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message, remedy=remedy)
        self.error = error
        self.status = status
        self.transient = transient
        self.retry_after = retry_after


class ImpersonationError(IdentityError):
    """The exchange went well, but the service account could not be impersonated.

    Args:
        message: What the IAM Credentials API said.
        remedy: What the catalogue of known errors advises.
        service_account: The account that was to be impersonated.
        status: The HTTP status, or None when there was no answer.
        transient: Whether asking again may help.
        retry_after: Seconds that the service asked us to wait, or None.
    """

    def __init__(
        self,
        message: str,
        *,
        remedy: str,
        service_account: str,
        status: int | None = None,
        transient: bool = False,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message, remedy=remedy)
        self.service_account = service_account
        self.status = status
        self.transient = transient
        self.retry_after = retry_after


class AccessDeniedError(WifError):
    """We are who we should be, and may not do this."""


class RemoteError(WifError):
    """A service answered something else than what was asked for.

    Args:
        message: What we were doing and what the service said.
        remedy: What to do about it.
        status: The HTTP status, or None when there was no answer.
    """

    def __init__(self, message: str, *, remedy: str, status: int | None = None) -> None:
        super().__init__(message, remedy=remedy)
        self.status = status


class UnavailableError(RemoteError):
    """The service may answer if it is asked again later.

    Args:
        message: What we were doing and what the service said.
        remedy: What to do about it.
        status: The HTTP status, or None when there was no answer.
        retry_after: Seconds that the service asked us to wait, or None.
    """

    def __init__(
        self, message: str, *, remedy: str, status: int | None = None, retry_after: float | None = None
    ) -> None:
        super().__init__(message, remedy=remedy, status=status)
        self.retry_after = retry_after


class NotFoundError(RemoteError):
    """The thing does not exist, or is hidden from us: Google and AWS do not always tell the two apart."""


class ConflictError(RemoteError):
    """It exists already, or it changed between our look and our write."""


class ComplianceError(WifError):
    """A policy of ours does not hold, so nothing was started.

    Args:
        message: How many findings, and on what.
        remedy: Every finding's remedy.
        findings: One line for each finding.
    """

    def __init__(self, message: str, *, remedy: str, findings: Sequence[str] = ()) -> None:
        super().__init__(message, remedy=remedy)
        self.findings = tuple(findings)


class IngestionError(WifError):
    """Data did not arrive as it left."""


class PlanError(IngestionError):
    """The transfer cannot be planned as asked."""


class TransferError(IngestionError):
    """A copy failed."""


class VerificationError(IngestionError):
    """A copy differs from its source.

    Args:
        message: How many objects, and what differs.
        remedy: What to do about it.
        objects: The names of the objects concerned.
    """

    def __init__(self, message: str, *, remedy: str, objects: Sequence[str]) -> None:
        super().__init__(message, remedy=remedy)
        self.objects = tuple(objects)


class RemoteJobError(WifError):
    """A job that runs elsewhere did not do its work.

    Args:
        message: The job's state and what it says of itself.
        remedy: Where to look, or what to change.
        job: The job's resource name.
    """

    def __init__(self, message: str, *, remedy: str, job: str = "") -> None:
        super().__init__(message, remedy=remedy)
        self.job = job


class TrainingFailedError(RemoteJobError):
    """A training job failed."""


class DeploymentFailedError(RemoteJobError):
    """A model could not be made to serve."""


class JobCancelledError(RemoteJobError):
    """Somebody cancelled the job."""
