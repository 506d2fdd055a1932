"""IAM policy documents, evaluated.

An explicit deny wins; without an allow there is no permission. A condition with an operator that is not known here
never lets an Allow through and never spares from a Deny.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
"""

import dataclasses
import enum
import fnmatch
import functools
import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

__all__ = ["Request", "Verdict", "evaluate", "statements_of"]

Statement = Mapping[str, Any]


class Verdict(enum.Enum):
    """What a set of documents says of one action on one resource."""

    ALLOWED = "allowed"
    DENIED = "denied"
    SILENT = "silent"


@dataclasses.dataclass(frozen=True)
class Request:
    """One question put to the documents.

    Attributes:
        action: such as `s3:GetObject`.
        resource: the ARN it is wanted on; statements without a Resource (trust policies) ignore it.
        context: condition keys in lower case, each with the request's values.
        principals: for documents that name principals, what of a Principal element speaks of this caller: kind (`AWS`,
            `Federated`, `Service`) and the values that match. None for identity policies, which name nobody.
    """

    action: str
    resource: str = "*"
    context: Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    principals: Mapping[str, frozenset[str]] | None = None


def statements_of(document: str | bytes | Mapping[str, Any]) -> list[Statement]:
    """Read the statements of a policy document, given as JSON text or already parsed.

    Raises:
        ValueError: when it is not JSON.
    """
    parsed = document if isinstance(document, Mapping) else json.loads(document)
    statements = parsed.get("Statement", [])
    return list(statements) if isinstance(statements, list) else [statements]


def evaluate(statements: Iterable[Statement], request: Request) -> Verdict:
    """Weigh all statements together."""
    verdict = Verdict.SILENT
    for statement in statements:
        deny = statement.get("Effect") == "Deny"
        if not _concerns(statement, request) or not _conditions_hold(statement, request, unknown=deny):
            continue
        if deny:
            return Verdict.DENIED
        verdict = Verdict.ALLOWED
    return verdict


def _concerns(statement: Statement, request: Request) -> bool:
    actions = _one_of(statement, "Action", request.action.lower(), lower=True)
    resources = "Resource" not in statement and "NotResource" not in statement
    resources = resources or _one_of(statement, "Resource", request.resource, lower=False)
    return actions and resources and _names_caller(statement, request.principals)


def _one_of(statement: Statement, element: str, value: str, *, lower: bool) -> bool:
    negated = f"Not{element}" in statement
    patterns = _texts(statement.get(f"Not{element}" if negated else element, []))
    hit = any(_like(pattern.lower() if lower else pattern, value) for pattern in patterns)
    return hit is not negated


def _names_caller(statement: Statement, principals: Mapping[str, frozenset[str]] | None) -> bool:
    if principals is None:
        return True
    negated = "NotPrincipal" in statement
    named = statement.get("NotPrincipal" if negated else "Principal", {})
    named = {"AWS": named} if isinstance(named, str) else named
    hit = any(
        value == "*" or value in principals.get(kind, frozenset())
        for kind, values in named.items()
        for value in _texts(values)
        if kind in principals
    )
    return hit is not negated


def _conditions_hold(statement: Statement, request: Request, *, unknown: bool) -> bool:
    return all(
        _condition_holds(operator, request.context.get(key.lower(), ()), _texts(expected), unknown=unknown)
        for operator, tests in statement.get("Condition", {}).items()
        for key, expected in tests.items()
    )


def _condition_holds(operator: str, actual: tuple[str, ...], expected: list[str], *, unknown: bool) -> bool:
    quantifier, _, name = operator.rpartition(":")
    if name == "Null":
        return (not actual) is (expected[0].lower() == "true")
    if name.endswith("IfExists"):
        name = name.removesuffix("IfExists")
        if not actual:
            return True
    negated = name.startswith(_NEGATED)
    test = _TESTS.get(re.sub(r"Not(?=Equals|Like)", "", name))
    if test is None:
        return unknown
    if not actual:
        return negated or quantifier == "ForAllValues"
    hits = [any(test(value, wanted) for wanted in expected) is not negated for value in actual]
    return all(hits) if quantifier == "ForAllValues" or negated else any(hits)


def _texts(value: Any) -> list[str]:
    values = value if isinstance(value, list) else [value]
    return [str(item).lower() if isinstance(item, bool) else str(item) for item in values]


def _like(pattern: str, value: str) -> bool:
    return pattern == "*" or _glob(pattern).fullmatch(value) is not None


@functools.lru_cache(maxsize=1024)
def _glob(pattern: str) -> re.Pattern[str]:
    # IAM knows `*` and `?` only; fnmatch would also read `[`.
    return re.compile(fnmatch.translate(pattern.replace("[", "[[]")))


def _number(compare: Callable[[float, float], bool]) -> Callable[[str, str], bool]:
    def test(actual: str, wanted: str) -> bool:
        try:
            return compare(float(actual), float(wanted))
        except ValueError:
            return False

    return test


_NEGATED = ("StringNot", "ArnNot", "NumericNot")
_TESTS: dict[str, Callable[[str, str], bool]] = {
    "StringEquals": lambda actual, wanted: actual == wanted,
    "StringEqualsIgnoreCase": lambda actual, wanted: actual.lower() == wanted.lower(),
    "StringLike": lambda actual, wanted: _like(wanted, actual),
    "ArnEquals": lambda actual, wanted: _like(wanted, actual),
    "ArnLike": lambda actual, wanted: _like(wanted, actual),
    "Bool": lambda actual, wanted: actual.lower() == wanted.lower(),
    "NumericEquals": _number(lambda actual, wanted: actual == wanted),
    "NumericLessThan": _number(lambda actual, wanted: actual < wanted),
    "NumericLessThanEquals": _number(lambda actual, wanted: actual <= wanted),
    "NumericGreaterThan": _number(lambda actual, wanted: actual > wanted),
    "NumericGreaterThanEquals": _number(lambda actual, wanted: actual >= wanted),
}
