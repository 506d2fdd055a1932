"""Getting tokens: the exchange at Google's Security Token Service, and the impersonation of a service account.

google-auth does the talking. This module adds what it leaves to its users: another attempt when the service is busy, a
time limit of seconds instead of minutes, errors that say what to mend, and a record of each.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

from wif_pipelines.errors import IdentityError, ImpersonationError, TokenExchangeError, WifError
from wif_pipelines.identity import audit
from wif_pipelines.identity.catalogue import Stage, fill, look_up
from wif_pipelines.identity.google_credential import google_credential
from wif_pipelines.identity.home import Home
from wif_pipelines.identity.provider import ProviderName
from wif_pipelines.identity.tokens import AccessToken, TokenSource
from wif_pipelines.wire.clock import SYSTEM, Clock
from wif_pipelines.wire.google_errors import TRANSIENT_STATUSES
from wif_pipelines.wire.redaction import redacted
from wif_pipelines.wire.retry import Backoff, retrying

TIMEOUT = 20.0
"""Seconds for one request; google-auth's own 120 make a blocked network look like a hang."""

_TOLERATED_SKEW = timedelta(seconds=5)
_UNKNOWN = "This answer is not in the catalogue; the service's own words are above."


@dataclass(frozen=True)
class Exchange:
    """Fetches a federated token: the provider's pool vouches for who we are at home.

    Attributes:
        home: Where the proof comes from.
        provider: Who checks it.
        scopes: What the token may be used for.
        token_url: The Security Token Service.
        universe_domain: The cloud's domain.
        backoff: How long and how often to ask a busy service.
        clock: Whose time to use.
    """

    home: Home
    provider: ProviderName
    scopes: Sequence[str]
    token_url: str
    universe_domain: str = "googleapis.com"
    backoff: Backoff = Backoff()
    clock: Clock = SYSTEM

    def __call__(self) -> AccessToken:
        """A new token.

        Raises:
            TokenExchangeError: The service refused, or did not answer in time.
            IdentityError: The home could not give its proof.
        """
        errand = _Errand(
            "exchange", self.home, self.provider, became=self.provider.pool_name, source=_source(self.home)
        )
        return errand.run(self._once, self.backoff, self.clock)

    def _once(self) -> AccessToken:
        from google.auth.exceptions import GoogleAuthError

        credential = self.home.external_account(
            self.provider, token_url=self.token_url, scopes=self.scopes, universe_domain=self.universe_domain
        )
        with _requests() as request:
            try:
                credential.refresh(request)
            except GoogleAuthError as error:
                raise self._refusal(error, request) from None
        return _token(credential, self.clock.now(), skew=timedelta(0))

    def _refusal(self, error: Exception, request: "_ObservedRequest") -> TokenExchangeError:
        name, said = _oauth_error(error)
        cause, remedy = _explained("exchange", said, name, _values(self.home, self.provider))
        return TokenExchangeError(
            f"The token exchange with {self.provider.audience} failed ({request.status or 'no answer'}): {said}{cause}",
            remedy=remedy,
            error=name,
            status=request.status,
            transient=request.worth_repeating(error),
            retry_after=request.retry_after,
        )


@dataclass(frozen=True)
class Impersonation:
    """Fetches a service account's token with a federated one.

    Attributes:
        service_account: Its e-mail address.
        source: Where federated tokens come from.
        home: Where they come from in turn, for the record.
        provider: Who vouched for them, for the record.
        scopes: What the token may be used for; the service refuses a request without any.
        url: The account's ``generateAccessToken``.
        delegates: E-mail addresses of accounts to pass through, in order.
        lifetime: Seconds that the token shall live.
        backoff: How long and how often to ask a busy service.
        clock: Whose time to use.
    """

    service_account: str
    source: TokenSource
    home: Home
    provider: ProviderName
    scopes: Sequence[str]
    url: str
    delegates: Sequence[str] = ()
    lifetime: int = 3600
    backoff: Backoff = Backoff()
    clock: Clock = SYSTEM

    def __call__(self) -> AccessToken:
        """A new token.

        Raises:
            ImpersonationError: The service refused, or did not answer in time.
            TokenExchangeError: There is no federated token to impersonate with.
        """
        federated = self.source.token()
        errand = _Errand(
            "impersonation", self.home, self.provider, became=self.service_account, source=_source(self.home)
        )
        try:
            return errand.run(self._once, self.backoff, self.clock)
        except ImpersonationError as error:
            if error.status != 401:
                raise
        # The federated token ended before its time; one more attempt with another.
        self.source.replacement(federated.value)
        return errand.run(self._once, self.backoff, self.clock)

    def _once(self) -> AccessToken:
        from google.auth import impersonated_credentials
        from google.auth.exceptions import GoogleAuthError

        credential = impersonated_credentials.Credentials(
            source_credentials=google_credential(self.source),
            target_principal=self.service_account,
            target_scopes=list(self.scopes),
            delegates=[f"projects/-/serviceAccounts/{name}" for name in self.delegates],
            lifetime=self.lifetime,
            iam_endpoint_override=self.url,
        )
        with _requests() as request:
            try:
                credential.refresh(request)
            except GoogleAuthError as error:
                raise self._refusal(error, request) from None
            now = self.clock.now()
            return _token(credential, now, skew=request.skew(now))

    def _refusal(self, error: Exception, request: "_ObservedRequest") -> ImpersonationError:
        said = _google_error(error)
        values = _values(self.home, self.provider) | {"service_account": self.service_account}
        cause, remedy = _explained("impersonation", said, "", values)
        return ImpersonationError(
            f"{self.service_account} could not be impersonated ({request.status or 'no answer'}): {said}{cause}",
            remedy=remedy,
            service_account=self.service_account,
            status=request.status,
            transient=request.worth_repeating(error),
            retry_after=request.retry_after,
        )


