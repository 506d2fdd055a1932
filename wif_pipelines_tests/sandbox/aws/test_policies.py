"""Policy documents: what they allow, and that doubt never allows."""

from typing import Any

import pytest

from wif_pipelines.sandbox.aws.policies import Request, Verdict, evaluate, statements_of

ALLOW = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*"}
READ = Request("s3:GetObject", "arn:aws:s3:::b/k")


def _given(statement: dict[str, Any], request: Request = READ) -> Verdict:
    return evaluate([statement], request)


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        ({}, Verdict.ALLOWED),
        ({"Action": ["s3:PutObject", "S3:getobject"]}, Verdict.ALLOWED),
        ({"Action": "s3:Get*"}, Verdict.ALLOWED),
        ({"Action": "*"}, Verdict.ALLOWED),
        ({"Action": "s3:Get"}, Verdict.SILENT),
        ({"Resource": "arn:aws:s3:::b"}, Verdict.SILENT),
        ({"Resource": "arn:aws:s3:::?/[k]"}, Verdict.SILENT),
        ({"Resource": "arn:aws:s3:::?/?"}, Verdict.ALLOWED),
        ({"Effect": "Deny"}, Verdict.DENIED),
        ({"Effect": "Deny", "Action": "s3:PutObject"}, Verdict.SILENT),
    ],
)
def test_actions_and_resources_are_globs(change: dict[str, Any], verdict: Verdict) -> None:
    assert _given({**ALLOW, **change}) is verdict


def test_the_negated_elements_turn_the_match_around() -> None:
    assert _given({"Effect": "Allow", "NotAction": "s3:Put*", "Resource": "*"}) is Verdict.ALLOWED
    assert _given({"Effect": "Allow", "NotAction": "s3:*", "Resource": "*"}) is Verdict.SILENT
    assert _given({"Effect": "Deny", "Action": "*", "NotResource": "arn:aws:s3:::b/*"}) is Verdict.SILENT
    assert _given({"Effect": "Deny", "Action": "*", "NotResource": "arn:aws:s3:::c/*"}) is Verdict.DENIED


@pytest.mark.parametrize("order", [1, -1])
def test_a_deny_wins_wherever_it_stands(order: int) -> None:
    assert evaluate([ALLOW, {**ALLOW, "Effect": "Deny"}][::order], READ) is Verdict.DENIED


@pytest.mark.parametrize(
    ("operator", "expected", "values", "holds"),
    [
        ("StringEquals", "x", ("x",), True),
        ("StringEquals", ["y", "x"], ("x",), True),
        ("StringEquals", "x", (), False),
        ("StringEqualsIfExists", "x", (), True),
        ("StringNotEquals", "x", ("x",), False),
        ("StringNotEquals", "x", (), True),
        ("StringEqualsIgnoreCase", "X", ("x",), True),
        ("StringLike", "x*", ("xyz",), True),
        ("StringNotLike", "x*", ("xyz",), False),
        ("ArnLike", "arn:aws:iam::*:role/x", ("arn:aws:iam::1:role/x",), True),
        ("Bool", True, ("true",), True),
        ("Bool", "false", ("true",), False),
        ("NumericLessThanEquals", 10, ("10",), True),
        ("NumericGreaterThan", "10", ("10",), False),
        ("NumericGreaterThan", "10", ("ten",), False),
        ("Null", "true", (), True),
        ("Null", "true", ("x",), False),
        ("ForAnyValue:StringEquals", "x", ("a", "x"), True),
        ("ForAllValues:StringEquals", "x", ("a", "x"), False),
        ("ForAllValues:StringEquals", "x", (), True),
    ],
)
def test_conditions(operator: str, expected: Any, values: tuple[str, ...], *, holds: bool) -> None:
    request = Request("s3:GetObject", "arn:aws:s3:::b/k", {"the:key": values} if values else {})

    verdict = _given({**ALLOW, "Condition": {operator: {"The:Key": expected}}}, request)

    assert (verdict is Verdict.ALLOWED) is holds


def test_an_unknown_operator_never_helps() -> None:
    condition = {"StringResembles": {"the:key": "x"}}
    request = Request("s3:GetObject", "arn:aws:s3:::b/k", {"the:key": ("x",)})

    assert _given({**ALLOW, "Condition": condition}, request) is Verdict.SILENT
    assert _given({**ALLOW, "Effect": "Deny", "Condition": condition}, request) is Verdict.DENIED


def test_all_conditions_must_hold() -> None:
    request = Request("s3:GetObject", "arn:aws:s3:::b/k", {"a": ("1",), "b": ("2",)})
    both = {"StringEquals": {"a": "1", "b": "2"}}

    assert _given({**ALLOW, "Condition": both}, request) is Verdict.ALLOWED
    assert _given({**ALLOW, "Condition": both | {"StringLike": {"b": "3*"}}}, request) is Verdict.SILENT


@pytest.mark.parametrize(
    ("principal", "verdict"),
    [
        ("*", Verdict.ALLOWED),
        ({"AWS": "*"}, Verdict.ALLOWED),
        ({"AWS": ["other", "me"]}, Verdict.ALLOWED),
        ({"AWS": "other"}, Verdict.SILENT),
        ({"Federated": "me"}, Verdict.SILENT),
        ({}, Verdict.SILENT),
    ],
)
def test_principals_are_names_and_not_globs(principal: Any, verdict: Verdict) -> None:
    request = Request("sts:AssumeRole", principals={"AWS": frozenset({"me"})})

    assert _given({"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": principal}, request) is verdict


def test_a_document_may_hold_one_statement_or_many() -> None:
    assert statements_of('{"Statement": {"Effect": "Allow"}}') == [{"Effect": "Allow"}]
    assert statements_of(b'{"Statement": [{"Effect": "Allow"}]}') == [{"Effect": "Allow"}]
    with pytest.raises(ValueError, match="Expecting"):
        statements_of("not json")
