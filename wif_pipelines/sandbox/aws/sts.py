"""The Security Token Service: who am I, and assuming roles, with trust policies and lifetimes kept.

Moto has the same operations, but trusts every token and every caller, and hashes a genuine GetCallerIdentity wrongly;
so this answers in its place. https://docs.aws.amazon.com/STS/latest/APIReference/
"""

import re
import uuid
from collections.abc import Mapping
from typing import Any
from xml.sax.saxutils import escape

from wif_pipelines.sandbox.aws.authorization import Context, require_trust
from wif_pipelines.sandbox.aws.callers import Caller, Callers
from wif_pipelines.sandbox.aws.errors import AwsError
from wif_pipelines.sandbox.aws.policies import Request, Verdict, evaluate, statements_of
from wif_pipelines.sandbox.aws.sessions import Session, Sessions
from wif_pipelines.sandbox.aws.web_identity import WebIdentity, WebIdentityVerifier

__all__ = ["SecurityTokenService"]

_NAMESPACE = "https://sts.amazonaws.com/doc/2011-06-15/"
_SESSION_NAME = re.compile(r"[\w+=,.@-]{2,64}", re.ASCII)
_CHAINED_LIMIT = 3600


class SecurityTokenService:
    """Answers `GetCallerIdentity`, `AssumeRole` and `AssumeRoleWithWebIdentity` in the query protocol's XML."""

    def __init__(self, callers: Callers, sessions: Sessions, verifier: WebIdentityVerifier) -> None:
        self._callers = callers
        self._sessions = sessions
        self._verifier = verifier

    def answer(self, operation: str, parameters: Mapping[str, str], caller: Caller, context: Context) -> bytes:
        """Carry out a signed operation whose signature has been checked.

        Raises:
            AwsError: as the real service would.
        """
        if operation == "GetCallerIdentity":
            fields = {"Arn": caller.arn, "UserId": caller.user_id, "Account": caller.account}
            return _render(operation, "".join(_element(name, text) for name, text in fields.items()))
        if operation == "AssumeRole":
            return self._assume_role(parameters, caller, context)
        text = f"Could not find operation {operation or '(none)'} for version 2011-06-15"
        raise AwsError(400, "InvalidAction", text)

    def assume_role_with_web_identity(self, parameters: Mapping[str, str]) -> bytes:
        """Open a session for the holder of an outside issuer's token, if the role's trust policy speaks of it.

        Raises:
            AwsError: `AccessDenied` (403) "Not authorized to perform sts:AssumeRoleWithWebIdentity" when the role does
                not exist or does not trust the holder; 400 for a token that does not verify.
        """
        action = "sts:AssumeRoleWithWebIdentity"
        identity = self._verifier.verify(_required(parameters, "WebIdentityToken"))
        name = _session_name(parameters)
        role = self._find_role(_required(parameters, "RoleArn"))
        principals = {"Federated": frozenset({identity.provider})}
        asked = Request(action, role.arn if role else "", identity.context, principals)
        if role is None or evaluate(_trust(role), asked) is not Verdict.ALLOWED:
            raise AwsError(403, "AccessDenied", f"Not authorized to perform {action}")
        session = self._open(role, name, parameters, limit=int(role.max_session_duration or _CHAINED_LIMIT))
        return _render("AssumeRoleWithWebIdentity", _session_xml(session) + _identity_xml(identity))

    def _assume_role(self, parameters: Mapping[str, str], caller: Caller, context: Context) -> bytes:
        arn = _required(parameters, "RoleArn")
        name = _session_name(parameters)
        extra = {"sts:rolesessionname": (name,)}
        if "ExternalId" in parameters:
            extra["sts:externalid"] = (parameters["ExternalId"],)
        role = self._find_role(arn)
        require_trust(caller, arn, _trust(role) if role else [], {**context, **extra})
        limit = int(role.max_session_duration or _CHAINED_LIMIT)
        if caller.session is not None and int(parameters.get("DurationSeconds", "0")) > _CHAINED_LIMIT:
            text = "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining."
            raise AwsError(400, "ValidationError", text)
        return _render("AssumeRole", _session_xml(self._open(role, name, parameters, limit=limit)))

    def _find_role(self, arn: str) -> Any:
        return next((role for role in self._callers.iam.roles.values() if role.arn == arn), None)

    def _open(self, role: Any, name: str, parameters: Mapping[str, str], *, limit: int) -> Session:
        return self._sessions.open(
            role_name=role.name,
            role_id=role.id,
            name=name,
            account=role.account_id,
            seconds=_duration(parameters, limit),
            policy=parameters.get("Policy"),
        )


def _trust(role: Any) -> list[Any]:
    return list(statements_of(role.assume_role_policy_document))


def _required(parameters: Mapping[str, str], name: str) -> str:
    if parameters.get(name):
        return parameters[name]
    field = name[0].lower() + name[1:]
    text = f"1 validation error detected: Value null at '{field}' failed to satisfy constraint: Member must not be null"
    raise AwsError(400, "ValidationError", text)


def _session_name(parameters: Mapping[str, str]) -> str:
    name = _required(parameters, "RoleSessionName")
    if _SESSION_NAME.fullmatch(name):
        return name
    text = f"1 validation error detected: Value '{name}' at 'roleSessionName' failed to satisfy constraint: "
    raise AwsError(400, "ValidationError", text + r"Member must satisfy regular expression pattern: [\w+=,.@-]{2,64}")


def _duration(parameters: Mapping[str, str], limit: int) -> int:
    text = parameters.get("DurationSeconds", str(min(3600, limit)))
    seconds = int(text) if text.isdigit() else 0
    if seconds < 900:
        detail = f"Value '{text}' at 'durationSeconds' failed to satisfy constraint: "
        constraint = "Member must have value greater than or equal to 900"
        raise AwsError(400, "ValidationError", f"1 validation error detected: {detail}{constraint}")
    if seconds > limit:
        detail = "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."
        raise AwsError(400, "ValidationError", detail)
    return seconds


def _session_xml(session: Session) -> str:
    credentials = {
        "AccessKeyId": session.access_key_id,
        "SecretAccessKey": session.secret,
        "SessionToken": session.token,
        "Expiration": session.expires.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    user = _element("AssumedRoleId", session.user_id) + _element("Arn", session.arn)
    inner = "".join(_element(name, text) for name, text in credentials.items())
    return f"<Credentials>{inner}</Credentials><AssumedRoleUser>{user}</AssumedRoleUser>"


def _identity_xml(identity: WebIdentity) -> str:
    fields = {
        "SubjectFromWebIdentityToken": identity.subject,
        "Audience": identity.audience,
        "Provider": identity.provider,
    }
    return "".join(_element(name, text) for name, text in fields.items())


def _element(name: str, text: str) -> str:
    return f"<{name}>{escape(text)}</{name}>"


def _render(operation: str, result: str) -> bytes:
    request_id = f"<ResponseMetadata><RequestId>{uuid.uuid4()}</RequestId></ResponseMetadata>"
    body = f"<{operation}Result>{result}</{operation}Result>{request_id}"
    return f'<{operation}Response xmlns="{_NAMESPACE}">{body}</{operation}Response>'.encode()
