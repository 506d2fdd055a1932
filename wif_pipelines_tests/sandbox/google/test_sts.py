"""The token exchange: what it accepts, what it makes of it, and how it refuses."""

import contextlib
import json
import re
import urllib.parse
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests
from google.auth import exceptions
from google.auth.transport.requests import AuthorizedSession, Request

from wif_pipelines.sandbox.lifecycle import Sandbox
from wif_pipelines_tests.sandbox.google.conftest import SCOPE, aws_credentials

_URL = "https://sts.googleapis.com/v1/token"
_AWS = "urn:ietf:params:aws:token-type:aws4_request"
_INVALID_TARGET = (
    'The target service indicated by the "audience" parameters is invalid. This might either be because the pool or '
    "provider is disabled or deleted or because it doesn't exist."
)
Exchange = Callable[..., requests.Response]


@pytest.fixture
def subject_token(sandbox: Sandbox, sandbox_environment: dict[str, str]) -> str:
    """What google-auth sends to the exchange for the workload's AWS session."""
    token = aws_credentials(sandbox_environment, sandbox.world.provider_name).retrieve_subject_token(Request())
    return str(token)


@pytest.fixture
def exchange(sandbox: Sandbox, subject_token: str) -> Exchange:
    """Ask for a token, with anything about the request changed."""

    def send(**changes: Any) -> requests.Response:
        fields = {
            "audience": sandbox.world.audience,
            "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
            "requested_token_type": "urn:ietf:params:oauth:token-type:access_token",
            "scope": SCOPE,
            "subject_token_type": _AWS,
            "subject_token": subject_token,
        }
        return requests.post(_URL, data=fields | changes, timeout=10)

    return send


def _changed(token: str, **changes: Any) -> str:
    request = json.loads(urllib.parse.unquote(token)) | changes
    return urllib.parse.quote(json.dumps(request))


def _with_header(token: str, name: str, change: Callable[[str], str]) -> str:
    request = json.loads(urllib.parse.unquote(token))
    headers = [{**item, "value": change(item["value"])} if item["key"] == name else item for item in request["headers"]]
    return _changed(token, headers=headers)


def _refusal(answer: requests.Response) -> tuple[int, str, str]:
    return answer.status_code, answer.json()["error"], answer.json()["error_description"]


def test_an_aws_session_becomes_a_federated_token(exchange: Exchange) -> None:
    answer = exchange().json()

    assert answer["access_token"].startswith("ya29.d.")
    assert answer["token_type"] == "Bearer"
    assert answer["issued_token_type"] == "urn:ietf:params:oauth:token-type:access_token"
    assert answer["expires_in"] == 3600


def test_json_is_taken_as_well_as_a_form(sandbox: Sandbox, subject_token: str) -> None:
    body = {
        "audience": sandbox.world.audience,
        "grantType": "urn:ietf:params:oauth:grant-type:token-exchange",
        "requestedTokenType": "urn:ietf:params:oauth:token-type:access_token",
        "scope": SCOPE,
        "subjectTokenType": _AWS,
        "subjectToken": subject_token,
    }
    assert requests.post(_URL, json=body, timeout=10).status_code == 200


def test_a_federated_token_has_only_what_is_bound_to_it(
    sandbox: Sandbox, federated_token: str, as_administrator: AuthorizedSession
) -> None:
    """Direct access, without any service account: nothing at first, and then what a principalSet is given."""
    project = f"https://cloudresourcemanager.googleapis.com/v1/projects/{sandbox.world.project}"
    asked = {"permissions": ["resourcemanager.projects.get"]}
    headers = {"Authorization": f"Bearer {federated_token}"}
    before = requests.post(f"{project}:testIamPermissions", json=asked, headers=headers, timeout=10)

    policy = as_administrator.post(f"{project}:getIamPolicy", json={}).json()
    role = sandbox.world.assumed_workload_role_arn
    member = f"principalSet://iam.googleapis.com/{sandbox.world.pool_name}/attribute.aws_role/{role}"
    granted = [*policy["bindings"], {"role": "roles/browser", "members": [member]}]
    as_administrator.post(f"{project}:setIamPolicy", json={"policy": {**policy, "bindings": granted}})
    after = requests.post(f"{project}:testIamPermissions", json=asked, headers=headers, timeout=10)
    as_administrator.post(f"{project}:setIamPolicy", json={"policy": {"bindings": policy["bindings"]}})

    assert before.json() == {}
    assert after.json() == asked


def test_a_role_that_the_condition_rejects(
    sandbox: Sandbox, sandbox_environment: dict[str, str], operator_environment: dict[str, str]
) -> None:
    credentials = aws_credentials(operator_environment, sandbox.world.provider_name)

    with pytest.raises(exceptions.OAuthError) as refused:
        credentials.refresh(Request())

    said = "The given credential is rejected by the attribute condition."
    assert refused.value.args[0] == f"Error code unauthorized_client: {said}"


