"""Long answers in pages, and the fields that an update mask names."""

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from typing import Any

from wif_pipelines.sandbox.google.errors import ApiError


def page(field: str, items: Sequence[Mapping[str, Any]], params: Mapping[str, Any], *, largest: int) -> dict[str, Any]:
    """One page of `items` under `field`, with `nextPageToken` when there are more.

    Args:
        field: The answer's field.
        items: Everything, in an order that stays.
        params: The request's; `pageSize` and `pageToken` are read.
        largest: The size when none is asked for, and the most that is given.

    Raises:
        ApiError: 400 for a page token that was not made here.
    """
    start = _start(params.get("pageToken", ""))
    size = min(int(params.get("pageSize") or largest), largest)
    shown = list(items[start : start + size])
    answer: dict[str, Any] = {field: shown} if shown else {}
    if start + size < len(items):
        answer["nextPageToken"] = base64.urlsafe_b64encode(f"@{start + size}".encode()).decode()
    return answer


def masked_fields(mask: str, changes: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """Paths that an update sets, in camelCase: those of the mask, or what is there when there is no mask."""
    if not mask or mask == "*":
        return [(field,) for field in changes]
    paths = [path.strip() for path in mask.split(",")]
    return [tuple(re.sub(r"_([a-z])", lambda m: m[1].upper(), part) for part in path.split(".")) for path in paths]


def updated(
    document: Mapping[str, Any], changes: Mapping[str, Any], paths: Sequence[tuple[str, ...]]
) -> dict[str, Any]:
    """A copy of `document` with the fields at `paths` set, or cleared, as they are in `changes`."""
    result = dict(document)
    for head, *rest in paths:
        if rest:
            inner = updated(result.get(head, {}), changes.get(head, {}), [tuple(rest)])
            result[head] = inner
        elif head in changes:
            result[head] = changes[head]
        else:
            result.pop(head, None)
    return result


def _start(token: str) -> int:
    if not token:
        return 0
    try:
        return int(base64.urlsafe_b64decode(token).decode().removeprefix("@"))
    except (binascii.Error, ValueError):
        raise ApiError(400, "Request contains an invalid argument.") from None
