"""Partial answers: the `fields` parameter (https://cloud.google.com/storage/docs/json_api#partial-response)."""

import re
from typing import Any

from wif_pipelines.sandbox.google.errors import ApiError

Mask = dict[str, "Mask"]
"""Fields to keep; an empty mask keeps all that is below."""

_TOKEN = re.compile(r"\s*([A-Za-z0-9_*.-]+|[(),/])")


def masked(answer: dict[str, Any], fields: str | None) -> dict[str, Any]:
    """The answer with the fields asked for; all of it when none are named.

    Raises:
        ApiError: 400 for a mask that cannot be read.
    """
    return _apply(answer, _parse(fields)) if fields else answer


def _apply(value: Any, mask: Mask) -> Any:
    if not mask or "*" in mask:
        return value
    if isinstance(value, list):
        return [_apply(item, mask) for item in value]
    if isinstance(value, dict):
        return {name: _apply(item, mask[name]) for name, item in value.items() if name in mask}
    return value


def _parse(fields: str) -> Mask:
    tokens = _TOKEN.findall(fields)
    if "".join(tokens) != re.sub(r"\s", "", fields):
        raise _invalid(fields)
    mask, rest = _group(tokens, fields)
    if rest:
        raise _invalid(fields)
    return mask


def _group(tokens: list[str], fields: str) -> tuple[Mask, list[str]]:
    mask: Mask = {}
    while tokens and tokens[0] != ")":
        inner, tokens = _path(mask, tokens, fields)
        if tokens and tokens[0] == "(":
            below, tokens = _group(tokens[1:], fields)
            if not tokens:
                raise _invalid(fields)
            inner.update(below)
            tokens = tokens[1:]
        if tokens and tokens[0] == ",":
            tokens = tokens[1:]
        elif tokens and tokens[0] != ")":
            raise _invalid(fields)
    return mask, tokens


def _path(mask: Mask, tokens: list[str], fields: str) -> tuple[Mask, list[str]]:
    """`items/name`: the mask below the last step, and what follows."""
    while True:
        if not tokens or tokens[0] in "(),/":
            raise _invalid(fields)
        mask = mask.setdefault(tokens[0], {})
        tokens = tokens[1:]
        if not tokens or tokens[0] != "/":
            return mask, tokens
        tokens = tokens[1:]


def _invalid(fields: str) -> ApiError:
    text = f"Invalid field selection {fields}"
    return ApiError(400, text, reason="invalidParameter", location="fields", location_type="parameter")
