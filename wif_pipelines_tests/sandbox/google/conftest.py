"""Who the tests of Google's half sign in as, and plain calls for what no client library would ever send."""

from collections.abc import Callable
from typing import Any

import google.auth
import google.auth.aws
import pytest
import requests
from google.auth.transport.requests import AuthorizedSession, Request

from wif_pipelines.sandbox.google.seed import ADMINISTRATOR, OPERATOR_PROVIDER
from wif_pipelines.sandbox.lifecycle import Sandbox

SCOPE = "https://www.googleapis.com/auth/cloud-platform"


class KeysOf(google.auth.aws.AwsSecurityCredentialsSupplier):
    """Hands google-auth the keys of one AWS session."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._environment = environment

    def get_aws_security_credentials(self, context: Any, request: Any) -> google.auth.aws.AwsSecurityCredentials:
        return google.auth.aws.AwsSecurityCredentials(
            self._environment["AWS_ACCESS_KEY_ID"],
            self._environment["AWS_SECRET_ACCESS_KEY"],
            self._environment["AWS_SESSION_TOKEN"],
        )

    def get_aws_region(self, context: Any, request: Any) -> str:
        return self._environment["AWS_REGION"]


def aws_credentials(
    environment: dict[str, str], provider_name: str, service_account: str | None = None
) -> google.auth.aws.Credentials:
    """Credentials that exchange an AWS session at a provider, and become a service account if one is given."""
    url = f"https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/{service_account}:generateAccessToken"
    return google.auth.aws.Credentials(
        audience=f"//iam.googleapis.com/{provider_name}",
        subject_token_type="urn:ietf:params:aws:token-type:aws4_request",
        aws_security_credentials_supplier=KeysOf(environment),
        service_account_impersonation_url=url if service_account else None,
        scopes=[SCOPE],
    )


@pytest.fixture(scope="session")
def operator_environment(sandbox: Sandbox) -> dict[str, str]:
    """The variables of a process that wears the operator's role; they are not set in this one."""
    return sandbox.environment(role=sandbox.world.operator_role, session_name="tests")


@pytest.fixture
def administrator(sandbox: Sandbox, sandbox_environment: dict[str, str], operator_environment: dict[str, str]) -> Any:
    """Credentials of the project's owner: the AWS operator as `admin@`."""
    world = sandbox.world
    email = f"{ADMINISTRATOR}@{world.project}.iam.gserviceaccount.com"
    return aws_credentials(operator_environment, f"{world.pool_name}/providers/{OPERATOR_PROVIDER}", email)


@pytest.fixture
def pipeline(sandbox_environment: dict[str, str]) -> Any:
    """Application default credentials: the AWS workload as the pipeline's service account."""
    credentials, _ = google.auth.default(scopes=[SCOPE])
    return credentials


@pytest.fixture
def as_administrator(administrator: Any) -> AuthorizedSession:
    """Plain HTTP with the owner's tokens."""
    return AuthorizedSession(administrator)


@pytest.fixture
def as_pipeline(pipeline: Any) -> AuthorizedSession:
    """Plain HTTP with the pipeline's tokens."""
    return AuthorizedSession(pipeline)


@pytest.fixture
def federated_token(sandbox: Sandbox, sandbox_environment: dict[str, str]) -> str:
    """An access token of the workload itself, before it becomes any account."""
    credentials = aws_credentials(sandbox_environment, sandbox.world.provider_name)
    credentials.refresh(Request())
    return str(credentials.token)


Post = Callable[..., requests.Response]


@pytest.fixture
def post(sandbox_environment: dict[str, str]) -> Post:
    """POST of JSON to an address of Google's with a bearer token, or none."""

    def send(url: str, body: Any, token: str | None = None) -> requests.Response:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return requests.post(url, json=body, headers=headers, timeout=10)

    return send
