"""Becoming a service account: who may, for how long, and what is said to those who may not."""

import datetime
import json
import re
import uuid
from collections.abc import Callable
from typing import Any

import jwt
import pytest
import requests
from google.auth import exceptions, impersonated_credentials
from google.auth.transport.requests import AuthorizedSession, Request

from wif_pipelines.sandbox.lifecycle import Sandbox
from wif_pipelines_tests.sandbox.google.conftest import SCOPE, aws_credentials

_ROOT = "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts"
_IAM = "https://iam.googleapis.com/v1"
_DENIED = "Permission 'iam.serviceAccounts.getAccessToken' denied on resource (or it may not exist)."
Post = Callable[..., requests.Response]


@pytest.fixture
def account(sandbox: Sandbox, as_administrator: AuthorizedSession) -> Any:
    """A new service account that nobody may use yet."""
    project = f"{_IAM}/projects/{sandbox.world.project}"
    answer = as_administrator.post(f"{project}/serviceAccounts", json={"accountId": f"t-{uuid.uuid4().hex[:12]}"})
    assert answer.status_code == 200, answer.text
    created = answer.json()
    yield created
    as_administrator.delete(f"{_IAM}/{created['name']}")


def test_google_auth_becomes_the_pipeline_account(sandbox: Sandbox, pipeline: Any) -> None:
    pipeline.refresh(Request())

    left = pipeline.expiry - datetime.datetime.now(datetime.UTC).replace(tzinfo=None)
    assert pipeline.service_account_email == sandbox.world.service_account
    assert 3590 < left.total_seconds() <= 3600


def test_expire_time_has_whole_seconds(sandbox: Sandbox, post: Post, federated_token: str) -> None:
    answer = post(f"{_ROOT}/{sandbox.world.service_account}:generateAccessToken", {"scope": [SCOPE]}, federated_token)

    assert answer.status_code == 200
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", answer.json()["expireTime"])


@pytest.mark.parametrize("body", [{"scope": None}, {}, {"scope": []}, {"scope": ["not a scope"]}])
def test_missing_scopes_are_refused(sandbox: Sandbox, post: Post, federated_token: str, body: dict[str, Any]) -> None:
    answer = post(f"{_ROOT}/{sandbox.world.service_account}:generateAccessToken", body, federated_token)

    assert answer.status_code == 400
    assert answer.json()["error"]["message"] == "Request contains an invalid argument."
    assert answer.json()["error"]["status"] == "INVALID_ARGUMENT"


def test_a_malformed_account_is_refused(post: Post, federated_token: str) -> None:
    answer = post(f"{_ROOT}/someone@example.com:generateAccessToken", {"scope": [SCOPE]}, federated_token)

    assert answer.status_code == 400
    assert answer.json()["error"]["message"] == "Request contains an invalid argument."


def test_longer_than_an_hour_is_refused(sandbox: Sandbox, post: Post, federated_token: str) -> None:
    body = {"scope": [SCOPE], "lifetime": "3601s"}
    answer = post(f"{_ROOT}/{sandbox.world.service_account}:generateAccessToken", body, federated_token)

    assert answer.status_code == 400
    assert answer.json()["error"]["message"] == "The access token lifetime cannot exceed 3600 seconds."


def test_an_account_without_the_binding_is_refused(
    sandbox_environment: dict[str, str], sandbox: Sandbox, account: dict[str, Any]
) -> None:
    credentials = aws_credentials(sandbox_environment, sandbox.world.provider_name, account["email"])

    with pytest.raises(exceptions.RefreshError) as refused:
        credentials.refresh(Request())

    error = json.loads(refused.value.args[1])["error"]
    assert (error["code"], error["status"], error["message"]) == (403, "PERMISSION_DENIED", _DENIED)


def test_an_account_that_does_not_exist_is_refused_in_the_same_words(
    sandbox: Sandbox, post: Post, federated_token: str
) -> None:
    email = f"nobody@{sandbox.world.project}.iam.gserviceaccount.com"
    answer = post(f"{_ROOT}/{email}:generateAccessToken", {"scope": [SCOPE]}, federated_token)

    assert (answer.status_code, answer.json()["error"]["message"]) == (403, _DENIED)


@pytest.mark.parametrize("token", [None, "ya29.d.made-up"])
def test_a_caller_without_a_token_is_refused(sandbox: Sandbox, post: Post, token: str | None) -> None:
    answer = post(f"{_ROOT}/{sandbox.world.service_account}:generateAccessToken", {"scope": [SCOPE]}, token)

    assert answer.status_code == 401
    assert answer.json()["error"]["status"] == "UNAUTHENTICATED"


