"""Each of AWS' platforms gives the identity that it should, and the proof is signed with that one."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from wif_pipelines.errors import WifError
from wif_pipelines.identity import WorkloadIdentity
from wif_pipelines_tests.identity import platform_service
from wif_pipelines_tests.identity.conftest import AUDIENCE, jwt
from wif_pipelines_tests.identity.token_service import TokenService

ROLE = "arn:aws:iam::210987654321:role/pipeline-workload"

Environment = Callable[[str, Path], dict[str, str]]


@pytest.fixture
def platform() -> Iterator[str]:
    with platform_service.running() as url:
        yield url


def on_ec2(url: str, _: Path) -> dict[str, str]:
    return {"AWS_EC2_METADATA_DISABLED": "false", "AWS_EC2_METADATA_SERVICE_ENDPOINT": url}


def on_ecs(url: str, _: Path) -> dict[str, str]:
    return {"AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{url}/container", "AWS_REGION": "eu-west-1"}


def with_pod_identity(url: str, tmp_path: Path) -> dict[str, str]:
    (path := tmp_path / "pod-token").write_text("pod-identity-token")
    return {**on_ecs(url, tmp_path), "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(path)}


def with_irsa(url: str, tmp_path: Path) -> dict[str, str]:
    (path := tmp_path / "irsa-token").write_text(jwt())
    role = {"AWS_WEB_IDENTITY_TOKEN_FILE": str(path), "AWS_ROLE_ARN": ROLE, "AWS_REGION": "eu-west-1"}
    return {**on_ec2(url, tmp_path), **role, "AWS_ENDPOINT_URL_STS": url}


def on_lambda(_: str, __: Path) -> dict[str, str]:
    session = {"AWS_ACCESS_KEY_ID": "ASIALAMBDA", "AWS_SECRET_ACCESS_KEY": "s", "AWS_SESSION_TOKEN": "t"}
    return {**session, "AWS_REGION": "eu-west-1"}


@pytest.mark.parametrize(
    ("environment", "rest", "method", "key", "region"),
    [
        (on_ec2, {}, "iam-role", "ASIAINSTANCE", "eu-north-1"),
        (on_ecs, {}, "container-role", "ASIACONTAINER", "eu-west-1"),
        (with_pod_identity, {}, "container-role", "ASIACONTAINER", "eu-west-1"),
        (with_irsa, {}, "assume-role-with-web-identity", "ASIAWEBIDENTITY", "eu-west-1"),
        (on_lambda, {}, "env", "ASIALAMBDA", "eu-west-1"),
        (on_ecs, {"aws_role_arn": ROLE}, "assume-role", "ASIAASSUMED", "eu-west-1"),
    ],
)
def test_the_proof_is_signed_as_the_platform_says(
    environment: Environment,
    rest: dict[str, Any],
    method: str,
    key: str,
    region: str,
    platform: str,
    service: TokenService,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in {"AWS_ENDPOINT_URL_STS": platform, **environment(platform, tmp_path)}.items():
        monkeypatch.setenv(name, value)
    workload = WorkloadIdentity(AUDIENCE, token_url=service.token_url, **rest)
    workload.token()
    proof = json.loads(unquote(service.exchanges[0]["subject_token"]))
    headers = {header["key"].lower(): header["value"] for header in proof["headers"]}
    assert f"Credential={key}/" in headers["authorization"]
    assert proof["url"].startswith(f"https://sts.{region}.amazonaws.com")
    assert workload.lives_in.detect() == f"botocore found AWS credentials by {method}"
    assert workload.aws_session().get_credentials().access_key == key


def test_pod_identity_needs_its_token(
    platform: str, service: TokenService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (path := tmp_path / "pod-token").write_text("another")
    for name, value in on_ecs(platform, tmp_path).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", str(path))
    with pytest.raises(WifError, match="While looking for AWS credentials"):
        WorkloadIdentity(AUDIENCE, token_url=service.token_url).token()
    assert service.exchanges == []
