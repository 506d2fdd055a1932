"""What a refusal says, and what the catalogue makes of it."""

import json
from collections.abc import Mapping

from wif_pipelines.errors import WifError
from wif_pipelines.identity.catalogue import Stage, fill, look_up
from wif_pipelines.identity.home import Home
from wif_pipelines.identity.provider import ProviderName
from wif_pipelines.wire.redaction import redacted

_UNKNOWN = "This answer is not in the catalogue; the service's own words are above."
_LONGEST = 2000


def explained(stage: Stage, said: str, *, error: str = "", values: Mapping[str, str]) -> tuple[str, str]:
    """The cause, to follow what was said, and the remedy.

    Args:
        stage: Where it was refused.
        said: What the service said.
        error: Its OAuth error, if any.
        values: What the catalogue's words in braces stand for.
    """
    entry = look_up(stage, said, error=error)
    if entry is None:
        return "", _UNKNOWN
    return f" — {fill(entry.cause, values)}", fill(entry.remedy, values)


def source_of(home: Home) -> str:
    """Who asks, as well as it can be known: a record without a name is better than no token."""
    try:
        return home.subject()
    except WifError:
        return f"unknown, at home {home.name}"


def values_at_hand(home: Home, provider: ProviderName) -> dict[str, str]:
    """What the catalogue's words in braces stand for, as far as it is known."""
    values = {
        "audience": provider.audience,
        "pool": provider.pool_name,
        "pool_id": provider.pool,
        "provider": provider.provider,
        "project": provider.project_number,
        "source": source_of(home),
    }
    try:
        return values | {"member": home.member(provider)}
    except WifError:
        return values


def oauth_refusal(error: Exception) -> tuple[str, str]:
    """The OAuth error, and error and description together, of ``{"error": …, "error_description": …}``.

    An answer of another form has no OAuth error, and is told as it came.
    """
    answer = _parsed(error)
    name = answer.get("error")
    if isinstance(name, str):
        return name, _plain(f"{name}: {answer.get('error_description', '')}")
    return "", iam_refusal(error)


def iam_refusal(error: Exception) -> str:
    """The message of ``{"error": {"message": …}}``; an answer of another form as it came."""
    inner = _parsed(error).get("error")
    if isinstance(inner, dict) and inner.get("message"):
        return _plain(str(inner["message"]))
    return _plain(_body(error))


def _parsed(error: Exception) -> dict[str, object]:
    try:
        answer = json.loads(_body(error))
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}


def _body(error: Exception) -> str:
    # google-auth puts the answer's body second, after its own words.
    texts = [str(part) for part in error.args if part]
    return texts[-1] if texts else type(error).__name__


def _plain(text: str) -> str:
    return redacted(" ".join(text.split()))[:_LONGEST]
