"""IAM Credentials: becoming a service account for an hour, without a key.

https://cloud.google.com/iam/docs/reference/credentials/rest/v1/projects.serviceAccounts
"""

import base64
import json
import re
from collections.abc import Sequence
from typing import Any

from wif_pipelines.sandbox.google.access.policies import Policies
from wif_pipelines.sandbox.google.access.principal import Principal, service_account
from wif_pipelines.sandbox.google.audit import DATA
from wif_pipelines.sandbox.google.call import Call, Handlers
from wif_pipelines.sandbox.google.clock import timestamp
from wif_pipelines.sandbox.google.errors import ApiError, error_info, failed_precondition
from wif_pipelines.sandbox.google.iam.accounts import Accounts
from wif_pipelines.sandbox.google.iam.names import ACCOUNT_NAME
from wif_pipelines.sandbox.google.iam.signing import AccountKeys
from wif_pipelines.sandbox.google.kernel import Kernel
from wif_pipelines.sandbox.google.store import Document

_LIFETIME = 3600
_EMAIL = re.compile(r"[a-z0-9.-]+@[a-z0-9.-]+\.gserviceaccount\.com")
_UNIQUE_ID = re.compile(r"\d{21}")
_SERVICE = "iamcredentials.googleapis.com"
_ID_TOKEN_SECONDS = 3600
_ISSUER = "https://accounts.google.com"


