"""Access tokens, and the source that gives any number of threads the same one."""

import hashlib
import threading
from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from wif_pipelines.identity.sharing import mend_after_fork
from wif_pipelines.wire.clock import SYSTEM, Clock

LONGEST_MARGIN = timedelta(minutes=5)
"""How long before its end a token is replaced: google-auth thinks one stale 3:45, obstore 4:00 before its end."""


@dataclass(frozen=True)
class AccessToken:
    """A short-lived bearer token. Its representation does not show it.

    Attributes:
        value: The token; put it into an Authorization header and nowhere else.
        issued_at: When we got it, with time zone.
        expires_at: When it ends, with time zone.
    """

    value: str = field(repr=False)
    issued_at: datetime
    expires_at: datetime

    @property
    def fingerprint(self) -> str:
        """Twelve hexadecimal digits that tell tokens apart in an audit without giving any away."""
        return hashlib.sha256(self.value.encode()).hexdigest()[:12]

    def stale(self, now: datetime) -> bool:
        """Whether it is time for another: five minutes before the end, or the last quarter of a short life."""
        margin = min(LONGEST_MARGIN, (self.expires_at - self.issued_at) / 4)
        return now >= self.expires_at - margin


class TokenSource:
    """Fetches a token when there is none or it is stale, once for all threads that ask meanwhile.

    A failure goes to every thread that waited for it; the next one to ask tries again.

    Args:
        fetch: Gets a new token; called by one thread at a time.
        clock: Whose time decides on staleness.
    """

    def __init__(self, fetch: Callable[[], AccessToken], *, clock: Clock = SYSTEM) -> None:
        self._fetch = fetch
        self._clock = clock
        self._token: AccessToken | None = None
        self._flight: Future[AccessToken] | None = None
        self._lock = threading.Lock()
        mend_after_fork(self)

    def token(self) -> AccessToken:
        """A token that is good for some time yet."""
        return self._other_than(None)

    def replacement(self, rejected: str | None) -> AccessToken:
        """A token other than the one that a service just refused, though by our clock it may still be good."""
        return self._other_than(rejected)

    def after_fork(self) -> None:
        """A child keeps the token, and waits for no flight of its parent's."""
        self._lock = threading.Lock()
        self._flight = None

    def _other_than(self, rejected: str | None) -> AccessToken:
        while True:
            with self._lock:
                token, flight = self._token, self._flight
                if flight is None:
                    if token is not None and token.value != rejected and not token.stale(self._clock.now()):
                        return token
                    mine: Future[AccessToken] = Future()
                    self._flight = mine
            if flight is None:
                return self._fly(mine)
            try:
                return flight.result()
            except CancelledError:
                continue  # the thread that flew was interrupted, which is its own affair: fly ourselves

    def _fly(self, flight: Future[AccessToken]) -> AccessToken:
        try:
            token = self._fetch()
        except Exception as error:
            self._land(None)
            flight.set_exception(error)
            raise
        except BaseException:
            self._land(None)
            flight.cancel()
            raise
        self._land(token)
        flight.set_result(token)
        return token

    def _land(self, token: AccessToken | None) -> None:
        with self._lock:
            self._token = token or self._token
            self._flight = None
