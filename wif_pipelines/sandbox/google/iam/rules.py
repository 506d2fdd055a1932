"""What a workload identity pool and its providers may be.

The limits: https://cloud.google.com/iam/docs/reference/rest/v1/projects.locations.workloadIdentityPools.providers
"""

import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from wif_pipelines.sandbox.google.errors import ApiError
from wif_pipelines.sandbox.google.sts.expressions import ExpressionError, variables_of

_ID = re.compile(r"[a-z0-9-]{4,32}")
_KEY = re.compile(r"google\.subject|google\.groups|attribute\.[a-z0-9_]{1,90}")
_ACCOUNT = re.compile(r"\d{12}")
_KINDS = ("aws", "oidc", "saml", "x509")
_MAPPING_LIMIT, _CONDITION_LIMIT, _CUSTOM_LIMIT = 2048, 4096, 50
_AUDIENCES, _AUDIENCE_LENGTH = 10, 256
_JWK_FIELDS = {"kty", "alg", "use", "kid", "n", "e", "x", "y", "crv"}
# One issuer for all of their customers: without a condition, any of those could come in.
_MULTI_TENANT = re.compile(
    r"https://(token\.actions\.githubusercontent\.com(/.*)?|gitlab\.com|app\.terraform\.io|agent\.buildkite\.com)/?"
)
_LOOPBACK = {"127.0.0.1", "localhost", "::1"}


def check_id(kind: str, given: str) -> None:
    """4 to 32 of `[a-z0-9-]`, and not Google's own prefix.

    Raises:
        ApiError: 400.
    """
    if not _ID.fullmatch(given) or given.startswith("gcp-"):
        raise ApiError(
            400,
            f"{kind} must be 4-32 characters, and may contain the characters [a-z0-9-]. The prefix `gcp-` is reserved "
            "for use by Google, and may not be specified.",
        )


def check_texts(resource: Mapping[str, Any]) -> None:
    """Names and descriptions have limits.

    Raises:
        ApiError: 400.
    """
    for field, words, limit in (("displayName", "display name", 32), ("description", "description", 256)):
        if len(resource.get(field, "")) > limit:
            raise ApiError(400, f"The {words} must be less than or equal to {limit} characters.")


def check_provider(provider: Mapping[str, Any]) -> None:
    """Everything about a provider but its id.

    Raises:
        ApiError: 400.
    """
    check_texts(provider)
    kinds = [kind for kind in _KINDS if kind in provider]
    if len(kinds) != 1:
        raise ApiError(400, "Exactly one provider configuration must be set.")
    if kinds[0] in ("saml", "x509"):
        raise ApiError(501, f"The local cloud does not implement {kinds[0].upper()} providers.")
    if "aws" in provider and not _ACCOUNT.fullmatch(provider["aws"].get("accountId", "")):
        raise ApiError(400, "The AWS account ID must be a 12-digit number.")
    if "oidc" in provider:
        _check_oidc(provider["oidc"])
    _check_mapping(provider)
    _check_condition(provider)


def _check_oidc(oidc: Mapping[str, Any]) -> None:
    issuer = oidc.get("issuerUri", "")
    parts = urlsplit(issuer)
    # Plain HTTP is let through on loopback alone, where a test's own issuer can be.
    if not parts.netloc or not (parts.scheme == "https" or parts.hostname in _LOOPBACK):
        raise ApiError(400, f"The issuer URI {issuer} must be an HTTPS endpoint.")
    audiences = oidc.get("allowedAudiences", ())
    if len(audiences) > _AUDIENCES or any(len(audience) > _AUDIENCE_LENGTH for audience in audiences):
        text = f"At most {_AUDIENCES} allowed audiences of at most {_AUDIENCE_LENGTH} characters may be configured."
        raise ApiError(400, text)
    if oidc.get("jwksJson"):
        _check_keys(oidc["jwksJson"])


def _check_keys(text: str) -> None:
    try:
        keys = json.loads(text)["keys"]
        fit = bool(keys) and all(
            key["kty"] in ("RSA", "EC") and key["kid"] and not set(key) - _JWK_FIELDS for key in keys
        )
    except (json.JSONDecodeError, KeyError, TypeError):
        fit = False
    if not fit:
        raise ApiError(400, "Input JWK is not in a valid json format")


def _check_mapping(provider: Mapping[str, Any]) -> None:
    mapping = provider.get("attributeMapping", {})
    if not mapping and "aws" in provider:
        return  # an AWS provider has a default one
    for key, expression in mapping.items():
        if not _KEY.fullmatch(key):
            raise ApiError(400, f"Invalid mapped attribute key: {key}")
        if len(expression) > _MAPPING_LIMIT:
            raise ApiError(400, f"The mapping of {key} must be less than or equal to {_MAPPING_LIMIT} characters.")
        _read(expression, f"attribute mapping {key}")
    if "google.subject" not in mapping:
        raise ApiError(400, "The attribute mapping must include google.subject.")
    if sum(key.startswith("attribute.") for key in mapping) > _CUSTOM_LIMIT:
        raise ApiError(400, f"At most {_CUSTOM_LIMIT} custom attributes may be mapped.")


def _check_condition(provider: Mapping[str, Any]) -> None:
    condition = provider.get("attributeCondition", "")
    if len(condition) > _CONDITION_LIMIT:
        raise ApiError(400, f"The attribute condition must be less than or equal to {_CONDITION_LIMIT} characters.")
    named = _read(condition, "attribute condition") if condition else frozenset()
    if unknown := named - {"assertion", "google", "attribute"}:
        raise ApiError(400, f"Error parsing attribute condition: undeclared reference to '{min(unknown)}'.")
    issuer = provider.get("oidc", {}).get("issuerUri", "")
    if (condition or _MULTI_TENANT.fullmatch(issuer)) and not named:
        text = "The attribute condition must reference one of the provider's claims. For more information, see "
        raise ApiError(
            400,
            text
            + "https://cloud.google.com/iam/docs/workload-identity-federation-with-deployment-pipelines#conditions",
        )


def _read(expression: str, what: str) -> frozenset[str]:
    try:
        return variables_of(expression)
    except ExpressionError as error:
        raise ApiError(400, f"Error parsing {what}: {error}") from None