class Impersonation:
    """Issues tokens and signatures of service accounts to those whom their policies allow it.

    Args:
        kernel: Issues the tokens and keeps the audit log.
        accounts: Knows the service accounts.
        keys: Signs with Google's keys and with the accounts' own, Google-held keys.
    """

    def __init__(self, kernel: Kernel, accounts: Accounts, keys: AccountKeys) -> None:
        self._kernel = kernel
        self._accounts = accounts
        self._keys = keys

    def handlers(self) -> Handlers:
        """The methods by Google's id."""
        accounts = "iamcredentials.projects.serviceAccounts"
        return {
            f"{accounts}.generateAccessToken": self._generate_access_token,
            f"{accounts}.generateIdToken": self._generate_id_token,
            f"{accounts}.getAllowedLocations": self._allowed_locations,
            f"{accounts}.signBlob": self._sign_blob,
            f"{accounts}.signJwt": self._sign_jwt,
            "iamcredentials.projects.locations.workloadIdentityPools.getAllowedLocations": self._allowed_locations,
        }

    async def _generate_access_token(self, call: Call) -> dict[str, Any]:
        account, via = self._become(call, "GenerateAccessToken", "iam.serviceAccounts.getAccessToken")
        scopes = call.body.get("scope")
        if not scopes or not all(re.match(r"https?://\S+$|openid$|email$|profile$", scope) for scope in scopes):
            raise ApiError(400, "Request contains an invalid argument.")
        lifetime = _lifetime(call.body.get("lifetime", f"{_LIFETIME}s"))
        became = service_account(account["email"], delegation=via)
        became = Principal(became.subject, became.members, became.email, via, tuple(scopes))
        # A whole second, rounded down: no client may believe in a token that is already refused.
        expires = int(self._kernel.clock.time() + lifetime)
        token = self._kernel.tokens.issue(became, expires - self._kernel.clock.time(), prefix="ya29.c.")
        return {"accessToken": token, "expireTime": timestamp(expires, whole=True)}

    async def _generate_id_token(self, call: Call) -> dict[str, Any]:
        account, _ = self._become(call, "GenerateIdToken", "iam.serviceAccounts.getOpenIdToken")
        if not call.body.get("audience"):
            raise ApiError(400, "Request contains an invalid argument.")
        now = int(self._kernel.clock.time())
        claims = {"iss": _ISSUER, "aud": call.body["audience"], "azp": account["uniqueId"], "sub": account["uniqueId"]}
        if call.body.get("includeEmail"):
            claims |= {"email": account["email"], "email_verified": True}
        return {"token": self._keys.id_token(claims | {"iat": now, "exp": now + _ID_TOKEN_SECONDS})}

    async def _sign_blob(self, call: Call) -> dict[str, Any]:
        account, _ = self._become(call, "SignBlob", "iam.serviceAccounts.signBlob")
        key_id, signature = self._keys.sign(account["email"], base64.b64decode(call.body.get("payload", "")))
        return {"keyId": key_id, "signedBlob": base64.b64encode(signature).decode()}

    async def _sign_jwt(self, call: Call) -> dict[str, Any]:
        account, _ = self._become(call, "SignJwt", "iam.serviceAccounts.signJwt")
        try:
            claims = json.loads(call.body.get("payload", ""))
        except json.JSONDecodeError:
            raise ApiError(400, "Request contains an invalid argument.") from None
        key_id, signed = self._keys.sign_jwt(account["email"], claims)
        return {"keyId": key_id, "signedJwt": signed}

    async def _allowed_locations(self, _: Call) -> dict[str, Any]:
        # No location is ruled out; google-auth asks in the background and caches this.
        return {"locations": [], "encodedLocations": "0x0"}

    def _become(self, call: Call, method: str, permission: str) -> tuple[Document, tuple[str, ...]]:
        """The account asked for, and through whom the caller reaches it, outermost first; audited either way."""
        asked = call.params["name"]
        try:
            account = self._allowed(call, asked, permission)
        except ApiError as error:
            self._audit(call, method, asked, error)
            raise
        self._audit(call, method, account["name"], None)
        through = [call.principal.subject, *(delegate.rpartition("/")[2] for delegate in _delegates(call))]
        return account, (*call.principal.delegation, *through)

    def _allowed(self, call: Call, asked: str, permission: str) -> Document:
        caller = call.principal
        for delegate in _delegates(call):
            account = self._account(caller, delegate, "iam.serviceAccounts.implicitDelegation", call.policies)
            caller = service_account(account["email"])
        account = self._account(caller, asked, permission, call.policies)
        if account.get("disabled"):
            # Google's own words for a disabled account are not published.
            raise failed_precondition(f"Service account {account['email']} is disabled.")
        return account

    def _account(self, caller: Principal, name: str, permission: str, policies: Policies) -> Document:
        """The named account, if the caller may use it so; whether it exists is told to nobody else."""
        found = ACCOUNT_NAME.fullmatch(name)
        if found is None or not (_EMAIL.fullmatch(found[2]) or _UNIQUE_ID.fullmatch(found[2])):
            raise ApiError(400, "Request contains an invalid argument.")
        account = self._accounts.find(found[2])
        chain = (account["name"], f"projects/{account['projectId']}") if account else ()
        if account is None or not policies.allows(caller, permission, chain):
            text = f"Permission '{permission}' denied on resource (or it may not exist)."
            detail = error_info("IAM_PERMISSION_DENIED", "iam.googleapis.com", permission=permission)
            raise ApiError(403, text, details=[detail])
        return account

    def _audit(self, call: Call, method: str, name: str, error: ApiError | None) -> None:
        self._kernel.audit.write(
            service=_SERVICE,
            method=f"google.iam.credentials.v1.IAMCredentials.{method}",
            resource=name,
            principal=call.principal,
            log=DATA,
            status=error.as_status() if error else None,
            request={"name": call.params["name"], "delegates": _delegates(call)},
            user_agent=call.request.headers.get("User-Agent", ""),
        )


def _delegates(call: Call) -> Sequence[str]:
    return list(call.body.get("delegates", ()))


def _lifetime(duration: str) -> float:
    seconds = float(duration.removesuffix("s"))
    if seconds > _LIFETIME:
        raise ApiError(400, f"The access token lifetime cannot exceed {_LIFETIME} seconds.")
    if seconds <= 0:
        raise ApiError(400, "Request contains an invalid argument.")
    return seconds
