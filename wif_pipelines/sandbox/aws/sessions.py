"""Sessions of assumed roles: made, found again, and let go when they have expired.

Kept apart from moto, whose sessions never expire and whose look-up is a walk over a list. A session's secret and token
exist in this process's memory and in the sealed snapshot, nowhere else.
"""

import dataclasses
import datetime
import hmac
import secrets
import string
import threading

__all__ = ["Session", "Sessions"]

_LETTERS = string.ascii_uppercase + "234567"


@dataclasses.dataclass(frozen=True)
class Session:
    """One assumed role with its temporary keys."""

    role_name: str
    role_id: str
    name: str
    account: str
    expires: datetime.datetime
    access_key_id: str
    secret: str = dataclasses.field(repr=False)
    token: str = dataclasses.field(repr=False)
    policy: str | None = None

    @property
    def arn(self) -> str:
        """How GetCallerIdentity names the caller."""
        return f"arn:aws:sts::{self.account}:assumed-role/{self.role_name}/{self.name}"

    @property
    def user_id(self) -> str:
        """Role id and session name, as GetCallerIdentity returns them."""
        return f"{self.role_id}:{self.name}"

    def holds(self, token: str) -> bool:
        """Compare a presented session token, in constant time."""
        return hmac.compare_digest(self.token.encode(), token.encode())


class Sessions:
    """All sessions that have not long expired, by access key id. Safe to use from many threads."""

    def __init__(self) -> None:
        self._sessions: dict[str, Session] = {}
        self._lock = threading.Lock()

    def open(
        self, *, role_name: str, role_id: str, name: str, account: str, seconds: int, policy: str | None = None
    ) -> Session:
        """Make a session with fresh keys, valid from now for so many seconds."""
        now = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
        session = Session(
            role_name=role_name,
            role_id=role_id,
            name=name,
            account=account,
            expires=now + datetime.timedelta(seconds=seconds),
            access_key_id="ASIA" + "".join(secrets.choice(_LETTERS) for _ in range(16)),
            secret=secrets.token_urlsafe(30),
            token="IQoJb3JpZ2luX2Vj" + secrets.token_urlsafe(240),
            policy=policy,
        )
        with self._lock:
            self._forget_stale(now)
            self._sessions[session.access_key_id] = session
        return session

    def find(self, access_key_id: str) -> Session | None:
        """The session with this access key id, expired or not; None when it was never opened or is long gone."""
        return self._sessions.get(access_key_id)

    def dump(self) -> dict[str, Session]:
        """A copy for the snapshot."""
        with self._lock:
            return dict(self._sessions)

    def load(self, sessions: dict[str, Session]) -> None:
        """Take over the sessions of a snapshot."""
        with self._lock:
            self._sessions.update(sessions)

    def _forget_stale(self, now: datetime.datetime) -> None:
        # For a day after its end a session is answered with "expired"; later with "unknown", as in the real service.
        limit = now - datetime.timedelta(days=1)
        for key in [key for key, session in self._sessions.items() if session.expires < limit]:
            del self._sessions[key]
