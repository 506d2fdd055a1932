"""Who signs: access keys and what stands behind them.

Users, their keys, groups, roles and policies live in moto's IAM, so that boto3 administers them; sessions live in
`Sessions`. One more key exists in memory alone: that of the instance user, with which the sandbox assumes roles for the
commands it runs, as a machine's metadata service would.
"""

import dataclasses
import datetime
import json
import secrets
from collections.abc import Iterable
from typing import Any

from moto.iam.models import iam_backends

from wif_pipelines.sandbox.aws.errors import AwsError
from wif_pipelines.sandbox.aws.policies import Statement, statements_of
from wif_pipelines.sandbox.aws.sessions import Session, Sessions
from wif_pipelines.sandbox.aws.signature import Claim

__all__ = ["ANONYMOUS", "Caller", "Callers"]


@dataclasses.dataclass(frozen=True)
class Caller:
    """Somebody who may ask, with what its own policies say.

    Attributes:
        arn: as GetCallerIdentity names it; "" for nobody.
        user_id: AWS's id, with the session's name for a role.
        account: twelve digits; "" for nobody.
        names: every spelling of a Principal element that means this very caller (not its whole account).
        statements: of all identity policies.
        limits: of a session policy; None when there is none.
        session: the assumed role's session; None for a user.
    """

    arn: str
    user_id: str
    account: str
    names: frozenset[str]
    statements: tuple[Statement, ...]
    limits: tuple[Statement, ...] | None = None
    session: Session | None = None

    @property
    def account_names(self) -> frozenset[str]:
        """Spellings of a Principal element that mean the caller's whole account."""
        return frozenset({self.account, f"arn:aws:iam::{self.account}:root"}) if self.account else frozenset()


ANONYMOUS = Caller(arn="", user_id="", account="", names=frozenset(), statements=())


class Callers:
    """Finds the caller behind an access key, and the secret that its signature must come from."""

    def __init__(self, account: str, sessions: Sessions, instance_user: str) -> None:
        self._account = account
        self._sessions = sessions
        self._instance_user = instance_user
        self.instance_key_id = "AKIA" + secrets.token_hex(8).upper()
        self.instance_secret = secrets.token_urlsafe(30)

    @property
    def iam(self) -> Any:
        """Moto's IAM of the one account."""
        return iam_backends[self._account]["aws"]

    def find(self, claim: Claim, now: datetime.datetime) -> tuple[Caller, str]:
        """Return the caller and its secret; the signature is still to be checked with it.

        Raises:
            AwsError: when the key is unknown, or the session token is missing, wrong or expired.
        """
        session = self._sessions.find(claim.access_key_id)
        if session is not None:
            _check_token(session, claim, now)
            return self.of_session(session), session.secret
        if claim.access_key_id == self.instance_key_id:
            return self._of_user(self._instance_user), self.instance_secret
        key = self.iam.access_keys.get(claim.access_key_id)
        if key is None or key.status != "Active" or key.user_name not in self.iam.users:
            raise _unknown_key(claim)
        return self._of_user(key.user_name), key.secret_access_key

    def of_session(self, session: Session) -> Caller:
        """The caller that a session is; a role deleted meanwhile has no permission left."""
        role = next((role for role in self.iam.roles.values() if role.name == session.role_name), None)
        statements = () if role is None else _statements(role.policies.values(), role.managed_policies.values())
        names = {session.arn} if role is None else {session.arn, role.arn, session.role_id}
        limits = tuple(statements_of(session.policy)) if session.policy else None
        return Caller(
            arn=session.arn,
            user_id=session.user_id,
            account=session.account,
            names=frozenset(names),
            statements=statements,
            limits=limits,
            session=session,
        )

    def _of_user(self, name: str) -> Caller:
        user = self.iam.users[name]
        statements = _statements(user.policies.values(), user.managed_policies.values())
        for group in self.iam.groups.values():
            if user in group.users:
                statements += _statements(group.policies.values(), group.managed_policies.values())
        return Caller(
            arn=user.arn,
            user_id=user.id,
            account=self._account,
            names=frozenset({user.arn, user.id}),
            statements=statements,
        )


def _statements(inline: Iterable[str], managed: Iterable[Any]) -> tuple[Statement, ...]:
    documents = [*inline, *(_default_document(policy) for policy in managed)]
    return tuple(statement for document in documents for statement in statements_of(document))


def _default_document(policy: Any) -> str:
    version = next(version for version in policy.versions if version.version_id == policy.default_version_id)
    return version.document if isinstance(version.document, str) else json.dumps(version.document)


def _check_token(session: Session, claim: Claim, now: datetime.datetime) -> None:
    if claim.token is None:
        raise _unknown_key(claim)
    if not session.holds(claim.token):
        if claim.service == "s3":
            raise AwsError(400, "InvalidToken", "The provided token is malformed or otherwise invalid.")
        raise AwsError(403, "InvalidClientTokenId", "The security token included in the request is invalid.")
    if now >= session.expires:
        if claim.service == "s3":
            raise AwsError(400, "ExpiredToken", "The provided token has expired.")
        raise AwsError(403, "ExpiredToken", "The security token included in the request is expired")


def _unknown_key(claim: Claim) -> AwsError:
    if claim.service == "s3":
        text = "The AWS Access Key Id you provided does not exist in our records."
        return AwsError(403, "InvalidAccessKeyId", text)
    return AwsError(403, "InvalidClientTokenId", "The security token included in the request is invalid.")
