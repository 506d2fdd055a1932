"""Signature version 4, checked as the services check it.

The request is judged as it was sent: raw path, raw query, and exactly the headers that the caller says it signed. A
header of no meaning to AWS, such as `x-goog-cloud-target-resource`, is thus covered if the caller chose to sign it.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

import dataclasses
import datetime
import functools
import hashlib
import hmac
import posixpath
import re
from collections.abc import Mapping
from urllib.parse import quote, unquote_to_bytes

from wif_pipelines.sandbox.aws.errors import AwsError

__all__ = ["Call", "Claim", "check_freshness", "check_payload", "check_signature", "claim_of"]

_MAXIMUM_SKEW = datetime.timedelta(minutes=15)
_HASH = re.compile(r"[0-9a-f]{64}")
_FORMAT = "%Y%m%dT%H%M%SZ"


@dataclasses.dataclass(frozen=True)
class Call:
    """One request as it came over the wire; header names are in lower case, path and query still encoded."""

    method: str
    host: str
    raw_path: str
    raw_query: str
    headers: dict[str, str]
    body: bytes


@dataclasses.dataclass(frozen=True)
class Claim:
    """What a caller says of itself and its signature; nothing of it is believed yet."""

    access_key_id: str
    date: str
    region: str
    service: str
    signed_headers: tuple[str, ...]
    signature: str
    timestamp: str
    token: str | None
    lifetime: int | None

    @property
    def is_presigned(self) -> bool:
        """Whether it travelled in the query (a presigned URL) and not in the Authorization header."""
        return self.lifetime is not None


def claim_of(call: Call, query: Mapping[str, str]) -> Claim | None:
    """Read the caller's claim; None when the request carries no signature at all.

    Raises:
        AwsError: when there is one that cannot be read.
    """
    authorization = call.headers.get("authorization", "")
    if authorization:
        return _claim_of_header(authorization, call.headers)
    if "X-Amz-Signature" in query:
        return _claim_of_query(query)
    return None


def check_signature(call: Call, claim: Claim, secret: str) -> None:
    """Compare the signature with the one that this secret gives.

    Raises:
        AwsError: `SignatureDoesNotMatch`, when they differ.
    """
    canonical = _canonical_request(call, claim)
    scope = f"{claim.date}/{claim.region}/{claim.service}/aws4_request"
    text = f"AWS4-HMAC-SHA256\n{claim.timestamp}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    key = _signing_key(secret, claim.date, claim.region, claim.service)
    expected = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
    if not hmac.compare_digest(expected, claim.signature):
        remedy = (
            "Check your key and signing method."
            if claim.service == "s3"
            else "Check your AWS Secret Access Key and signing method. Consult the service documentation for details."
        )
        raise AwsError(
            403,
            "SignatureDoesNotMatch",
            f"The request signature we calculated does not match the signature you provided. {remedy}",
        )


def check_payload(call: Call, claim: Claim) -> None:
    """Compare the body with the hash that was signed; a body declared unsigned or streaming is not compared.

    Raises:
        AwsError: `XAmzContentSHA256Mismatch`.
    """
    declared = call.headers.get("x-amz-content-sha256", "")
    if claim.is_presigned or not _HASH.fullmatch(declared):
        return
    if hashlib.sha256(call.body).hexdigest() != declared:
        text = "The provided 'x-amz-content-sha256' header does not match what was computed."
        raise AwsError(400, "XAmzContentSHA256Mismatch", text)


def check_freshness(claim: Claim, now: datetime.datetime) -> None:
    """Refuse a signature older or newer than 15 minutes, or a presigned URL past its own lifetime.

    Raises:
        AwsError: as the service words it: S3 its own way, all others as `SignatureDoesNotMatch`.
    """
    signed = _parse_time(claim.timestamp)
    if claim.lifetime is not None:
        if now > signed + datetime.timedelta(seconds=claim.lifetime):
            raise AwsError(403, "AccessDenied", "Request has expired")
        return
    if abs(now - signed) <= _MAXIMUM_SKEW:
        return
    if claim.service == "s3":
        text = "The difference between the request time and the current time is too large."
        raise AwsError(403, "RequestTimeTooSkewed", text)
    present = now.strftime(_FORMAT)
    if signed < now:
        limit = (now - _MAXIMUM_SKEW).strftime(_FORMAT)
        text = f"Signature expired: {claim.timestamp} is now earlier than {limit} ({present} - 15 min.)"
    else:
        limit = (now + _MAXIMUM_SKEW).strftime(_FORMAT)
        text = f"Signature not yet current: {claim.timestamp} is still later than {limit} ({present} + 15 min.)"
    raise AwsError(403, "SignatureDoesNotMatch", text)


def _claim_of_header(authorization: str, headers: Mapping[str, str]) -> Claim:
    scheme, _, rest = authorization.partition(" ")
    fields = dict(part.strip().partition("=")[::2] for part in rest.split(","))
    scope = fields.get("Credential", "").split("/")
    if scheme != "AWS4-HMAC-SHA256" or len(scope) != 5 or not fields.get("Signature"):
        text = "Authorization header requires 'Credential', 'Signature' and 'SignedHeaders' of AWS4-HMAC-SHA256."
        raise AwsError(400, "IncompleteSignature", text)
    return Claim(
        access_key_id=scope[0],
        date=scope[1],
        region=scope[2],
        service=scope[3],
        signed_headers=tuple(fields.get("SignedHeaders", "").split(";")),
        signature=fields["Signature"],
        timestamp=headers.get("x-amz-date", ""),
        token=headers.get("x-amz-security-token"),
        lifetime=None,
    )


def _claim_of_query(query: Mapping[str, str]) -> Claim:
    scope = query.get("X-Amz-Credential", "").split("/")
    lifetime = query.get("X-Amz-Expires", "")
    if query.get("X-Amz-Algorithm") != "AWS4-HMAC-SHA256" or len(scope) != 5 or not lifetime.isdigit():
        text = "Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, X-Amz-Signature, "
        raise AwsError(400, "AuthorizationQueryParametersError", text + "X-Amz-Date and X-Amz-Expires parameters.")
    return Claim(
        access_key_id=scope[0],
        date=scope[1],
        region=scope[2],
        service=scope[3],
        signed_headers=tuple(query.get("X-Amz-SignedHeaders", "").split(";")),
        signature=query["X-Amz-Signature"],
        timestamp=query.get("X-Amz-Date", ""),
        token=query.get("X-Amz-Security-Token"),
        lifetime=int(lifetime),
    )


def _parse_time(timestamp: str) -> datetime.datetime:
    try:
        return datetime.datetime.strptime(timestamp, _FORMAT).replace(tzinfo=datetime.UTC)
    except ValueError:
        text = "Date must be in ISO-8601 'basic format'."
        raise AwsError(403, "IncompleteSignature", text) from None


def _canonical_request(call: Call, claim: Claim) -> str:
    headers = {**call.headers, "host": call.host}
    lines = "".join(f"{name}:{' '.join(headers.get(name, '').split())}\n" for name in claim.signed_headers)
    parts = (call.method, _canonical_path(call, claim), _canonical_query(call.raw_query), lines)
    return "\n".join((*parts, ";".join(claim.signed_headers), _payload_hash(call, claim)))


def _canonical_path(call: Call, claim: Claim) -> str:
    if claim.service == "s3":
        return quote(unquote_to_bytes(call.raw_path), safe="/-_.~")
    normal = posixpath.normpath(call.raw_path or "/").replace("//", "/")
    trailing = "/" if call.raw_path.endswith("/") and not normal.endswith("/") else ""
    return quote(normal + trailing, safe="/-_.~")


def _canonical_query(raw_query: str) -> str:
    pairs = []
    for part in filter(None, raw_query.split("&")):
        name, _, value = part.partition("=")
        if name != "X-Amz-Signature":
            pairs.append(tuple(quote(unquote_to_bytes(word), safe="-_.~") for word in (name, value)))
    return "&".join(f"{name}={value}" for name, value in sorted(pairs))


def _payload_hash(call: Call, claim: Claim) -> str:
    if claim.is_presigned and claim.service == "s3":
        return call.headers.get("x-amz-content-sha256", "UNSIGNED-PAYLOAD")
    return call.headers.get("x-amz-content-sha256") or hashlib.sha256(call.body).hexdigest()


@functools.lru_cache(maxsize=256)
def _signing_key(secret: str, date: str, region: str, service: str) -> bytes:
    key = f"AWS4{secret}".encode()
    for word in (date, region, service, "aws4_request"):
        key = hmac.new(key, word.encode(), hashlib.sha256).digest()
    return key
