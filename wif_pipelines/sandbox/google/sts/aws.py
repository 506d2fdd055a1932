"""AWS credentials at the token exchange: a signed GetCallerIdentity that is replayed to AWS.

What the subject token holds: https://google.aip.dev/auth/4117#determining-the-subject-token-in-aws
"""

import asyncio
import json
import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qs, unquote_plus, urlsplit
from xml.etree import ElementTree as ET

import aiohttp

from wif_pipelines.sandbox.aws.endpoint import AwsAnswer, AwsEndpoint
from wif_pipelines.sandbox.google.sts.refusal import ExchangeRefusedError, invalid_grant

_HOST = re.compile(r"sts(?:-fips)?(?:\.[a-z0-9-]+)?\.amazonaws\.com(?:\.cn)?")
_TARGET_HEADER = "x-goog-cloud-target-resource"
_REPLAY_SECONDS = 10


class AwsCredentials:
    """Finds out whom AWS takes a subject token's sender for.

    Args:
        aws: Answers for AWS.
        session: Gives the connections to it.
    """

    def __init__(self, aws: AwsEndpoint, session: Callable[[], aiohttp.ClientSession]) -> None:
        self._aws = aws
        self._session = session

    async def verify(self, token: str, provider: Mapping[str, Any], audience: str) -> dict[str, str]:
        """The claims of a subject token: `account`, `arn` and `userid`.

        Args:
            token: JSON, percent-encoded: url, method, headers.
            provider: The provider's resource; names the one AWS account that it trusts.
            audience: The provider as the exchange was asked for it.

        Raises:
            ExchangeRefusedError: `invalid_grant`, when the request is not a GetCallerIdentity for this provider, AWS
                refuses it, or the account is another.
        """
        method, url, headers = _signed_request(token)
        _require_target(headers, audience)
        try:
            answer = await self._replay(method, url, headers)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise ExchangeRefusedError("internal_failure", "Error connecting to AWS STS.", status=503) from error
        identity = _identity(answer)
        if identity["account"] != provider["aws"]["accountId"]:
            # Google's own words for this are not published.
            raise invalid_grant("The AWS account of the given credential does not match the account of the provider.")
        return identity

    async def _replay(self, method: str, url: str, headers: Mapping[str, str]) -> AwsAnswer:
        async with asyncio.timeout(_REPLAY_SECONDS):
            return await self._aws.request(self._session(), method, url, headers=headers)


def _signed_request(token: str) -> tuple[str, str, dict[str, str]]:
    try:
        # Go writes a space as "+" here, Python as "%20"; neither leaves a plus sign of its own unescaped.
        request = json.loads(token if token.lstrip().startswith("{") else unquote_plus(token))
    except json.JSONDecodeError as error:
        where = f"line {error.lineno - 1}:{error.colno - 1}"
        raise invalid_grant(f"Invalid format of AWS credentials:Error at {where}: {error.msg}") from None
    try:
        method, url = str(request["method"]), str(request["url"])
        headers = {str(item["key"]).lower(): str(item["value"]) for item in request["headers"]}
    except (KeyError, TypeError):
        raise _bad_format() from None
    parts = urlsplit(url)
    asked = parse_qs(parts.query).get("Action")
    named = headers.get("host", parts.netloc)
    if parts.scheme != "https" or not _HOST.fullmatch(parts.netloc) or named != parts.netloc:
        raise _bad_format()
    if method not in ("GET", "POST") or asked != ["GetCallerIdentity"] or "authorization" not in headers:
        raise _bad_format()
    return method, url, headers


def _require_target(headers: Mapping[str, str], audience: str) -> None:
    """google-auth adds this header after signing, so that it may be unsigned; it must be right all the same."""
    if headers.get(_TARGET_HEADER, "").removeprefix("https:") != audience.removeprefix("https:"):
        # Google's own words for this are not published.
        raise invalid_grant(f"AWS request has invalid {_TARGET_HEADER} header.")


def _identity(answer: AwsAnswer) -> dict[str, str]:
    try:
        document = ET.fromstring(answer.body)  # noqa: S314  (it comes from the local AWS)
    except ET.ParseError:
        raise invalid_grant("AWS response has invalid format.") from None
    fields = {element.tag.rpartition("}")[2]: (element.text or "") for element in document.iter()}
    if answer.status != 200:
        code, message = fields.get("Code", "Unknown"), fields.get("Message", "")
        raise invalid_grant(f"Received invalid AWS response of type {code} with error message: {message}")
    return {"account": fields["Account"], "arn": fields["Arn"], "userid": fields["UserId"]}


def _bad_format() -> ExchangeRefusedError:
    return invalid_grant("AWS request has invalid format.")
