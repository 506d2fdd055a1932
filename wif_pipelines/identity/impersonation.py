"""Becoming a service account, with a federated token that may impersonate it.

https://cloud.google.com/iam/docs/reference/credentials/rest/v1/projects.serviceAccounts/generateAccessToken
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from wif_pipelines.errors import ImpersonationError
from wif_pipelines.identity.errand import Errand, token_of
from wif_pipelines.identity.google_credential import google_credential
from wif_pipelines.identity.home import Home
from wif_pipelines.identity.provider import ProviderName
from wif_pipelines.identity.refusal import explained, iam_refusal, values_at_hand
from wif_pipelines.identity.request import ObservedRequest, observed_requests
from wif_pipelines.identity.tokens import AccessToken, TokenSource
from wif_pipelines.wire.clock import SYSTEM, Clock
from wif_pipelines.wire.retry import Backoff

_NOT_SIGNED_IN = 401


@dataclass(frozen=True)
class Impersonation:
    """Fetches a service account's token.

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
    backoff: Backoff = field(default_factory=Backoff)
    clock: Clock = SYSTEM

    def __call__(self) -> AccessToken:
        """A new token.

        Raises:
            ImpersonationError: The service refused, or did not answer in time.
            TokenExchangeError: There is no federated token to impersonate with.
        """
        federated = self.source.token()
        errand = Errand(
            kind="impersonation",
            home=self.home,
            provider=self.provider.audience,
            became=self.service_account,
            backoff=self.backoff,
            clock=self.clock,
        )
        try:
            return errand.run(self._ask)
        except ImpersonationError as error:
            if error.status != _NOT_SIGNED_IN:
                raise
        # The federated token ended before its time: one more attempt, with another.
        self.source.replacement(federated.value)
        return errand.run(self._ask)

    def _ask(self) -> AccessToken:
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
        with observed_requests() as request:
            try:
                credential.refresh(request)
            except GoogleAuthError as error:
                raise self._refusal(error, request) from None  # its text may repeat what was sent
            # The service tells the expiry by its own clock.
            now = self.clock.now()
            return token_of(credential, now, skew=request.skew(now))

    def _refusal(self, error: Exception, request: ObservedRequest) -> ImpersonationError:
        said = iam_refusal(error)
        values = values_at_hand(self.home, self.provider) | {"service_account": self.service_account}
        cause, remedy = explained("impersonation", said, values=values)
        return ImpersonationError(
            f"{self.service_account} could not be impersonated ({request.status or 'no answer'}): {said}{cause}",
            remedy=remedy,
            service_account=self.service_account,
            status=request.status,
            transient=request.worth_repeating(error),
            retry_after=request.retry_after,
        )
