"""Attribute mappings and conditions: the Common Expression Language with Google's additions.

Google's full function set is not published; these are the functions that its documentation uses.
https://cloud.google.com/iam/docs/workload-identity-federation#mapping
"""

import re
from collections.abc import Mapping
from typing import Any

import cel

_TEMPLATE = re.compile(r"([^{}]*)\{[A-Za-z_][A-Za-z0-9_]*\}([^{}]*)")


class ExpressionError(Exception):
    """An expression that cannot be read, or has no value for this credential; the text says which and why."""


def compile_expression(expression: str) -> Any:
    """Read an expression.

    Raises:
        ExpressionError: when it is not valid.
    """
    try:
        return cel.compile(expression)
    except ValueError as error:
        raise ExpressionError(str(error).splitlines()[0]) from error


def evaluate(expression: str, variables: Mapping[str, Any]) -> Any:
    """The value of an expression over `variables` (`assertion`, and for a condition `google` and `attribute`).

    Raises:
        ExpressionError: when it is not valid, or speaks of a claim that is not there.
    """
    program = compile_expression(expression)
    context = cel.Context()
    for name, function in _FUNCTIONS.items():
        context.add_function(name, function)
    for name, value in variables.items():
        context.add_variable(name, value)
    try:
        return program.execute(context)
    except KeyError as error:
        raise ExpressionError(f"No such key: {error.args[0]}") from error
    except (RuntimeError, TypeError, ValueError) as error:
        raise ExpressionError(str(error).splitlines()[0]) from error


def variables_of(expression: str) -> frozenset[str]:
    """The names that an expression reads, such as `assertion`.

    Raises:
        ExpressionError: when it is not valid.
    """
    return frozenset(compile_expression(expression).variables())


def extract(text: str, template: str) -> str:
    """What stands in `text` where the one `{name}` of `template` stands; empty when the template does not match.

    https://cloud.google.com/iam/docs/conditions-attribute-reference#extract

    Raises:
        ValueError: when the template has no placeholder, or more than one.
    """
    found = _TEMPLATE.fullmatch(template)
    if found is None:
        raise ValueError(f"Invalid extract template: {template}")
    prefix, suffix = found.groups()
    start = text.find(prefix)
    if start < 0:
        return ""
    start += len(prefix)
    end = text.find(suffix, start) if suffix else len(text)
    return text[start:end] if end >= 0 else ""


def _split(text: str, separator: str) -> list[str]:
    return text.split(separator) if separator else list(text)


def _join(parts: list[str], separator: str = "") -> str:
    return separator.join(parts)


_FUNCTIONS = {
    "extract": extract,
    "split": _split,
    "join": _join,
    "lowerAscii": str.lower,
    "upperAscii": str.upper,
    "replace": str.replace,
}
