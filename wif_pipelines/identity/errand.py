"""Asking for one token: again when the service is busy, and with one record of how it went."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from wif_pipelines.errors import ImpersonationError, TokenExchangeError, WifError
from wif_pipelines.identity import audit
from wif_pipelines.identity.home import Home
from wif_pipelines.identity.refusal import source_of
from wif_pipelines.identity.tokens import AccessToken
from wif_pipelines.wire.clock import Clock
from wif_pipelines.wire.retry import Backoff, retrying

_REFUSALS = (TokenExchangeError, ImpersonationError)


@dataclass(frozen=True)
class Errand:
    """One exchange or impersonation.

    Attributes:
        kind: Which.
        home: Where the one who asks lives.
        provider: Who vouches.
        became: Whom it makes us.
        backoff: How long and how often to ask a busy service.
        clock: Whose time to use.
    """

    kind: Literal["exchange", "impersonation"]
    home: Home
    provider: str
    became: str
    backoff: Backoff
    clock: Clock

    def run(self, ask: Callable[[], AccessToken]) -> AccessToken:
        """Ask until there is a token, and tell the audit.

        Raises:
            WifError: The last refusal.
        """
        started, attempts = self.clock.monotonic(), 0

        def counted() -> AccessToken:
            nonlocal attempts
            attempts += 1
            return ask()

        try:
            token = retrying(counted, on=_worth_repeating, backoff=self.backoff, clock=self.clock)
        except WifError as error:
            # A home that could not prove who it is need not be asked again who it is.
            source = source_of(self.home) if isinstance(error, _REFUSALS) else f"unknown, at home {self.home.name}"
            audit.emit(replace(self._record(source, attempts, started), reason=error.message))
            raise
        audit.emit(
            replace(
                self._record(source_of(self.home), attempts, started),
                outcome="granted",
                issued_at=token.issued_at,
                expires_at=token.expires_at,
                fingerprint=token.fingerprint,
            )
        )
        return token

    def _record(self, source: str, attempts: int, started: float) -> audit.ExchangeRecord:
        return audit.ExchangeRecord(
            kind=self.kind,
            home=self.home.name,
            source=source,
            provider=self.provider,
            became=self.became,
            outcome="refused",
            reason="",
            attempts=attempts,
            seconds=self.clock.monotonic() - started,
            issued_at=self.clock.now(),
            expires_at=None,
            fingerprint="",
        )


def token_of(credential: Any, now: datetime, *, skew: timedelta = timedelta(0)) -> AccessToken:
    """The token that a google-auth credential holds after its refresh.

    Args:
        credential: It keeps its expiry in UTC without saying so.
        now: The time by our clock.
        skew: How far our clock runs ahead of the one that the expiry is told in.
    """
    return AccessToken(value=credential.token, issued_at=now, expires_at=credential.expiry.replace(tzinfo=UTC) + skew)


def _worth_repeating(error: Exception) -> bool:
    return isinstance(error, _REFUSALS) and error.transient
