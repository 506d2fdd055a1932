"""Access tokens: opaque, short-lived, and remembered by their hash alone."""

import hashlib
import secrets
from collections.abc import Callable

from wif_pipelines.sandbox.google.access.principal import Principal
from wif_pipelines.sandbox.google.clock import Clock
from wif_pipelines.sandbox.google.errors import ApiError
from wif_pipelines.sandbox.google.store import Store

_DOC = "See https://developers.google.com/identity/sign-in/web/devconsole-project."
_MISSING = (
    "Request is missing required authentication credential. Expected OAuth 2 access token, login cookie or other valid "
    f"authentication credential. {_DOC}"
)
_INVALID = (
    "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid "
    f"authentication credential. {_DOC}"
)


class Tokens:
    """Issues and reads access tokens."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._issued = store.collection("access.tokens")
        self._store = store
        self._clock = clock
        self._is_usable: Callable[[Principal], bool] = lambda _: True

    def heed(self, is_usable: Callable[[Principal], bool]) -> None:
        """Refuse the tokens of principals, such as a disabled account, for as long as `is_usable` says no."""
        self._is_usable = is_usable

    def issue(self, principal: Principal, lifetime: float, *, prefix: str = "ya29.") -> str:
        """A new token for `principal` that lives `lifetime` seconds."""
        token = prefix + secrets.token_urlsafe(96)
        entry = {"principal": principal.as_document(), "expires": self._clock.time() + lifetime}
        self._issued.put(_digest(token), entry)
        return token

    def read(self, authorization: str | None) -> Principal:
        """The caller behind an Authorization header.

        Raises:
            ApiError: 401, when there is none, the token is unknown or past its expiry, or its principal is not usable.
        """
        if not authorization:
            raise ApiError(401, _MISSING, reason="required")
        scheme, _, token = authorization.partition(" ")
        entry = self._issued.get(_digest(token)) if scheme.lower() == "bearer" else None
        if entry and entry["expires"] > self._clock.time():
            principal = Principal.from_document(entry["principal"])
            if self._is_usable(principal):
                return principal
        raise ApiError(401, _INVALID, headers={"WWW-Authenticate": 'Bearer realm="https://accounts.google.com/"'})

    def expire_all(self) -> int:
        """Expire every token now; returns how many were alive."""
        with self._store.transaction():
            alive = [(name, entry) for name, entry in self._issued.list() if entry["expires"] > self._clock.time()]
            for name, entry in alive:
                self._issued.put(name, entry | {"expires": self._clock.time()})
        return len(alive)

    def forget_expired(self, *, older_than: float = 3600) -> None:
        """Drop tokens that expired more than `older_than` seconds ago."""
        with self._store.transaction():
            for name, entry in self._issued.list():
                if entry["expires"] + older_than < self._clock.time():
                    self._issued.delete(name)


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