def test_a_disabled_account_gives_no_token(
    sandbox: Sandbox, post: Post, federated_token: str, as_administrator: AuthorizedSession, account: dict[str, Any]
) -> None:
    _bind(as_administrator, account["name"], f"principalSet://iam.googleapis.com/{sandbox.world.pool_name}/*")
    url, body = f"{_ROOT}/{account['email']}:generateAccessToken", {"scope": [SCOPE]}
    enabled = post(url, body, federated_token)

    as_administrator.post(f"{_IAM}/{account['name']}:disable", json={})
    disabled = post(url, body, federated_token)

    assert enabled.status_code == 200
    assert disabled.status_code == 400
    assert disabled.json()["error"]["status"] == "FAILED_PRECONDITION"


def test_a_disabled_account_loses_the_tokens_it_has(
    sandbox: Sandbox, post: Post, federated_token: str, as_administrator: AuthorizedSession, account: dict[str, Any]
) -> None:
    _bind(as_administrator, account["name"], f"principalSet://iam.googleapis.com/{sandbox.world.pool_name}/*")
    url = f"{_ROOT}/{account['email']}:generateAccessToken"
    token = post(url, {"scope": [SCOPE]}, federated_token).json()["accessToken"]
    probe = f"https://cloudresourcemanager.googleapis.com/v1/projects/{sandbox.world.project}:testIamPermissions"

    before = post(probe, {"permissions": ["resourcemanager.projects.get"]}, token)
    as_administrator.post(f"{_IAM}/{account['name']}:disable", json={})
    after = post(probe, {"permissions": ["resourcemanager.projects.get"]}, token)

    assert before.status_code == 200
    assert after.status_code == 401


def test_a_delegate_passes_the_right_on(
    sandbox: Sandbox,
    pipeline: Any,
    as_administrator: AuthorizedSession,
    account: dict[str, Any],
    federated_token: str,
    post: Post,
) -> None:
    """workload → pipeline account → the new account; without the middle one there is no way."""
    member = f"serviceAccount:{sandbox.world.service_account}"
    _bind(as_administrator, account["name"], member, role="roles/iam.serviceAccountTokenCreator")
    url = f"{_ROOT}/{account['email']}:generateAccessToken"

    credentials = impersonated_credentials.Credentials(pipeline, account["email"], [SCOPE], lifetime=600)
    credentials.refresh(Request())
    direct = post(url, {"scope": [SCOPE]}, federated_token)
    delegate = f"projects/-/serviceAccounts/{sandbox.world.service_account}"
    delegated = post(url, {"scope": [SCOPE], "delegates": [delegate]}, federated_token)

    assert credentials.valid
    assert direct.status_code == 403
    # roles/iam.workloadIdentityUser lets the workload become the pipeline account, but not delegate through it.
    assert delegated.status_code == 403
    assert "iam.serviceAccounts.implicitDelegation" in delegated.json()["error"]["message"]


def test_an_id_token_speaks_for_the_account(sandbox: Sandbox, post: Post, federated_token: str) -> None:
    body = {"audience": "https://service.example", "includeEmail": True}
    answer = post(f"{_ROOT}/{sandbox.world.service_account}:generateIdToken", body, federated_token)

    claims = jwt.decode(answer.json()["token"], options={"verify_signature": False})
    assert answer.status_code == 200
    assert claims["email"] == sandbox.world.service_account
    assert (claims["iss"], claims["aud"]) == ("https://accounts.google.com", "https://service.example")
    assert claims["exp"] - claims["iat"] == 3600


def test_signing_needs_its_own_permission(sandbox: Sandbox, post: Post, federated_token: str) -> None:
    answer = post(f"{_ROOT}/{sandbox.world.service_account}:signBlob", {"payload": "aGVsbG8="}, federated_token)

    assert answer.status_code == 403
    assert "iam.serviceAccounts.signBlob" in answer.json()["error"]["message"]


def test_allowed_locations_are_told(sandbox: Sandbox, as_pipeline: AuthorizedSession) -> None:
    answer = as_pipeline.get(f"{_ROOT}/{sandbox.world.service_account}/allowedLocations")

    assert answer.status_code == 200
    assert answer.json()["encodedLocations"] == "0x0"


def test_expired_tokens_are_refused_everywhere(sandbox: Sandbox, post: Post, federated_token: str) -> None:
    url, body = f"{_ROOT}/{sandbox.world.service_account}:generateAccessToken", {"scope": [SCOPE]}
    before = post(url, body, federated_token)

    sandbox.expire_tokens()
    after = post(url, body, federated_token)

    assert before.status_code == 200
    assert after.status_code == 401
    assert after.json()["error"]["message"].startswith("Request had invalid authentication credentials.")


def _bind(
    session: AuthorizedSession, account: str, member: str, *, role: str = "roles/iam.workloadIdentityUser"
) -> None:
    policy = {"bindings": [{"role": role, "members": [member]}]}
    answer = session.post(f"{_IAM}/{account}:setIamPolicy", json={"policy": policy})
    assert answer.status_code == 200, answer.text
