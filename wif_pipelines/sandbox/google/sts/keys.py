"""The public keys of an OpenID Connect issuer: uploaded with the provider, or discovered at the issuer."""

import json
import time
from collections.abc import Callable, Mapping
from typing import Any

import aiohttp

from wif_pipelines.sandbox.google.sts.refusal import ExchangeRefusedError, invalid_grant

_TIMEOUT = aiohttp.ClientTimeout(total=5)
_CACHED_SECONDS = 60.0
_WELL_KNOWN = "/.well-known/openid-configuration"
_LARGEST = 1024 * 1024


class IssuerKeys:
    """Finds the key set behind a provider; what was discovered is kept a minute."""

    def __init__(self, session: Callable[[], aiohttp.ClientSession]) -> None:
        self._session = session
        self._found: dict[str, tuple[float, list[dict[str, Any]]]] = {}

    async def of(self, provider: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The JSON Web Keys against which a provider's tokens are verified.

        Raises:
            ExchangeRefusedError: `invalid_grant`, when the issuer's discovery document or key set
                cannot be read in 5 s each.
        """
        oidc = provider["oidc"]
        if oidc.get("jwksJson"):
            return list(json.loads(oidc["jwksJson"])["keys"])
        issuer = oidc["issuerUri"]
        fetched, keys = self._found.get(issuer, (0.0, []))
        if time.monotonic() - fetched > _CACHED_SECONDS or not keys:
            keys = await self._discover(oidc.get("discoveryUri") or issuer.rstrip("/") + _WELL_KNOWN, issuer)
            self._found[issuer] = (time.monotonic(), keys)
        return keys

    def forget(self, issuer: str) -> None:
        """Ask anew next time: the issuer may have changed its keys."""
        self._found.pop(issuer, None)

    async def _discover(self, location: str, issuer: str) -> list[dict[str, Any]]:
        try:
            document = await self._read(location)
            if document["issuer"] != issuer:
                raise _unreachable()
            return list((await self._read(document["jwks_uri"]))["keys"])
        except (aiohttp.ClientError, TimeoutError, ValueError, KeyError, TypeError) as error:
            raise _unreachable() from error

    async def _read(self, url: str) -> dict[str, Any]:
        # The session leaves bodies as they come, for streaming: so none may come compressed.
        headers = {"Accept-Encoding": "identity", "Accept": "application/json"}
        async with self._session().get(url, headers=headers, timeout=_TIMEOUT) as answer:
            answer.raise_for_status()
            body = await answer.content.read(_LARGEST)
            while not answer.content.at_eof() and len(body) < _LARGEST:
                body += await answer.content.read(_LARGEST)
        document: dict[str, Any] = json.loads(body)
        return document


def _unreachable() -> ExchangeRefusedError:
    return invalid_grant("Error connecting to the given credential's issuer.")
