"""The token exchange's one method: an outside credential in, a federated access token out.

https://cloud.google.com/iam/docs/reference/sts/rest/v1/TopLevel/token
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import aiohttp
from aiohttp import web

from wif_pipelines.sandbox.aws.endpoint import AwsEndpoint
from wif_pipelines.sandbox.google.access.principal import Principal
from wif_pipelines.sandbox.google.audit import DATA
from wif_pipelines.sandbox.google.call import Call, Handlers
from wif_pipelines.sandbox.google.errors import RPC_CODES
from wif_pipelines.sandbox.google.kernel import Kernel
from wif_pipelines.sandbox.google.store import Document
from wif_pipelines.sandbox.google.sts.aws import AwsCredentials
from wif_pipelines.sandbox.google.sts.mapping import identify
from wif_pipelines.sandbox.google.sts.oidc import OidcCredentials
from wif_pipelines.sandbox.google.sts.refusal import (
    ExchangeRefusedError,
    invalid_audience,
    invalid_request,
    invalid_target,
)

_PROVIDER_AUDIENCE = re.compile(
    r"//iam\.googleapis\.com/projects/[^/]+/locations/global/workloadIdentityPools/[^/]+/providers/[^/]+"
)
_GRANT = "urn:ietf:params:oauth:grant-type:token-exchange"
_ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105
_AWS = "urn:ietf:params:aws:token-type:aws4_request"
_OIDC = {"urn:ietf:params:oauth:token-type:jwt", "urn:ietf:params:oauth:token-type:id_token"}
_LIFETIME = 3600
_METHOD = "google.identity.sts.v1.SecurityTokenService.ExchangeToken"


@dataclass(frozen=True)
class _Exchanged:
    """Who the credential is, and for how many seconds the token may live."""

    principal: Principal
    lifetime: int


class TokenExchange:
    """`sts.googleapis.com/v1/token`.

    Args:
        kernel: Issues the tokens and keeps the audit log.
        find_provider: The provider of a name (by project number), when credentials may be exchanged at it now.
        aws: Answers for AWS.
        session: Gives the connections to AWS and to issuers.
    """

    def __init__(
        self,
        kernel: Kernel,
        find_provider: Callable[[str], Document | None],
        aws: AwsEndpoint,
        session: Callable[[], aiohttp.ClientSession],
    ) -> None:
        self._kernel = kernel
        self._find_provider = find_provider
        self._aws = AwsCredentials(aws, session)
        self._oidc = OidcCredentials(kernel.clock, session)

    def handlers(self) -> Handlers:
        """The method by Google's id."""
        return {"sts.token": self._token}

    async def _token(self, call: Call) -> web.StreamResponse | dict[str, Any]:
        try:
            exchanged = await self._exchange(call.body)
        except ExchangeRefusedError as refusal:
            self._audit(call, None, refusal)
            return web.json_response(refusal.as_json(), status=refusal.status)
        self._audit(call, exchanged.principal, None)
        return {
            "access_token": self._kernel.tokens.issue(exchanged.principal, exchanged.lifetime, prefix="ya29.d."),
            "issued_token_type": _ACCESS_TOKEN,
            "token_type": "Bearer",
            "expires_in": exchanged.lifetime,
        }

    async def _exchange(self, body: dict[str, Any]) -> _Exchanged:
        _check_request(body)
        audience = body.get("audience", "")
        provider = self._provider(audience)
        token, kind = body["subjectToken"], body["subjectTokenType"]
        if "aws" in provider and kind == _AWS:
            assertion: dict[str, Any] = dict(await self._aws.verify(token, provider, audience))
            lifetime = _LIFETIME
        elif "oidc" in provider and kind in _OIDC:
            assertion = await self._oidc.verify(token, provider)
            lifetime = min(_LIFETIME, int(assertion["exp"] - self._kernel.clock.time()))
        else:
            raise invalid_request(f'Invalid value for "subject_token_type": {kind} is not accepted by this provider.')
        pool = provider["name"].partition("/providers/")[0]
        principal = identify(provider, assertion).principal(pool)
        scopes = tuple(body["scope"].split())
        return _Exchanged(Principal(principal.subject, principal.members, scopes=scopes), max(1, lifetime))

    def _provider(self, audience: str) -> Document:
        found = _PROVIDER_AUDIENCE.fullmatch(audience.removeprefix("https:"))
        if found is None:
            raise invalid_audience()
        # A project's id is well-formed here and yet names nothing: only its number does.
        provider = self._find_provider(audience.removeprefix("https:").removeprefix("//iam.googleapis.com/"))
        if provider is None:
            raise invalid_target()
        return provider

    def _audit(self, call: Call, principal: Principal | None, refusal: ExchangeRefusedError | None) -> None:
        """One entry an exchange, as in https://cloud.google.com/iam/docs/audit-logging/examples-workload-identity."""
        body = call.body
        shown = ("audience", "grantType", "requestedTokenType", "subjectTokenType")
        status = {"code": _rpc_code(refusal), "message": refusal.description} if refusal else None
        self._kernel.audit.write(
            service="sts.googleapis.com",
            method=_METHOD,
            resource=re.sub(r"^(https:)?//iam\.googleapis\.com/", "", body.get("audience", "")),
            principal=principal,
            log=DATA,
            status=status,
            request={name: body[name] for name in shown if name in body}
            | {"@type": "type.googleapis.com/google.identity.sts.v1.ExchangeTokenRequest"},
            metadata={"mapped_principal": principal.subject} if principal else None,
            user_agent=call.request.headers.get("User-Agent", ""),
        )


def _check_request(body: dict[str, Any]) -> None:
    if body.get("grantType") != _GRANT:
        text = f'Invalid value for "grant_type". Supported grant type: {_GRANT}'
        raise ExchangeRefusedError("unsupported_grant_type", text)
    if body.get("requestedTokenType") != _ACCESS_TOKEN:
        raise invalid_request(f'Invalid value for "requested_token_type". Supported token type: {_ACCESS_TOKEN}')
    for name, field in (("subject_token", "subjectToken"), ("subject_token_type", "subjectTokenType")):
        if not body.get(field):
            raise invalid_request(f'Missing required field "{name}".')
    if not body.get("scope"):
        raise ExchangeRefusedError("invalid_scope", "Scope(s) must be provided.")
    _check_options(body.get("options", ""))


def _check_options(options: str) -> None:
    try:
        json.loads(options or "{}")
    except json.JSONDecodeError:
        raise invalid_request('Invalid value for "options".') from None


def _rpc_code(refusal: ExchangeRefusedError) -> int:
    return RPC_CODES["UNAVAILABLE" if refusal.status == 503 else "INVALID_ARGUMENT"]
