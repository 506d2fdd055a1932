"""Mappings and conditions by themselves: Google's `extract`, and what is said of expressions that cannot be read."""

import pytest

from wif_pipelines.sandbox.google.sts.expressions import ExpressionError, evaluate, extract, variables_of
from wif_pipelines.sandbox.google.sts.mapping import DEFAULT_AWS_MAPPING

_ROLE = "arn:aws:sts::123456789012:assumed-role/worker/session"
_USER = "arn:aws:iam::123456789012:user/somebody"


@pytest.mark.parametrize(
    ("text", "template", "expected"),
    [
        ("projects/_/buckets/acme-orders/objects/x", "/buckets/{name}/", "acme-orders"),
        ("projects/_/buckets/acme-orders", "/buckets/{name}", "acme-orders"),
        ("projects/_/buckets/acme-orders", "{name}/buckets", "projects/_"),
        ("projects/_/buckets/acme-orders", "{all}", "projects/_/buckets/acme-orders"),
        ("projects/_/buckets/acme-orders", "/buckets/{name}/objects", ""),
        ("projects/_/buckets/acme-orders", "/folders/{name}", ""),
    ],
)
def test_extract(text: str, template: str, expected: str) -> None:
    """The cases of https://cloud.google.com/iam/docs/conditions-attribute-reference#extract."""
    assert extract(text, template) == expected


@pytest.mark.parametrize("template", ["no placeholder", "{two}/{names}"])
def test_templates_that_are_refused(template: str) -> None:
    with pytest.raises(ExpressionError):
        evaluate(f"assertion.arn.extract('{template}')", {"assertion": {"arn": _ROLE}})


@pytest.mark.parametrize(("arn", "role"), [(_ROLE, "arn:aws:sts::123456789012:assumed-role/worker"), (_USER, _USER)])
def test_the_default_mapping_keeps_the_role_and_drops_the_session(arn: str, role: str) -> None:
    assert evaluate(DEFAULT_AWS_MAPPING["attribute.aws_role"], {"assertion": {"arn": arn}}) == role


def test_an_absent_claim_is_named() -> None:
    with pytest.raises(ExpressionError, match="No such key: email"):
        evaluate("assertion.email", {"assertion": {"sub": "x"}})


def test_the_names_that_an_expression_reads() -> None:
    assert variables_of("assertion.sub == 'x' && attribute.team == 'y'") == {"assertion", "attribute"}
    with pytest.raises(ExpressionError):
        variables_of("assertion.sub ==")
