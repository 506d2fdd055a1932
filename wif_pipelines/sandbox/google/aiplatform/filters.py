"""What lists understand: filters, order, pages and field masks, as far as clients of these resources use them.

https://cloud.google.com/vertex-ai/docs/reference/rest/v1/projects.locations.customJobs/list
"""

import base64
import binascii
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from wif_pipelines.sandbox.google.errors import bad_request

Resource = dict[str, Any]
Test = Callable[[Mapping[str, Any]], bool]

_TERM = re.compile(
    r"""(?P<field>[A-Za-z_]+(?:\.(?:[\w-]+|"[^"]+"))?)\s*(?P<operator>!=|>=|<=|=|:|<|>)\s*"""
    r"""(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<bare>[^\s"()]+))"""
)
_COMPARE: dict[str, Callable[[str, str], bool]] = {
    "=": lambda held, wanted: held == wanted,
    "!=": lambda held, wanted: held != wanted,
    ">": lambda held, wanted: held > wanted,
    "<": lambda held, wanted: held < wanted,
    ">=": lambda held, wanted: held >= wanted,
    "<=": lambda held, wanted: held <= wanted,
}
_OWN_ID = frozenset({"model", "endpoint", "name"})
_FIELDS = frozenset({"displayName", "state", "createTime", "updateTime", "startTime", "endTime"}) | _OWN_ID
_PAGE, _MOST = 100, 1000


def page(found: Iterable[Resource], params: Mapping[str, Any], field: str) -> dict[str, Any]:
    """The answer of a list method: those that match, in order, cut to the page that was asked for.

    Args:
        found: Everything there is.
        params: `filter`, `orderBy`, `pageSize`, `pageToken`, `readMask`.
        field: Where the answer has the resources.

    Raises:
        ApiError: 400, for a filter, order or token that cannot be read.
    """
    test = _filter(params.get("filter", ""))
    matching = _ordered([resource for resource in found if test(resource)], params.get("orderBy", ""))
    start = _offset(params.get("pageToken", ""))
    size = min(int(params.get("pageSize") or _PAGE), _MOST)
    shown = [_masked(resource, params.get("readMask", "")) for resource in matching[start : start + size]]
    answer: dict[str, Any] = {field: shown} if shown else {}
    if len(matching) > start + size:
        answer["nextPageToken"] = base64.urlsafe_b64encode(str(start + size).encode()).decode()
    return answer


def _filter(expression: str) -> Test:
    terms = []
    rest = expression.strip()
    while rest:
        found = _TERM.match(rest)
        if found is None:
            raise _unreadable(expression)
        terms.append(_term(found, expression))
        rest = rest[found.end() :].lstrip()
        if rest:
            joined = re.match(r"AND\s+", rest)
            if joined is None:
                raise _unreadable(expression)
            rest = rest[joined.end() :]
    return lambda resource: all(term(resource) for term in terms)


def _term(found: re.Match[str], expression: str) -> Test:
    field, operator = found["field"], found["operator"]
    wanted = re.sub(r"\\(.)", r"\1", found["quoted"]) if found["quoted"] is not None else found["bare"]
    if field.startswith("labels."):
        key = field.removeprefix("labels.").strip('"')
        return _label(key, operator, wanted, expression)
    name = re.sub(r"_([a-z])", lambda letter: letter[1].upper(), field)
    if name == "labels" and operator == ":":
        return lambda resource: wanted in resource.get("labels", {})
    if name not in _FIELDS or (operator == ":" and wanted != "*"):
        raise _unreadable(expression)
    if operator == ":":
        return lambda resource: bool(resource.get(name))
    compare = _COMPARE[operator]
    return lambda resource: compare(_held(resource, name), wanted.rpartition("/")[2] if name in _OWN_ID else wanted)


def _label(key: str, operator: str, wanted: str, expression: str) -> Test:
    if operator == ":" and wanted == "*":
        return lambda resource: key in resource.get("labels", {})
    compare = _COMPARE.get("=" if operator == ":" else operator)
    if compare is None:
        raise _unreadable(expression)
    return lambda resource: key in resource.get("labels", {}) and compare(resource["labels"][key], wanted)


def _held(resource: Mapping[str, Any], name: str) -> str:
    if name in _OWN_ID:
        return str(resource["name"]).rpartition("/")[2]
    return str(resource.get(name, ""))


def _ordered(found: list[Resource], order: str) -> list[Resource]:
    found.sort(key=lambda resource: str(resource.get("createTime", "")), reverse=True)
    for part in reversed([part.split() for part in order.split(",") if part.strip()]):
        name = re.sub(r"_([a-z])", lambda letter: letter[1].upper(), part[0])
        if name not in {"displayName", "createTime", "updateTime", "versionCreateTime", "versionUpdateTime"}:
            raise bad_request(f'Invalid order_by "{order}".', ("order_by", "Invalid order_by."))
        found.sort(key=lambda resource: str(resource.get(name, "")), reverse=part[1:] == ["desc"])
    return found


def _offset(token: str) -> int:
    try:
        return int(base64.urlsafe_b64decode(token)) if token else 0
    except (ValueError, binascii.Error):
        raise bad_request("Invalid page token.", ("page_token", "Invalid page token.")) from None


def _masked(resource: Resource, mask: str) -> Resource:
    wanted = {re.sub(r"_([a-z])", lambda letter: letter[1].upper(), part.strip()) for part in mask.split(",")}
    if not mask or "*" in wanted:
        return resource
    return {field: value for field, value in resource.items() if field in wanted}


def _unreadable(expression: str) -> Exception:
    return bad_request(f'Invalid filter "{expression}".', ("filter", "The filter cannot be parsed."))