def test_a_tampered_signature(exchange: Exchange, subject_token: str) -> None:
    def flip(authorization: str) -> str:
        return authorization[:-1] + ("0" if authorization[-1] != "0" else "1")

    status, error, text = _refusal(exchange(subject_token=_with_header(subject_token, "Authorization", flip)))

    assert (status, error) == (400, "invalid_grant")
    assert text.startswith("Received invalid AWS response of type SignatureDoesNotMatch with error message: ")


def test_an_unknown_key(exchange: Exchange, subject_token: str) -> None:
    def another(authorization: str) -> str:
        return re.sub(r"Credential=[A-Z0-9]+/", "Credential=ASIAQQQQQQQQQQQQQQQQ/", authorization)

    status, error, text = _refusal(exchange(subject_token=_with_header(subject_token, "Authorization", another)))

    assert (status, error) == (400, "invalid_grant")
    assert text == (
        "Received invalid AWS response of type InvalidClientTokenId with error message: "
        "The security token included in the request is invalid."
    )


def test_an_old_signature(exchange: Exchange, subject_token: str) -> None:
    def last_year(date: str) -> str:
        return f"{int(date[:4]) - 1}{date[4:]}"

    status, error, text = _refusal(exchange(subject_token=_with_header(subject_token, "x-amz-date", last_year)))

    assert (status, error) == (400, "invalid_grant")
    assert text.startswith("Received invalid AWS response of type ")


def test_another_target_resource(exchange: Exchange, sandbox: Sandbox, subject_token: str) -> None:
    """What was made for one provider cannot be handed on to another."""
    name = "x-goog-cloud-target-resource"
    stolen = _with_header(subject_token, name, lambda _: sandbox.world.audience + "-2")

    status, error, text = _refusal(exchange(subject_token=stolen))

    assert (status, error) == (400, "invalid_grant")
    assert name in text


def test_a_request_that_is_not_for_aws_is_not_sent(exchange: Exchange, subject_token: str) -> None:
    elsewhere = _changed(subject_token, url="https://sts.amazonaws.com.example/?Action=GetCallerIdentity")
    another_action = _changed(subject_token, url="https://sts.us-east-1.amazonaws.com/?Action=AssumeRole")

    for token in (elsewhere, another_action, _changed(subject_token, headers=[])):
        assert _refusal(exchange(subject_token=token)) == (400, "invalid_grant", "AWS request has invalid format.")


def test_what_is_not_json(exchange: Exchange) -> None:
    status, error, text = _refusal(exchange(subject_token="not json"))

    assert (status, error) == (400, "invalid_grant")
    assert text.startswith("Invalid format of AWS credentials:Error at line 0:0")


def test_a_project_id_in_the_audience(exchange: Exchange, sandbox: Sandbox) -> None:
    audience = sandbox.world.audience.replace(sandbox.world.project_number, sandbox.world.project)

    assert _refusal(exchange(audience=audience)) == (400, "invalid_target", _INVALID_TARGET)


@pytest.mark.parametrize("cut", ["/providers/aws-main", "everything"])
def test_an_audience_that_is_no_provider(exchange: Exchange, sandbox: Sandbox, cut: str) -> None:
    audience = "" if cut == "everything" else sandbox.world.audience.removesuffix(cut)

    status, error, text = _refusal(exchange(audience=audience))

    assert (status, error) == (400, "invalid_request")
    assert text.startswith(
        'Invalid value for "audience". This value should be the full resource name of the Identity Provider.'
    )


def test_a_wrong_kind_of_token(exchange: Exchange) -> None:
    kind = "urn:ietf:params:oauth:token-type:jwt"

    assert _refusal(exchange(subject_token_type=kind))[:2] == (400, "invalid_request")


def test_a_wrong_grant(exchange: Exchange) -> None:
    assert _refusal(exchange(grant_type="password"))[:2] == (400, "unsupported_grant_type")


def test_another_aws_account(sandbox: Sandbox, as_administrator: AuthorizedSession, exchange: Exchange) -> None:
    with _provider(sandbox, as_administrator, aws={"accountId": "999999999999"}) as name:
        refused = _refusal(_exchange_at(sandbox, name))

    assert refused[:2] == (400, "invalid_grant")
    assert "account" in refused[2]


def test_a_subject_of_more_than_127_bytes(sandbox: Sandbox, as_administrator: AuthorizedSession) -> None:
    mapping = {"google.subject": "assertion.arn + assertion.arn + assertion.arn"}
    with _provider(sandbox, as_administrator, attributeMapping=mapping) as name:
        status, error, text = _refusal(_exchange_at(sandbox, name))

    assert (status, error) == (400, "invalid_request")
    assert text.startswith("The size of mapped attribute google.subject exceeds the 127 bytes limit. Either modify")