@dataclass(frozen=True)
class _Errand:
    """One exchange or impersonation, with its record."""

    kind: Any
    home: Home
    provider: ProviderName
    became: str
    source: str

    def run(self, once: Callable[[], AccessToken], backoff: Backoff, clock: Clock) -> AccessToken:
        started, attempts = clock.monotonic(), 0

        def counted() -> AccessToken:
            nonlocal attempts
            attempts += 1
            return once()

        draft = audit.ExchangeRecord(
            kind=self.kind,
            home=self.home.name,
            source=self.source,
            provider=self.provider.audience,
            became=self.became,
            outcome="refused",
            reason="",
            attempts=0,
            seconds=0.0,
            issued_at=clock.now(),
            expires_at=None,
            fingerprint="",
        )
        try:
            token = retrying(counted, on=_worth_repeating, backoff=backoff, clock=clock)
        except WifError as error:
            took = clock.monotonic() - started
            audit.emit(replace(draft, reason=error.message, attempts=attempts, seconds=took, issued_at=clock.now()))
            raise
        audit.emit(
            replace(
                draft,
                outcome="granted",
                attempts=attempts,
                seconds=clock.monotonic() - started,
                issued_at=token.issued_at,
                expires_at=token.expires_at,
                fingerprint=token.fingerprint,
            )
        )
        return token


class _ObservedRequest:
    """google-auth's way of making requests, with our patience, and with an eye on the answer.

    google-auth's exceptions tell the body of an answer but not its status.
    """

    def __init__(self, request: Callable[..., Any]) -> None:
        self._request = request
        self.status: int | None = None
        self.headers: Mapping[str, str] = {}

    def __call__(self, url: str, method: str = "GET", **rest: Any) -> Any:
        self.status, self.headers = None, {}
        response = self._request(url=url, method=method, **{**rest, "timeout": TIMEOUT})
        self.status, self.headers = int(response.status), response.headers
        return response

    @property
    def retry_after(self) -> float | None:
        value = self.headers.get("Retry-After", "")
        return float(value) if value.isdigit() else None

    def worth_repeating(self, error: Exception) -> bool:
        from google.auth.exceptions import TransportError

        return self.status in TRANSIENT_STATUSES or isinstance(error, TransportError)

    def skew(self, now: datetime) -> timedelta:
        """How far our clock runs ahead of the service's; zero within what a Date header can tell."""
        try:
            skew = now - parsedate_to_datetime(self.headers["Date"])
        except (KeyError, ValueError, TypeError):
            return timedelta(0)
        return skew if abs(skew) > _TOLERATED_SKEW else timedelta(0)


@contextmanager
def _requests() -> Iterator[_ObservedRequest]:
    """A connection of its own for each token: they are hours apart, and a fork shares none."""
    import requests
    from google.auth.transport.requests import Request

    with requests.Session() as session:
        yield _ObservedRequest(Request(session))


def _token(credential: Any, now: datetime, *, skew: timedelta) -> AccessToken:
    expires_at = credential.expiry.replace(tzinfo=UTC) + skew
    return AccessToken(value=credential.token, issued_at=now, expires_at=expires_at)


def _worth_repeating(error: Exception) -> bool:
    return isinstance(error, TokenExchangeError | ImpersonationError) and error.transient


def _source(home: Home) -> str:
    """Who asks, as well as it can be known: a record without a name is better than no token."""
    try:
        return home.subject()
    except WifError:
        return f"unknown, at home {home.name}"


def _values(home: Home, provider: ProviderName) -> dict[str, str]:
    values = {
        "audience": provider.audience,
        "pool": provider.pool_name,
        "pool_id": provider.pool,
        "provider": provider.provider,
        "project": provider.project_number,
        "source": _source(home),
    }
    try:
        return values | {"member": home.member(provider)}
    except WifError:
        return values


def _explained(stage: Stage, said: str, error: str, values: Mapping[str, str]) -> tuple[str, str]:
    entry = look_up(stage, said, error=error)
    if entry is None:
        return "", _UNKNOWN
    return f" — {fill(entry.cause, values)}", fill(entry.remedy, values)


def _oauth_error(error: Exception) -> tuple[str, str]:
    """The OAuth error's name, and name and description together, of `{"error": …, "error_description": …}`."""
    body = _body(error)
    try:
        answer = json.loads(body)
        name = answer["error"]
    except (ValueError, KeyError, TypeError):
        return "", _plain(body)
    if isinstance(name, dict):  # Google's own error shape, as when the API is off
        return "", _plain(str(name.get("message", body)))
    return str(name), _plain(f"{name}: {answer.get('error_description', '')}")


def _google_error(error: Exception) -> str:
    """The message of `{"error": {"message": …}}`."""
    body = _body(error)
    try:
        return _plain(str(json.loads(body)["error"]["message"]))
    except (ValueError, KeyError, TypeError):
        return _plain(body)


def _body(error: Exception) -> str:
    # google-auth puts the answer's body second, after its own words.
    texts = [str(part) for part in error.args if part]
    return texts[-1] if texts else type(error).__name__


def _plain(text: str) -> str:
    return redacted(" ".join(text.split()))[:2000]


__all__ = ["TIMEOUT", "Exchange", "IdentityError", "Impersonation"]
