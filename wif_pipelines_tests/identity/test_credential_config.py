import json
from pathlib import Path
from typing import Any

import pytest

from wif_pipelines.errors import ConfigurationError, StaticKeyError
from wif_pipelines.identity import WorkloadIdentity
from wif_pipelines.identity.credential_config import read_credential_config
from wif_pipelines_tests.identity.conftest import ACCOUNT, AUDIENCE

AWS: dict[str, Any] = {
    "universe_domain": "googleapis.com",
    "type": "external_account",
    "audience": AUDIENCE,
    "subject_token_type": "urn:ietf:params:aws:token-type:aws4_request",
    "token_url": "https://sts.googleapis.com/v1/token",
    "service_account_impersonation_url": (
        f"https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/{ACCOUNT}:generateAccessToken"
    ),
    "service_account_impersonation": {"token_lifetime_seconds": 1800},
    "credential_source": {
        "environment_id": "aws1",
        "region_url": "http://169.254.169.254/latest/meta-data/placement/availability-zone",
        "url": "http://169.254.169.254/latest/meta-data/iam/security-credentials",
        "imdsv2_session_token_url": "http://169.254.169.254/latest/api/token",
        "regional_cred_verification_url": (
            "https://sts.{region}.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15"
        ),
    },
}
"""What ``gcloud iam workload-identity-pools create-cred-config --aws`` writes."""


def changed(**values: Any) -> dict[str, Any]:
    return {**AWS, **values}


def source(**values: Any) -> dict[str, Any]:
    return changed(credential_source={**AWS["credential_source"], **values})


def test_gclouds_file_for_aws_becomes_an_identity(tmp_path: Path) -> None:
    (path := tmp_path / "config.json").write_text(json.dumps(AWS))
    identity = WorkloadIdentity.from_credential_config(path, expected_role_arn="arn:aws:iam::1:role/r")
    assert (identity.home, identity.service_account, identity.lifetime) == ("aws", ACCOUNT, 1800)
    assert identity.audience == AUDIENCE
    assert identity.expected_role_arn == "arn:aws:iam::1:role/r"


def test_gclouds_file_for_a_token_file_becomes_an_identity() -> None:
    form = {"type": "json", "subject_token_field_name": "access_token"}
    config = changed(
        subject_token_type="urn:ietf:params:oauth:token-type:id_token",
        credential_source={"file": "/var/run/token", "format": form},
        service_account_impersonation_url=None,
    )
    identity = WorkloadIdentity.from_credential_config(config)
    assert (identity.home, identity.token_file, identity.token_field) == (
        "oidc-file",
        Path("/var/run/token"),
        "access_token",
    )
    assert identity.token_type.endswith("id_token")
    assert identity.service_account is None


@pytest.mark.parametrize(
    "url",
    [
        "https://sts.googleapis.com/v1/token",
        "https://sts.mtls.googleapis.com/v1/token",
        "https://us-east1.sts.googleapis.com/v1/token",
        "https://sts.us-east1.rep.googleapis.com/v1/token",
        "https://us-east1-sts.googleapis.com/v1/token",
        "https://sts-mine.p.googleapis.com/v1/token",
    ],
)
def test_all_of_googles_addresses_pass(url: str) -> None:
    assert read_credential_config(changed(token_url=url)).token_url == url


@pytest.mark.parametrize(
    "url",
    [
        "http://sts.googleapis.com/v1/token",
        "https://sts.googleapis.com.evil.example/v1/token",
        "https://evil.example/sts.googleapis.com",
        "https://sts.googleapis.com@evil.example/v1/token",
        "https://user@sts.googleapis.com/v1/token",
        "https://sts.googleapis.com:8443/v1/token",
        "https://stsxgoogleapis.com/v1/token",
        "https://storage.googleapis.com/v1/token",
        "https://a.b.sts.googleapis.com/v1/token",
    ],
)
def test_a_strangers_address_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match="token_url points at"):
        read_credential_config(changed(token_url=url))


@pytest.mark.parametrize(
    "url",
    [
        f"https://evil.example/v1/projects/-/serviceAccounts/{ACCOUNT}:generateAccessToken",
        f"https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/{ACCOUNT}:signJwt",
        "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/../x@y:generateAccessToken",
    ],
)
def test_a_strange_impersonation_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match="service_account_impersonation_url points at"):
        read_credential_config(changed(service_account_impersonation_url=url))


@pytest.mark.parametrize(
    "config",
    [
        source(url="http://evil.example/latest"),
        source(region_url="http://169.254.169.254.evil.example/"),
        source(imdsv2_session_token_url="http://10.0.0.1/token"),
        source(regional_cred_verification_url="https://evil.example?Action=GetCallerIdentity"),
        source(regional_cred_verification_url="https://sts.{region}.amazonaws.com.evil.example"),
    ],
)
def test_a_strange_source_is_refused(config: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match="credential_source"):
        read_credential_config(config)


def test_a_home_that_is_not_known_is_told() -> None:
    with pytest.raises(ConfigurationError, match="has executable; this package knows"):
        read_credential_config(changed(credential_source={"executable": {"command": "x"}}))


def test_a_key_in_its_place_is_refused() -> None:
    with pytest.raises(StaticKeyError):
        read_credential_config({"type": "service_account", "private_key": "x"})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot be read"),
        ("[]", "no JSON object"),
        ("{", "no JSON object"),
        ('{"type": "authorized_user"}', "of type"),
    ],
)
def test_another_file_is_told(content: str | None, message: str, tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ConfigurationError, match=message):
        read_credential_config(path)
