"""Sessions end, and the answers say so in each service's words."""

import datetime

import pytest

from wif_pipelines.sandbox.aws.callers import Callers
from wif_pipelines.sandbox.aws.errors import AwsError
from wif_pipelines.sandbox.aws.sessions import Session, Sessions
from wif_pipelines.sandbox.aws.signature import Claim


def _open(sessions: Sessions, seconds: int = 900) -> Session:
    return sessions.open(role_name="r", role_id="AROA", name="n", account="210987654321", seconds=seconds)


def _claim(session: Session, service: str, token: str | None) -> Claim:
    return Claim(session.access_key_id, "20260101", "us-east-1", service, (), "", "", token, None)


@pytest.mark.parametrize(
    ("service", "status", "text"),
    [
        ("sts", 403, "ExpiredToken: The security token included in the request is expired"),
        ("s3", 400, "ExpiredToken: The provided token has expired."),
    ],
)
def test_a_session_ends(service: str, status: int, text: str) -> None:
    sessions = Sessions()
    callers, session = Callers("210987654321", sessions, "instance"), _open(sessions)
    claim = _claim(session, service, session.token)

    caller, secret = callers.find(claim, session.expires - datetime.timedelta(seconds=1))
    with pytest.raises(AwsError) as caught:
        callers.find(claim, session.expires)

    assert (caller.arn, secret) == ("arn:aws:sts::210987654321:assumed-role/r/n", session.secret)
    assert (caught.value.status, str(caught.value)) == (status, text)


def test_a_wrong_token_is_told_from_an_expired_one() -> None:
    sessions = Sessions()
    callers, session = Callers("210987654321", sessions, "instance"), _open(sessions)

    for token, code in ((None, "InvalidClientTokenId"), ("wrong", "InvalidClientTokenId")):
        with pytest.raises(AwsError, match=code):
            callers.find(_claim(session, "sts", token), session.expires - datetime.timedelta(minutes=1))


def test_a_role_that_was_deleted_may_do_nothing() -> None:
    sessions = Sessions()
    caller, _ = Callers("210987654321", sessions, "instance").find(
        _claim(session := _open(sessions), "s3", session.token), session.expires - datetime.timedelta(minutes=1)
    )

    assert caller.statements == ()


def test_secrets_do_not_show_in_a_representation() -> None:
    session = _open(Sessions())

    assert session.secret not in repr(session)
    assert session.token not in repr(session)


def test_what_ended_long_ago_is_forgotten() -> None:
    sessions = Sessions()
    stale = _open(sessions, seconds=-90_000)
    recent = _open(sessions, seconds=-1000)
    _open(sessions)

    assert sessions.find(stale.access_key_id) is None
    assert sessions.find(recent.access_key_id) is recent
