from datetime import UTC, datetime, timedelta

import pytest

from wif_pipelines.errors import ImpersonationError, TokenExchangeError
from wif_pipelines.identity import ExchangeRecord, WorkloadIdentity
from wif_pipelines_tests.identity.conftest import ACCOUNT, AUDIENCE, Maker
from wif_pipelines_tests.identity.token_service import Answer, TokenService


def refusal(status: int, message: str) -> Answer:
    return Answer(status, {"error": {"code": status, "message": message, "status": "X"}})


def test_becomes_the_account_with_the_federated_token(
    impersonating: WorkloadIdentity, service: TokenService, records: list[ExchangeRecord]
) -> None:
    token = impersonating.token()
    assert token.value == "account-1"
    (asked,) = service.impersonations
    assert asked["authorization"] == "Bearer federated-0"
    assert asked["scope"] == ["https://www.googleapis.com/auth/cloud-platform"]
    assert asked["lifetime"] == "3600s"
    assert service.exchanges[0]["scope"] == "https://www.googleapis.com/auth/iam"
    exchange, impersonation = records
    assert (exchange.kind, exchange.became, exchange.provider) == (
        "exchange",
        "projects/736251948012/locations/global/workloadIdentityPools/workloads",
        AUDIENCE,
    )
    assert (impersonation.kind, impersonation.became, impersonation.fingerprint) == (
        "impersonation",
        ACCOUNT,
        token.fingerprint,
    )
    assert {record.source for record in records} == {"system:serviceaccount:ml:trainer"}
    assert impersonation.expires_at == token.expires_at


def test_passes_through_delegates_for_as_long_as_asked(impersonating: WorkloadIdentity, service: TokenService) -> None:
    identity = WorkloadIdentity(
        **{**vars(impersonating), "delegates": ("one@p.iam.gserviceaccount.com",), "lifetime": 900}
    )
    identity.token()
    (asked,) = service.impersonations
    assert asked["delegates"] == ["projects/-/serviceAccounts/one@p.iam.gserviceaccount.com"]
    assert asked["lifetime"] == "900s"


def test_accounts_of_one_principal_share_its_federated_token(
    impersonating: WorkloadIdentity, service: TokenService
) -> None:
    impersonating.token()
    WorkloadIdentity(**{**vars(impersonating), "service_account": "other@p.iam.gserviceaccount.com"}).token()
    impersonating.token(["https://www.googleapis.com/auth/devstorage.read_only"])
    assert len(service.impersonations) == 3
    assert len(service.exchanges) == 1


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_service_is_asked_again(status: int, impersonating: WorkloadIdentity, service: TokenService) -> None:
    service.impersonation_answers.append(refusal(status, "busy"))
    assert impersonating.token().value.startswith("account-")
    assert (len(service.exchanges), len(service.impersonations)) == (1, 2)


def test_a_missing_binding_says_which_member_to_bind(
    impersonating: WorkloadIdentity, service: TokenService, records: list[ExchangeRecord]
) -> None:
    said = "Permission 'iam.serviceAccounts.getAccessToken' denied on resource (or it may not exist)."
    service.impersonation_answers.append(refusal(403, said))
    with pytest.raises(ImpersonationError) as caught:
        impersonating.token()
    error = caught.value
    assert (error.status, error.service_account, error.transient) == (403, ACCOUNT, False)
    assert said in error.message
    assert f"add-iam-policy-binding {ACCOUNT}" in error.remedy
    member = "workloadIdentityPools/workloads/subject/system:serviceaccount:ml:trainer"
    assert f'--member "principal://iam.googleapis.com/projects/736251948012/locations/global/{member}"' in error.remedy
    assert [record.outcome for record in records] == ["granted", "refused"]


def test_on_aws_the_member_is_the_role_without_its_session(on_aws: Maker, service: TokenService) -> None:
    service.impersonation_answers.append(refusal(403, "Permission 'iam.serviceAccounts.getAccessToken' denied"))
    identity = on_aws(service_account=ACCOUNT, impersonation_url=service.impersonation_url)
    with pytest.raises(ImpersonationError) as caught:
        identity.token()
    role = "arn:aws:sts::210987654321:assumed-role/pipeline-workload"
    assert f'workloadIdentityPools/workloads/attribute.aws_role/{role}"' in caught.value.remedy


def test_a_federated_token_that_ended_early_is_replaced(impersonating: WorkloadIdentity, service: TokenService) -> None:
    service.impersonation_answers.append(refusal(401, "Request had invalid authentication credentials."))
    assert impersonating.token().value.startswith("account-")
    assert [asked["authorization"] for asked in service.impersonations] == ["Bearer federated-0", "Bearer federated-1"]


def test_a_federated_token_that_is_never_accepted_is_an_error(
    impersonating: WorkloadIdentity, service: TokenService
) -> None:
    service.impersonation_answers.extend([refusal(401, "Request had invalid authentication credentials.")] * 2)
    with pytest.raises(ImpersonationError) as caught:
        impersonating.token()
    assert caught.value.status == 401
    assert len(service.exchanges) == 2


def test_a_refused_exchange_is_not_told_as_an_impersonation(
    impersonating: WorkloadIdentity, service: TokenService, records: list[ExchangeRecord]
) -> None:
    service.exchange_answers.append(Answer(400, {"error": "invalid_target", "error_description": "x"}))
    with pytest.raises(TokenExchangeError):
        impersonating.token()
    assert [record.kind for record in records] == ["exchange"]


@pytest.mark.parametrize("ahead", [timedelta(minutes=-20), timedelta(hours=2)])
def test_an_expiry_by_another_clock_is_understood(
    ahead: timedelta, impersonating: WorkloadIdentity, service: TokenService
) -> None:
    service.clock_ahead = ahead
    left = impersonating.token().expires_at - datetime.now(tz=UTC)
    assert timedelta(seconds=3590) < left <= timedelta(seconds=3602)
