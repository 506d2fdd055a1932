"""From a verified credential's claims to a federated principal: the provider's mapping, then its condition.

https://cloud.google.com/iam/docs/workload-identity-federation#mapping
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from wif_pipelines.sandbox.google.access.principal import Principal
from wif_pipelines.sandbox.google.sts.expressions import ExpressionError, evaluate
from wif_pipelines.sandbox.google.sts.refusal import invalid_grant, invalid_request, rejected_by_condition

_SUBJECT_LIMIT = 127
_AWS_ROLE = (
    "assertion.arn.contains('assumed-role') ? assertion.arn.extract('{account_arn}assumed-role/') + 'assumed-role/' + "
    "assertion.arn.extract('assumed-role/{role_name}/') : assertion.arn"
)
DEFAULT_AWS_MAPPING = {"google.subject": "assertion.arn", "attribute.aws_role": _AWS_ROLE}
"""What an AWS provider maps when it says nothing:
https://cloud.google.com/iam/docs/reference/rest/v1/projects.locations.workloadIdentityPools.providers"""


@dataclass(frozen=True)
class MappedIdentity:
    """Who a credential is, in the pool's words."""

    subject: str
    groups: tuple[str, ...] = ()
    attributes: Mapping[str, str] = field(default_factory=dict)

    def principal(self, pool: str) -> Principal:
        """The federated caller, as bindings may name it.

        Args:
            pool: The pool's resource name, by project number.
        """
        root = f"iam.googleapis.com/{pool}"
        subject = f"principal://{root}/subject/{self.subject}"
        sets = [f"principalSet://{root}/group/{group}" for group in self.groups]
        sets += [f"principalSet://{root}/attribute.{name}/{value}" for name, value in self.attributes.items()]
        # "allAuthenticatedUsers" holds Google accounts and service accounts only.
        # https://cloud.google.com/iam/docs/principals-overview
        return Principal(subject, frozenset({subject, *sets, f"principalSet://{root}/*", "allUsers"}))


def identify(provider: Mapping[str, Any], assertion: Mapping[str, Any]) -> MappedIdentity:
    """Map verified claims and put them before the provider's condition.

    Args:
        provider: The provider's resource.
        assertion: What the credential says of its holder.

    Raises:
        ExchangeRefusedError: `invalid_grant` when the mapping has no value, `invalid_request` when the subject is too
            long, `unauthorized_client` when the condition is not true.
    """
    mapping = provider.get("attributeMapping") or (DEFAULT_AWS_MAPPING if "aws" in provider else {})
    values = {name: _mapped(name, expression, assertion) for name, expression in mapping.items()}
    identity = MappedIdentity(
        subject=_subject(values),
        groups=tuple(values.get("google.groups", ())),
        attributes={name.removeprefix("attribute."): v for name, v in values.items() if name.startswith("attribute.")},
    )
    _judge(provider.get("attributeCondition", ""), assertion, identity)
    return identity


def _mapped(name: str, expression: str, assertion: Mapping[str, Any]) -> Any:
    try:
        value = evaluate(expression, {"assertion": dict(assertion)})
    except ExpressionError as error:
        # Google's own words for an absent claim are not published.
        raise invalid_grant(f"The mapped attribute {name} could not be evaluated: {error}.") from error
    if name == "google.groups":
        if isinstance(value, list) and all(isinstance(group, str) for group in value):
            return value
        raise invalid_grant("The mapped attribute 'google.groups' must be of type LIST of STRING")
    if not isinstance(value, str):
        raise invalid_grant(f"The mapped attribute '{name}' must be of type STRING")
    return value


def _subject(values: Mapping[str, Any]) -> str:
    subject = str(values.get("google.subject", ""))
    if not subject:
        raise invalid_grant("The mapped attribute 'google.subject' must not be empty")
    if len(subject.encode()) > _SUBJECT_LIMIT:
        raise invalid_request(
            f"The size of mapped attribute google.subject exceeds the {_SUBJECT_LIMIT} bytes limit. Either modify "
            "your attribute mapping or the incoming assertion to produce a mapped attribute that is less than "
            f"{_SUBJECT_LIMIT} bytes."
        )
    return subject


def _judge(condition: str, assertion: Mapping[str, Any], identity: MappedIdentity) -> None:
    if not condition:
        return
    variables = {
        "assertion": dict(assertion),
        "google": {"subject": identity.subject, "groups": list(identity.groups)},
        "attribute": dict(identity.attributes),
    }
    try:
        accepted = evaluate(condition, variables)
    except ExpressionError as error:
        raise rejected_by_condition() from error
    if accepted is not True:
        raise rejected_by_condition()
