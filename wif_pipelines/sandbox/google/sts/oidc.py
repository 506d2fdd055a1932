"""OpenID Connect credentials at the token exchange: a JWT of a GitHub job, a Kubernetes pod, an Azure machine.

What is checked: https://cloud.google.com/iam/docs/workload-identity-federation-with-other-providers#requirements
"""

from collections.abc import Callable, Mapping
from typing import Any

import aiohttp
import jwt

from wif_pipelines.sandbox.google.clock import Clock
from wif_pipelines.sandbox.google.sts.keys import IssuerKeys
from wif_pipelines.sandbox.google.sts.refusal import invalid_grant

_ALGORITHMS = ("RS256", "ES256")
_LONGEST_SECONDS = 24 * 3600
_SKEW_SECONDS = 30


class OidcCredentials:
    """Verifies tokens against the issuer's keys and the provider's expectations."""

    def __init__(self, clock: Clock, session: Callable[[], aiohttp.ClientSession]) -> None:
        self._clock = clock
        self._keys = IssuerKeys(session)

    async def verify(self, token: str, provider: Mapping[str, Any]) -> dict[str, Any]:
        """The token's claims.

        Raises:
            ExchangeRefusedError: `invalid_grant`: not a JWT, another issuer or audience, stale, or a signature that
                no key of the issuer made.
        """
        header, claims = _decoded(token)
        _check_issuer(claims, provider)
        _check_audience(claims, provider)
        self._check_age(claims)
        await self._check_signature(token, header, provider)
        return claims

    def _check_age(self, claims: Mapping[str, Any]) -> None:
        now = self._clock.time()
        issued, expires = claims.get("iat"), claims.get("exp")
        if not isinstance(issued, (int, float)) or not isinstance(expires, (int, float)):
            raise invalid_grant("The ID Token must have the claims iat and exp.")
        if expires <= now or expires - issued > _LONGEST_SECONDS:
            raise invalid_grant(f"ID Token issued at {int(issued)} is stale to sign-in.")
        if issued > now + _SKEW_SECONDS or claims.get("nbf", 0) > now + _SKEW_SECONDS:
            raise invalid_grant(f"ID Token issued at {int(issued)} is not yet valid.")

    async def _check_signature(self, token: str, header: Mapping[str, Any], provider: Mapping[str, Any]) -> None:
        for attempt in (1, 2):
            keys = await self._keys.of(provider)
            for key in keys:
                if header.get("kid") in (None, key.get("kid")) and _verifies(token, key, header["alg"]):
                    return
            if attempt == 1:
                self._keys.forget(provider["oidc"]["issuerUri"])
        # Google's own words for this are not published.
        raise invalid_grant("The signature of the ID Token is invalid.")


def _decoded(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    try:
        header = jwt.get_unverified_header(token)
        claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    except jwt.InvalidTokenError:
        raise invalid_grant("The given credential is not a valid ID Token.") from None
    if header.get("alg") not in _ALGORITHMS:
        raise invalid_grant(f"Unsupported ID Token algorithm. Expected one of: {', '.join(_ALGORITHMS)}.")
    return header, claims


def _check_issuer(claims: Mapping[str, Any], provider: Mapping[str, Any]) -> None:
    expected = provider["oidc"]["issuerUri"]
    if claims.get("iss") != expected:
        raise invalid_grant(
            f"The issuer in ID Token {claims.get('iss', '')} does not match the expected ones: {expected}"
        )


def _check_audience(claims: Mapping[str, Any], provider: Mapping[str, Any]) -> None:
    name = f"//iam.googleapis.com/{provider['name']}"
    allowed = provider["oidc"].get("allowedAudiences") or [name, f"https:{name}"]
    given = claims.get("aud", [])
    given = given if isinstance(given, list) else [given]
    if not set(given) & set(allowed):
        shown = ", ".join(str(audience) for audience in given)
        raise invalid_grant(f"The audience in ID Token [{shown}] does not match the expected audience.")


def _verifies(token: str, key: Mapping[str, Any], algorithm: str) -> bool:
    try:
        public = jwt.PyJWK(dict(key), algorithm).key
        options: Any = {"verify_exp": False, "verify_aud": False, "verify_iat": False, "verify_nbf": False}
        jwt.decode(token, public, algorithms=[algorithm], options=options)
    except (jwt.PyJWTError, ValueError, TypeError):
        return False
    return True
