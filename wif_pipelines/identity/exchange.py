"""The exchange at Google's Security Token Service: a proof of who we are at home, for a federated token.

google-auth does the talking. This adds what it leaves to its users: another attempt when the service is busy, a time
limit of seconds instead of minutes, errors that say what to mend, and a record.
https://cloud.google.com/iam/docs/reference/sts/rest/v1/TopLevel/token
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from wif_pipelines.errors import TokenExchangeError
from wif_pipelines.identity.errand import Errand, token_of
from wif_pipelines.identity.home import Home
from wif_pipelines.identity.provider import ProviderName
from wif_pipelines.identity.refusal import explained, oauth_refusal, values_at_hand
from wif_pipelines.identity.request import ObservedRequest, observed_requests
from wif_pipelines.identity.tokens import AccessToken
from wif_pipelines.wire.clock import SYSTEM, Clock
from wif_pipelines.wire.retry import Backoff


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
    backoff: Backoff = field(default_factory=Backoff)
    clock: Clock = SYSTEM

    def __call__(self) -> AccessToken:
        """A new token.

        Raises:
            TokenExchangeError: The service refused, or did not answer in time.
            WifError: The home could not give its proof.
        """
        errand = Errand(
            kind="exchange",
            home=self.home,
            provider=self.provider.audience,
            became=self.provider.pool_name,
            backoff=self.backoff,
            clock=self.clock,
        )
        return errand.run(self._ask)

    def _ask(self) -> AccessToken:
        from google.auth.exceptions import GoogleAuthError

        credential = self.home.external_account(
            self.provider, token_url=self.token_url, scopes=self.scopes, universe_domain=self.universe_domain
        )
        with observed_requests() as request:
            try:
                credential.refresh(request)
            except GoogleAuthError as error:
                raise self._refusal(error, request) from None  # its text may repeat what was sent
        return token_of(credential, self.clock.now())

    def _refusal(self, error: Exception, request: ObservedRequest) -> TokenExchangeError:
        name, said = oauth_refusal(error)
        cause, remedy = explained("exchange", said, error=name, values=values_at_hand(self.home, self.provider))
        return TokenExchangeError(
            f"The token exchange with {self.provider.audience} failed ({request.status or 'no answer'}): {said}{cause}",
            remedy=remedy,
            error=name,
            status=request.status,
            transient=request.worth_repeating(error),
            retry_after=request.retry_after,
        )
