"""Tokens of an outside issuer at AWS: verified against the issuer's keys, and turned into condition keys.

https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html; which claim feeds which key:
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_iam-condition-keys.html#condition-keys-wif
"""

import dataclasses
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jwt

from wif_pipelines.sandbox.aws.errors import AwsError
from wif_pipelines.sandbox.aws.issuer import GOOGLE_ISSUER

__all__ = ["WebIdentity", "WebIdentityVerifier"]


@dataclasses.dataclass(frozen=True)
class WebIdentity:
    """A verified token's holder.

    Attributes:
        provider: as a trust policy's `Federated` principal spells it, without a scheme.
        subject: the token's `sub`.
        audience: what the condition key `PROVIDER:aud` holds: `azp` when the token has one, else `aud`.
        context: condition keys in lower case with their values.
    """

    provider: str
    subject: str
    audience: str
    context: Mapping[str, tuple[str, ...]]


class WebIdentityVerifier:
    """Verifies tokens of the issuers whose key sets it was given."""

    def __init__(self, key_sets: Mapping[str, Path]) -> None:
        self._key_sets = key_sets

    def verify(self, token: str) -> WebIdentity:
        """Check signature, expiry and issuer.

        Raises:
            AwsError: `InvalidIdentityToken` or `ExpiredTokenException` (400), as AWS words them.
        """
        claims = self._verified_claims(token)
        provider = str(claims["iss"]).removeprefix("https://")
        audiences = claims["aud"] if isinstance(claims["aud"], list) else [claims["aud"]]
        authorized = [str(claims["azp"])] if "azp" in claims else [str(item) for item in audiences]
        context = {
            f"{provider}:sub": (str(claims["sub"]),),
            f"{provider}:aud": tuple(authorized),
            f"{provider}:oaud": tuple(str(item) for item in audiences),
        }
        if "email" in claims:
            context[f"{provider}:email"] = (str(claims["email"]),)
        return WebIdentity(provider, str(claims["sub"]), authorized[0], context)

    def _verified_claims(self, token: str) -> dict[str, Any]:
        try:
            header = jwt.get_unverified_header(token)
            issuer = jwt.decode(token, options={"verify_signature": False}).get("iss", "")
            key = self._key(str(issuer), header.get("kid"))
            required = ["iss", "sub", "aud", "iat", "exp"]
            claims = jwt.decode(token, key, algorithms=["RS256"], options={"verify_aud": False, "require": required})
            return dict(claims)
        except jwt.ExpiredSignatureError:
            expiry = jwt.decode(token, options={"verify_signature": False})["exp"]
            text = (
                f"Token expired: current date/time {int(time.time())} must be before the expiration date/time {expiry}"
            )
            raise AwsError(400, "ExpiredTokenException", text) from None
        except jwt.InvalidSignatureError:
            raise AwsError(400, "InvalidIdentityToken", "Failed to verify the signature of the token") from None
        except jwt.PyJWTError:
            text = "The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)"
            raise AwsError(400, "InvalidIdentityToken", text) from None

    def _key(self, issuer: str, key_id: str | None) -> jwt.PyJWK:
        path = self._key_sets.get(GOOGLE_ISSUER if issuer == "accounts.google.com" else issuer)
        keys = json.loads(path.read_text())["keys"] if path else []
        for key in keys:
            if key["kid"] == key_id:
                return jwt.PyJWK(key)
        text = "Couldn't retrieve verification key from your identity provider"
        raise AwsError(400, "InvalidIdentityToken", f"{text}, please reference AssumeRoleWithWebIdentity documentation")
