"""Where a workload may live: what every home answers, and who a token says it is.

A home is a small frozen value, so that it can be a key and cross process boundaries. To add one, write its module and
name it in `wif_pipelines.identity.workload`; nothing else needs to know.
"""

import base64
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

from wif_pipelines.identity.provider import ProviderName

if TYPE_CHECKING:
    from google.auth import external_account


class Home(Protocol):
    """Where the process runs, as far as identity goes."""

    @property
    def name(self) -> str:
        """The word for it in configuration."""
        ...

    def detect(self) -> str | None:
        """How we know that we are here, or None for not here. May ask the machine's own metadata service.

        Raises:
            IdentityError: We are here, but something is broken; the remedy says what to mend.
        """
        ...

    def subject(self) -> str:
        """Who we are here, for people to read: an ARN, a token's subject.

        Raises:
            WifError: It cannot be known.
        """
        ...

    def member(self, provider: ProviderName) -> str:
        """The IAM member that the provider's usual mapping makes of us.

        Raises:
            WifError: It cannot be known.
        """
        ...

    def external_account(
        self, provider: ProviderName, *, token_url: str, scopes: Sequence[str], universe_domain: str
    ) -> "external_account.Credentials":
        """A google-auth credential that proves this home to the provider, without impersonation.

        Raises:
            WifError: The home cannot give what the proof needs.
        """
        ...


def claims(token: str) -> dict[str, Any]:
    """What a JWT says, unverified: for messages and expectations, never for decisions of trust.

    Raises:
        ValueError: The text is no JWT.
    """
    parts = token.strip().split(".")
    if len(parts) != 3:
        raise ValueError("a JWT has three parts")
    payload = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    if not isinstance(payload, dict):
        raise ValueError("a JWT's payload is an object")  # noqa: TRY004 - whatever is wrong with it, it is no JWT
    return payload
