import logging

import pytest

from wif_pipelines.identity import ExchangeRecord, WorkloadIdentity, listening, subscribe
from wif_pipelines_tests.identity.token_service import Answer, TokenService


def test_each_record_goes_to_every_sink_and_the_log(
    impersonating: WorkloadIdentity, caplog: pytest.LogCaptureFixture, records: list[ExchangeRecord]
) -> None:
    caplog.set_level(logging.INFO, logger="wif_pipelines.audit")
    second: list[ExchangeRecord] = []
    with listening(second.append):
        token = impersonating.token()
    assert records == second
    assert [record.kind for record in records] == ["exchange", "impersonation"]
    lines = [record.getMessage() for record in caplog.records if record.name == "wif_pipelines.audit"]
    assert lines[1].startswith(
        "impersonation: system:serviceaccount:ml:trainer became pipeline@p.iam.gserviceaccount.com"
    )
    assert token.fingerprint in lines[1]
    assert token.value not in caplog.text


def test_a_refusal_is_a_warning(
    federated: WorkloadIdentity, service: TokenService, caplog: pytest.LogCaptureFixture
) -> None:
    service.exchange_answers.append(Answer(400, {"error": "invalid_target", "error_description": "x"}))
    with pytest.raises(Exception, match="invalid_target"):
        federated.token()
    (record,) = [record for record in caplog.records if record.name == "wif_pipelines.audit"]
    assert record.levelno == logging.WARNING


def test_a_sink_that_fails_costs_nobody_a_token(
    federated: WorkloadIdentity, records: list[ExchangeRecord], caplog: pytest.LogCaptureFixture
) -> None:
    def full(record: ExchangeRecord) -> None:
        raise OSError("no space left")

    with listening(full), listening(records.append):
        assert federated.token().value == "federated-0"
    assert len(records) == 2
    assert "an audit sink failed" in caplog.text


def test_a_subscription_ends_once(federated: WorkloadIdentity) -> None:
    heard: list[ExchangeRecord] = []
    end = subscribe(heard.append)
    end()
    end()
    federated.token()
    assert heard == []