def test_a_mapping_over_a_claim_that_is_not_there(sandbox: Sandbox, as_administrator: AuthorizedSession) -> None:
    with _provider(sandbox, as_administrator, attributeMapping={"google.subject": "assertion.email"}) as name:
        refused = _refusal(_exchange_at(sandbox, name))

    assert refused[:2] == (400, "invalid_grant")
    assert "google.subject" in refused[2]


def test_a_provider_that_is_off_or_gone_takes_nothing(sandbox: Sandbox, as_administrator: AuthorizedSession) -> None:
    with _provider(sandbox, as_administrator) as name:
        url = f"https://iam.googleapis.com/v1/{name}"
        on = _exchange_at(sandbox, name)
        as_administrator.patch(f"{url}?updateMask=disabled", json={"disabled": True})
        off = _refusal(_exchange_at(sandbox, name))
        as_administrator.patch(f"{url}?updateMask=disabled", json={"disabled": False})
        on_again = _exchange_at(sandbox, name)
        as_administrator.delete(url)
        gone = _refusal(_exchange_at(sandbox, name))
        as_administrator.post(f"{url}:undelete", json={})
        back = _exchange_at(sandbox, name)

    assert [answer.status_code for answer in (on, on_again, back)] == [200, 200, 200]
    assert off == gone == (400, "invalid_target", _INVALID_TARGET)


def test_exchanges_and_impersonations_are_in_the_audit_log(
    sandbox: Sandbox, pipeline: Any, exchange: Exchange, as_administrator: AuthorizedSession
) -> None:
    pipeline.refresh(Request())
    exchange(audience=sandbox.world.audience + "-absent")
    names = "google.identity.sts.v1.SecurityTokenService.ExchangeToken", "GenerateAccessToken"
    entries = [_entries(as_administrator, sandbox, name) for name in names]

    became = f"principal://iam.googleapis.com/{sandbox.world.pool_name}/subject/"
    good, bad = ([e for e in entries[0] if bool(e.get("status")) is refused] for refused in (False, True))
    assert good[0]["metadata"]["mapped_principal"].startswith(became)
    assert bad[0]["status"]["message"] == _INVALID_TARGET
    impersonation = next(e for e in entries[1] if sandbox.world.service_account in e["resourceName"])
    assert impersonation["authenticationInfo"]["principalSubject"].startswith(became)


def test_no_token_is_in_the_audit_log(
    sandbox: Sandbox, exchange: Exchange, as_administrator: AuthorizedSession, subject_token: str
) -> None:
    token = exchange().json()["access_token"]

    shown = json.dumps(_entries(as_administrator, sandbox, "ExchangeToken"))

    assert token not in shown
    assert subject_token not in shown
    assert "X-Amz" not in shown


def _entries(session: AuthorizedSession, sandbox: Sandbox, method: str) -> list[dict[str, Any]]:
    body = {
        "resourceNames": [f"projects/{sandbox.world.project}"],
        "filter": f'protoPayload.methodName:"{method}"',
        "orderBy": "timestamp desc",
        "pageSize": 50,
    }
    answer = session.post("https://logging.googleapis.com/v2/entries:list", json=body)
    assert answer.status_code == 200, answer.text
    return [entry["protoPayload"] for entry in answer.json().get("entries", [])]


@contextlib.contextmanager
def _provider(sandbox: Sandbox, session: AuthorizedSession, **fields: Any) -> Iterator[str]:
    """A provider of the seeded pool while a block runs; takes any session of the account, unless told otherwise."""
    pool, given = sandbox.world.pool_name, f"t-{uuid.uuid4().hex[:12]}"
    url = f"https://iam.googleapis.com/v1/{pool}/providers"
    body = {"aws": {"accountId": sandbox.world.aws_account}} | fields
    answer = session.post(f"{url}?workloadIdentityPoolProviderId={given}", json=body)
    assert answer.status_code == 200, answer.text
    yield f"{pool}/providers/{given}"
    session.delete(f"{url}/{given}")


def _exchange_at(sandbox: Sandbox, name: str) -> requests.Response:
    """Exchange the workload's session, made out to this provider."""
    environment = sandbox.environment(session_name="tests")
    token = aws_credentials(environment, name).retrieve_subject_token(Request())
    fields = {
        "audience": f"//iam.googleapis.com/{name}",
        "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
        "requested_token_type": "urn:ietf:params:oauth:token-type:access_token",
        "scope": SCOPE,
        "subject_token_type": _AWS,
        "subject_token": token,
    }
    return requests.post(_URL, data=fields, timeout=10)
