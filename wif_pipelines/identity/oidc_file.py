"""A workload whose platform writes it an OIDC token into a file: Kubernetes' projected tokens, and anything alike.

https://cloud.google.com/iam/docs/workload-identity-federation-with-kubernetes
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wif_pipelines.errors import HomeNotFoundError
from wif_pipelines.identity.home import claims
from wif_pipelines.identity.provider import ProviderName
from wif_pipelines.wire.clock import SYSTEM

if TYPE_CHECKING:
    from google.auth import external_account

JWT = "urn:ietf:params:oauth:token-type:jwt"


@dataclass(frozen=True)
class OidcFileHome:
    """A token in a file, read anew for each exchange because the platform replaces it.

    Attributes:
        path: The file.
        field: The JSON field that holds the token; None when the file holds the token alone.
        token_type: The subject token's type, as RFC 8693 names them.
    """

    path: Path
    field: str | None = None
    token_type: str = JWT

    @property
    def name(self) -> str:
        """See `Home`."""
        return "oidc-file"

    def detect(self) -> str | None:
        """Not here when there is no such file; broken when what it holds is no token or has ended."""
        if not self.path.exists():
            return None
        said = self._claims()
        if float(said.get("exp", "inf")) < SYSTEM.now().timestamp():
            raise HomeNotFoundError(
                f"The token in {self.path} has ended.",
                remedy="See why its writer stopped: for a projected volume, the kubelet's log.",
            )
        return f"{self.path} holds a token of {said.get('iss')} for {said.get('sub')}"

    def subject(self) -> str:
        """The token's ``sub``."""
        return str(self._claims().get("sub", "a token without subject"))

    def member(self, provider: ProviderName) -> str:
        """For ``google.subject=assertion.sub``, as Google's guides map it."""
        return f"principal://iam.googleapis.com/{provider.pool_name}/subject/{self.subject()}"

    def external_account(
        self, provider: ProviderName, *, token_url: str, scopes: Sequence[str], universe_domain: str
    ) -> "external_account.Credentials":
        """See `Home`."""
        from google.auth import identity_pool

        return identity_pool.Credentials(
            audience=provider.audience,
            subject_token_type=self.token_type,
            token_url=token_url,
            subject_token_supplier=self,
            scopes=list(scopes),
            universe_domain=universe_domain,
        )

    def get_subject_token(self, context: object, request: object) -> str:  # noqa: ARG002 - google-auth's interface
        """The token as it is now (google-auth's supplier interface).

        Raises:
            HomeNotFoundError: The file is missing, unreadable or holds no token.
        """
        try:
            text = self.path.read_text(encoding="utf-8").strip()
        except OSError as error:
            raise HomeNotFoundError(
                f"The token file {self.path} cannot be read: {error.strerror}.",
                remedy="Mount a projected service-account token whose audience is the provider's URL; set token_file.",
            ) from None
        token = self._in_field(text) if self.field else text
        if not token:
            raise HomeNotFoundError(
                f"The token file {self.path} is empty.", remedy="See why its writer writes nothing."
            )
        return token

    def _in_field(self, text: str) -> str:
        try:
            return str(json.loads(text)[self.field])
        except (ValueError, KeyError, TypeError):
            raise HomeNotFoundError(
                f"The token file {self.path} has no JSON field {self.field!r}.",
                remedy="Name the field that holds the token, or none if the file holds only the token.",
            ) from None

    def _claims(self) -> dict[str, Any]:
        try:
            return claims(self.get_subject_token(None, None))
        except ValueError:
            raise HomeNotFoundError(
                f"What {self.path} holds is no JWT.", remedy="Point token_file at an OIDC token."
            ) from None
