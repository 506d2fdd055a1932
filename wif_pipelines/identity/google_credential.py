"""A token source in the clothes of a google-auth credential, which every Google client accepts."""

import functools
import threading
from collections.abc import Callable
from datetime import UTC
from typing import TYPE_CHECKING, Any

from wif_pipelines.identity.tokens import AccessToken, TokenSource

if TYPE_CHECKING:
    from google.auth.credentials import Credentials

Recipe = tuple[Callable[..., object], tuple[object, ...]]


def google_credential(
    source: TokenSource,
    *,
    again: Recipe | None = None,
    quota_project_id: str | None = None,
    universe_domain: str = "googleapis.com",
) -> "Credentials":
    """A credential whose every copy and thread shares the source's one token.

    google-auth's own credentials have no lock around their refresh, so that many threads make many exchanges; and its
    clients copy a credential that has scopes to give. This one has none to give: what it may do was settled before.

    Args:
        source: Where tokens come from.
        again: A function and its arguments that give an equal credential in another process; without it the credential
            cannot be pickled.
        quota_project_id: The project that pays for the calls, if not the resource's own. The calls for tokens do not
            name it, so that the federated principal needs no right to use it.
        universe_domain: The cloud's domain.
    """
    credential: Credentials = _credential_class()(source, again, quota_project_id, universe_domain)
    return credential


@functools.cache
def _credential_class() -> Any:
    # The class stands inside a function because its base comes from an SDK, and SDKs are imported when they are used.
    from google.auth.credentials import Credentials

    class SharedCredential(Credentials):  # type: ignore[misc]
        """See `google_credential`."""

        def __init__(
            self, source: TokenSource, again: Recipe | None, quota_project_id: str | None, universe_domain: str
        ) -> None:
            super().__init__()
            self._quota_project_id = quota_project_id
            self._universe_domain = universe_domain
            self._source = source
            self._again = again
            self._sent = threading.local()

        def refresh(self, request: object) -> None:  # noqa: ARG002 - the source makes its own requests
            """Clients call this when a service refused the token that this thread sent last."""
            self._take(self._source.replacement(getattr(self._sent, "token", None)))

        def before_request(self, request: object, method: str, url: str, headers: dict[str, str]) -> None:  # noqa: ARG002
            """Put a good token into the headers of a request that is about to leave."""
            token = self._take(self._source.token())
            self._sent.token = token.value
            self.apply(headers, token=token.value)

        def _take(self, token: AccessToken) -> AccessToken:
            # google-auth keeps times without zone, in UTC.
            self.expiry = token.expires_at.astimezone(UTC).replace(tzinfo=None)
            self.token = token.value
            return token

        def __copy__(self) -> "SharedCredential":
            return self

        def __deepcopy__(self, memo: dict[int, object]) -> "SharedCredential":
            return self

        def __reduce__(self) -> Any:
            if self._again is None:
                raise TypeError("this credential belongs to this process")
            return self._again

        def __repr__(self) -> str:
            return "<a credential of wif_pipelines.identity>"

    return SharedCredential
