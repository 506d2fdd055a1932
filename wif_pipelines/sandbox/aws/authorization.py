"""May this caller do this? Identity, resource and session policies weighed together, for callers of the same account.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic_policy-eval-basics-single-account.html
"""

from collections.abc import Mapping, Sequence

from wif_pipelines.sandbox.aws.callers import Caller
from wif_pipelines.sandbox.aws.errors import AwsError
from wif_pipelines.sandbox.aws.permissions import Need
from wif_pipelines.sandbox.aws.policies import Request, Statement, Verdict, evaluate

__all__ = ["Context", "authorize", "context_of", "require_trust"]

Context = Mapping[str, tuple[str, ...]]

_QUERY_KEYS = {
    "prefix": "s3:prefix",
    "delimiter": "s3:delimiter",
    "max-keys": "s3:max-keys",
    "versionId": "s3:versionid",
}
_HEADER_KEYS = (
    "x-amz-acl",
    "x-amz-server-side-encryption",
    "x-amz-server-side-encryption-aws-kms-key-id",
    "x-amz-storage-class",
)


def context_of(caller: Caller, region: str, query: Mapping[str, str], headers: Mapping[str, str]) -> Context:
    """Collect the condition keys that a request has values for; everything goes over TLS here."""
    context = {
        "aws:requestedregion": (region,),
        "aws:securetransport": ("true",),
        "aws:sourceip": ("127.0.0.1",),
    }
    if caller.arn:
        context["aws:principalarn"] = (_principal_arn(caller),)
        context["aws:principalaccount"] = (caller.account,)
        context["aws:userid"] = (caller.user_id,)
    if ":user/" in caller.arn:
        context["aws:username"] = (caller.arn.rpartition("/")[2],)
    context |= {key: (query[name],) for name, key in _QUERY_KEYS.items() if name in query}
    context |= {f"s3:{name}": (headers[name],) for name in _HEADER_KEYS if name in headers}
    return context


def authorize(caller: Caller, needs: Sequence[Need], context: Context, resource_policy: Sequence[Statement]) -> None:
    """Require every need.

    Args:
        caller: who asks.
        needs: actions and the ARNs they are wanted on.
        context: from `context_of`.
        resource_policy: statements of the bucket's policy; empty when there is none.

    Raises:
        AwsError: `AccessDenied` (403), naming the first need that is not met.
    """
    for action, resource in needs:
        reason = _refused_because(caller, Request(action, resource, context), resource_policy)
        if reason:
            raise _denied(caller, action, resource, reason)


def require_trust(caller: Caller, role_arn: str, trust: Sequence[Statement], context: Context) -> None:
    """Require that a role's trust policy lets this caller assume it.

    Trust in the caller's whole account is not enough by itself: then the caller's own policies must allow it, too.

    Raises:
        AwsError: `AccessDenied` (403).
    """
    asked = Request("sts:AssumeRole", role_arn, context)
    identity = evaluate(caller.statements, asked)
    named = evaluate(trust, _as_principal(asked, caller.names))
    anyone = evaluate(trust, _as_principal(asked, caller.names | caller.account_names))
    allowed = named is Verdict.ALLOWED or (anyone is Verdict.ALLOWED and identity is Verdict.ALLOWED)
    limited = caller.limits is not None and evaluate(caller.limits, asked) is not Verdict.ALLOWED
    if not allowed or limited or Verdict.DENIED in (identity, anyone):
        text = f"User: {caller.arn} is not authorized to perform: sts:AssumeRole on resource: {role_arn}"
        raise AwsError(403, "AccessDenied", text)


def _refused_because(caller: Caller, asked: Request, resource_policy: Sequence[Statement]) -> str:
    identity = evaluate(caller.statements, asked)
    bucket = evaluate(resource_policy, _as_principal(asked, caller.names | caller.account_names))
    named = evaluate(resource_policy, _as_principal(asked, caller.names))
    if identity is Verdict.DENIED:
        return "with an explicit deny in an identity-based policy"
    if bucket is Verdict.DENIED:
        return "with an explicit deny in a resource-based policy"
    if identity is Verdict.SILENT and named is not Verdict.ALLOWED:
        return f"because no identity-based policy allows the {asked.action} action"
    if caller.limits is not None and evaluate(caller.limits, asked) is not Verdict.ALLOWED:
        return f"because no session policy allows the {asked.action} action"
    return ""


def _as_principal(asked: Request, names: frozenset[str]) -> Request:
    return Request(asked.action, asked.resource, asked.context, {"AWS": names})


def _principal_arn(caller: Caller) -> str:
    if caller.session is None:
        return caller.arn
    return f"arn:aws:iam::{caller.account}:role/{caller.session.role_name}"


def _denied(caller: Caller, action: str, resource: str, reason: str) -> AwsError:
    if not caller.arn:
        return AwsError(403, "AccessDenied", "Access Denied")
    named = f'"{resource}"' if action.startswith("s3:") else resource
    text = f"User: {caller.arn} is not authorized to perform: {action} on resource: {named} {reason}"
    return AwsError(403, "AccessDenied", text)
