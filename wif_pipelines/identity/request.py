"""google-auth's way of making requests, with our patience, and with an eye on the answer."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

from wif_pipelines.wire.google_errors import TRANSIENT_STATUSES

TIMEOUT = 20.0
"""Seconds for one request; google-auth's own 120 make a blocked network look like a hang."""

_TOLERATED_SKEW = timedelta(seconds=5)


class ObservedRequest:
    """Keeps the status and headers of the last answer, which google-auth's exceptions do not tell.

    Attributes:
        status: Of the last answer; None when there was none.
        headers: Of the last answer.
    """

    def __init__(self, request: Callable[..., Any]) -> None:
        self._request = request
        self.status: int | None = None
        self.headers: Mapping[str, str] = {}

    def __call__(self, url: str, method: str = "GET", **rest: Any) -> Any:
        """google-auth's request interface."""
        self.status, self.headers = None, {}
        response = self._request(url=url, method=method, **{**rest, "timeout": TIMEOUT})
        self.status, self.headers = int(response.status), response.headers
        return response

    @property
    def retry_after(self) -> float | None:
        """Seconds that the service asked us to wait."""
        value = self.headers.get("Retry-After", "")
        return float(value) if value.isdigit() else None

    def worth_repeating(self, error: Exception) -> bool:
        """Whether the request that ended in the error may succeed if it is sent again."""
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
def observed_requests() -> Iterator[ObservedRequest]:
    """A connection of its own for each token: tokens are hours apart, and a fork then shares none."""
    import requests
    from google.auth.transport.requests import Request

    with requests.Session() as session:
        yield ObservedRequest(Request(session))
