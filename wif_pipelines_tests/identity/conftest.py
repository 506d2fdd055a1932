import base64
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from wif_pipelines import identity
from wif_pipelines.identity import ExchangeRecord, WorkloadIdentity
from wif_pipelines_tests.identity import token_service
from wif_pipelines_tests.identity.token_service import TokenService

AUDIENCE = "//iam.googleapis.com/projects/736251948012/locations/global/workloadIdentityPools/workloads/providers/main"
ACCOUNT = "pipeline@p.iam.gserviceaccount.com"

Maker = Callable[..., WorkloadIdentity]


@pytest.fixture(autouse=True)
def nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """A machine without any identity, and a process that has shared none yet."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_DEFAULT_REGION", "GOOGLE_APPLICATION_CREDENTIALS", "AWS_CONTAINER_CREDENTIALS_FULL_URI"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "no-config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "no-credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    identity.forget()
    yield
    identity.forget()


@pytest.fixture
def service() -> Iterator[TokenService]:
    with token_service.running() as running:
        yield running


@pytest.fixture
def records() -> Iterator[list[ExchangeRecord]]:
    """The audit of the test."""
    collected: list[ExchangeRecord] = []
    with identity.listening(collected.append):
        yield collected


def jwt(**claims: Any) -> str:
    """An unsigned token: nobody here judges signatures."""
    parts = ({"alg": "RS256"}, {"iss": "https://issuer", "sub": "system:serviceaccount:ml:trainer", **claims})
    encoded = [base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts]
    return ".".join([*encoded, "c2lnbmF0dXJl"])


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    path = tmp_path / "token"
    path.write_text(jwt())
    return path


@pytest.fixture
def federated(service: TokenService, token_file: Path) -> WorkloadIdentity:
    """An identity that a token file proves and that holds its own roles."""
    return WorkloadIdentity(AUDIENCE, home="oidc-file", token_file=token_file, token_url=service.token_url)


@pytest.fixture
def impersonating(service: TokenService, token_file: Path) -> WorkloadIdentity:
    """The same, becoming a service account."""
    return WorkloadIdentity(
        AUDIENCE,
        service_account=ACCOUNT,
        home="oidc-file",
        token_file=token_file,
        token_url=service.token_url,
        impersonation_url=service.impersonation_url,
    )


@pytest.fixture
def on_aws(service: TokenService, monkeypatch: pytest.MonkeyPatch) -> Maker:
    """Makes identities of a workload whose platform gives it an AWS session."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "ASIAEXAMPLEEXAMPLE12")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY00")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "IQoJb3JpZ2luX2VjEXAMPLE")
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", service.url)

    def make(**rest: Any) -> WorkloadIdentity:
        return WorkloadIdentity(AUDIENCE, token_url=service.token_url, **rest)

    return make
