import json
import logging
from urllib.parse import unquote

import pytest

from wif_pipelines.errors import HomeNotFoundError, TokenExchangeError
from wif_pipelines.identity import ExchangeRecord, WorkloadIdentity
from wif_pipelines.identity.exchange import Exchange
from wif_pipelines.wire import Backoff, SteppedClock
from wif_pipelines_tests.identity.conftest import AUDIENCE, Maker
from wif_pipelines_tests.identity.token_service import Answer, TokenService


def exchange_of(identity: WorkloadIdentity, backoff: Backoff | None = None) -> Exchange:
    return Exchange(
        home=identity.lives_in,
        provider=identity.provider,
        scopes=("scope-a",),
        token_url=identity.token_url or "",
        clock=SteppedClock(),
        backoff=backoff or Backoff(),
    )


def test_sends_the_homes_proof_and_returns_the_token(federated: WorkloadIdentity, service: TokenService) -> None:
    token = exchange_of(federated)()
    assert token.value == "federated-0"
    (form,) = service.exchanges
    assert form["audience"] == AUDIENCE
    assert form["grant_type"] == "urn:ietf:params:oauth:grant-type:token-exchange"
    assert form["subject_token_type"] == "urn:ietf:params:oauth:token-type:jwt"
    assert form["subject_token"] == federated.token_file.read_text()
    assert form["scope"] == "scope-a"


def test_reads_the_token_file_anew(federated: WorkloadIdentity, service: TokenService) -> None:
    exchange = exchange_of(federated)
    exchange()
    federated.token_file.write_text("a.newer.token")
    exchange()
    assert service.exchanges[1]["subject_token"] == "a.newer.token"


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_busy_service_is_asked_again(
    status: int, federated: WorkloadIdentity, service: TokenService, records: list[ExchangeRecord]
) -> None:
    service.exchange_answers.extend([Answer(status, {"error": "busy"})] * 2)
    assert exchange_of(federated)().value == "federated-0"
    assert len(service.exchanges) == 3
    assert [(record.outcome, record.attempts) for record in records] == [("granted", 3)]


def test_waits_as_long_as_the_service_asks(federated: WorkloadIdentity, service: TokenService) -> None:
    service.exchange_answers.append(Answer(429, {"error": "quota_exceeded"}, {"Retry-After": "9"}))
    exchange = exchange_of(federated)
    exchange()
    assert isinstance(exchange.clock, SteppedClock)
    assert exchange.clock.sleeps == [9.0]


def test_a_refusal_is_final_and_explained(
    federated: WorkloadIdentity, service: TokenService, records: list[ExchangeRecord]
) -> None:
    said = "The given credential is rejected by the attribute condition."
    service.exchange_answers.append(Answer(401, {"error": "unauthorized_client", "error_description": said}))
    with pytest.raises(TokenExchangeError) as caught:
        exchange_of(federated)()
    error = caught.value
    assert (error.error, error.status, error.transient) == ("unauthorized_client", 401, False)
    assert said in error.message
    assert "false for system:serviceaccount:ml:trainer" in error.message
    assert "providers describe main --workload-identity-pool workloads" in error.remedy
    assert len(service.exchanges) == 1
    assert [(record.outcome, record.fingerprint, record.expires_at) for record in records] == [("refused", "", None)]
    assert said in records[0].reason


def test_an_unknown_answer_is_shown_as_it_came_without_secrets(
    federated: WorkloadIdentity, service: TokenService
) -> None:
    said = "A new kind of refusal of Bearer ya29.secret-secret"
    service.exchange_answers.append(Answer(400, {"error": "invalid_novelty", "error_description": said}))
    with pytest.raises(TokenExchangeError) as caught:
        exchange_of(federated)()
    assert "invalid_novelty: A new kind of refusal of Bearer [redacted]" in str(caught.value)
    assert "not in the catalogue" in caught.value.remedy
    assert "secret-secret" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_an_answer_in_googles_own_shape_is_understood(federated: WorkloadIdentity, service: TokenService) -> None:
    said = "Security Token Service API has not been used in project 736251948012 before or it is disabled."
    body = {"error": {"code": 403, "message": said, "status": "PERMISSION_DENIED"}}
    service.exchange_answers.append(Answer(403, body))
    with pytest.raises(TokenExchangeError) as caught:
        exchange_of(federated)()
    assert caught.value.remedy == "gcloud services enable sts.googleapis.com --project 736251948012"


def test_nobody_there_is_told_as_such(federated: WorkloadIdentity, records: list[ExchangeRecord]) -> None:
    exchange = exchange_of(federated, Backoff(attempts=2, first_wait=0.0))
    with pytest.raises(TokenExchangeError) as caught:
        Exchange(**{**vars(exchange), "token_url": "http://127.0.0.1:1/v1/token"})()
    assert caught.value.transient
    assert caught.value.status is None
    assert "no answer" in caught.value.message
    assert [record.attempts for record in records] == [2]


def test_a_home_without_proof_asks_nobody(
    federated: WorkloadIdentity, service: TokenService, records: list[ExchangeRecord]
) -> None:
    federated.token_file.unlink()
    with pytest.raises(HomeNotFoundError):
        exchange_of(federated)()
    assert service.exchanges == []
    assert [(record.outcome, record.source) for record in records] == [("refused", "unknown, at home oidc-file")]


def test_the_proof_of_an_aws_home_is_a_signed_request(on_aws: Maker, service: TokenService) -> None:
    identity: WorkloadIdentity = on_aws()
    exchange_of(identity)()
    (form,) = service.exchanges
    proof = json.loads(unquote(form["subject_token"]))
    headers = {header["key"].lower(): header["value"] for header in proof["headers"]}
    assert proof["url"] == "https://sts.eu-west-1.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15"
    assert headers["x-goog-cloud-target-resource"] == AUDIENCE
    assert headers["x-amz-security-token"] == "IQoJb3JpZ2luX2VjEXAMPLE"
    assert "Credential=ASIAEXAMPLEEXAMPLE12/" in headers["authorization"]
    assert form["subject_token_type"] == "urn:ietf:params:aws:token-type:aws4_request"


def test_no_secret_reaches_a_log(
    on_aws: Maker, service: TokenService, caplog: pytest.LogCaptureFixture, records: list[ExchangeRecord]
) -> None:
    caplog.set_level(logging.DEBUG, logger="wif_pipelines")
    service.exchange_answers.append(Answer(503, {}))
    token = exchange_of(on_aws())()
    seen = caplog.text + repr(records)
    assert token.fingerprint in seen
    for secret in (
        token.value,
        "wJalrXUtnFEMIK7MDENG",
        "IQoJb3JpZ2luX2VjEXAMPLE",
        service.exchanges[0]["subject_token"],
    ):
        assert secret not in seen
