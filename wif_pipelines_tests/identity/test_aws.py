import logging
import pickle
from pathlib import Path

import pytest

from wif_pipelines import identity as who
from wif_pipelines.errors import (
    AccessDeniedError,
    ConfigurationError,
    HomeNotFoundError,
    StaticKeyError,
    WifError,
    WrongIdentityError,
)
from wif_pipelines.identity import ExchangeRecord, WorkloadIdentity
from wif_pipelines.identity.aws import AwsHome, Caller
from wif_pipelines_tests.identity.conftest import AUDIENCE, Maker
from wif_pipelines_tests.identity.token_service import TokenService

ROLE = "arn:aws:iam::210987654321:role/pipeline-workload"


def test_aws_says_who_we_are_once_in_a_process(on_aws: Maker, service: TokenService) -> None:
    workload = on_aws()
    caller = workload.caller()
    assert caller == Caller(service.arn, "210987654321", "env")
    assert workload.caller() is caller
    assert service.callers_asked == 1


@pytest.mark.parametrize(
    "expected",
    [
        ROLE,
        "arn:aws:iam::210987654321:role/teams/ml/pipeline-workload",
        "arn:aws:sts::210987654321:assumed-role/pipeline-workload",
    ],
)
def test_the_expected_role_passes_in_every_spelling(expected: str, on_aws: Maker) -> None:
    assert on_aws(expected_role_arn=expected).aws_session().region_name == "eu-west-1"


@pytest.mark.parametrize(
    "expected", ["arn:aws:iam::210987654321:role/pipeline", "arn:aws:iam::999999999999:role/pipeline-workload"]
)
def test_another_role_or_account_is_an_error_that_names_both(
    expected: str, on_aws: Maker, service: TokenService
) -> None:
    workload = on_aws(expected_role_arn=expected)
    for use in (workload.aws_session, workload.token):
        with pytest.raises(WrongIdentityError) as caught:
            use()
        error = caught.value
        assert (error.expected, error.found, error.method) == (expected, service.arn, "env")
        assert expected in error.message
        assert service.arn in error.message
        assert "environment variables" in error.remedy
    assert service.exchanges == []


def test_sessions_are_many_over_the_same_credentials(on_aws: Maker) -> None:
    workload = on_aws()
    one, two = workload.aws_session(), workload.aws_session()
    assert one is not two
    assert one.get_credentials() is two.get_credentials()


def test_lambdas_region_variable_counts(on_aws: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    assert on_aws().aws.signing_region() == "eu-west-1"
    assert on_aws(region="ap-south-1").aws.signing_region() == "ap-south-1"
    who.forget()
    monkeypatch.setenv("AWS_REGION", "")
    assert on_aws().aws.signing_region() == "us-east-1"


def test_no_region_anywhere_is_told(on_aws: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    workload = on_aws()
    monkeypatch.delenv("AWS_REGION")
    with pytest.raises(ConfigurationError, match="which AWS region"):
        workload.token()


def test_no_credentials_are_told() -> None:
    workload = WorkloadIdentity(AUDIENCE, region="eu-west-1")
    assert workload.lives_in.detect() is None
    for use in (workload.token, workload.caller, workload.aws_session):
        with pytest.raises(HomeNotFoundError, match="no AWS credentials"):
            use()


def test_a_profile_that_does_not_exist_is_told() -> None:
    with pytest.raises(WifError, match="nobody"):
        WorkloadIdentity(AUDIENCE, region="eu-west-1", aws_profile="nobody").token()


def test_a_profile_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, service: TokenService) -> None:
    (config := tmp_path / "config").write_text(
        "[profile laptop]\nregion = sa-east-1\naws_access_key_id = ASIAPROFILE\naws_secret_access_key = x\n"
        "aws_session_token = y\n"
    )
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", service.url)
    workload = WorkloadIdentity(AUDIENCE, aws_profile="laptop")
    assert workload.caller().method == "config-file"
    assert workload.aws_session().region_name == "sa-east-1"
    assert workload.lives_in.detect() == "botocore found AWS credentials by config-file"


@pytest.fixture
def static_key(on_aws: Maker, monkeypatch: pytest.MonkeyPatch) -> Maker:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLEEXAMPLE34")
    monkeypatch.delenv("AWS_SESSION_TOKEN")
    return on_aws


def test_a_static_key_warns_once(static_key: Maker, caplog: pytest.LogCaptureFixture) -> None:
    workload = static_key()
    workload.token()
    workload.aws_session()
    (record,) = [record for record in caplog.records if record.name == "wif_pipelines.identity"]
    assert record.levelno == logging.WARNING
    assert "…LE34" in record.getMessage()
    assert "AKIAEXAMPLEEXAMPLE34" not in caplog.text


def test_a_static_key_is_an_error_under_the_strict_policy(static_key: Maker, service: TokenService) -> None:
    with pytest.raises(StaticKeyError, match="never expires"):
        static_key(key_policy="strict").token()
    assert service.exchanges == []


def test_a_refusal_by_aws_is_told(on_aws: Maker, monkeypatch: pytest.MonkeyPatch, service: TokenService) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", f"{service.url}/refuse")
    with pytest.raises(AccessDeniedError, match="While asking AWS who we are"):
        on_aws(expected_role_arn=ROLE).token()


def test_without_an_expectation_nobody_needs_to_reach_aws(
    on_aws: Maker, monkeypatch: pytest.MonkeyPatch, service: TokenService, records: list[ExchangeRecord]
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", f"{service.url}/refuse")
    assert on_aws().token().value == "federated-0"
    assert [record.source for record in records] == ["unknown, at home aws"]


def test_a_home_is_a_small_value() -> None:
    home = AwsHome(region="eu-west-1", role_arn=ROLE)
    assert pickle.loads(pickle.dumps(home)) == home
    assert home.name == "aws"
