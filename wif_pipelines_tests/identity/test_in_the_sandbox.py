"""The whole chain against the local cloud, which judges what the real one judges."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from wif_pipelines import identity as who
from wif_pipelines.errors import (
    AccessDeniedError,
    ImpersonationError,
    StaticKeyError,
    TokenExchangeError,
    WrongIdentityError,
)
from wif_pipelines.identity import ExchangeRecord, WorkloadIdentity, clients
from wif_pipelines.sandbox.lifecycle import Sandbox


class Inside:
    """A process in the sandbox, wearing a role of its choice."""

    def __init__(self, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
        self.sandbox = sandbox
        self.world = sandbox.world
        self._monkeypatch = monkeypatch

    def wear(self, role: str | None = None) -> None:
        for name, value in self.sandbox.environment(role=role).items():
            self._monkeypatch.setenv(name, value)
        who.forget()

    def identity(self, **rest: Any) -> WorkloadIdentity:
        return WorkloadIdentity(
            **{"audience": self.world.audience, "service_account": self.world.service_account, **rest}
        )


@pytest.fixture
def inside(nobody: None, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[Inside]:
    process = Inside(sandbox, monkeypatch)
    process.wear()
    yield process
    sandbox.faults.clear()


def test_from_aws_to_a_bucket_without_a_key(inside: Inside, records: list[ExchangeRecord]) -> None:
    identity = inside.identity(expected_role_arn=inside.world.workload_role_arn)
    bucket = clients.storage_client(identity.google_credentials(), inside.world.project).get_bucket(
        inside.world.landing_bucket
    )
    assert bucket.default_kms_key_name == inside.world.kms_key
    assert [(record.kind, record.outcome) for record in records] == [
        ("exchange", "granted"),
        ("impersonation", "granted"),
    ]
    assert {record.source.rpartition("/")[0] for record in records} == {inside.world.assumed_workload_role_arn}
    assert records[1].became == inside.world.service_account


def test_gclouds_credential_file_gives_the_same(inside: Inside) -> None:
    identity = WorkloadIdentity.from_credential_config(inside.sandbox.directory / "credentials.json")
    assert identity.token().fingerprint


def test_s3_opens_with_the_same_identity(inside: Inside) -> None:
    s3 = inside.identity().aws_session().client("s3")
    assert s3.list_objects_v2(Bucket=inside.world.source_bucket)["ResponseMetadata"]["HTTPStatusCode"] == 200


def test_a_role_that_the_condition_rejects(inside: Inside) -> None:
    inside.wear(inside.world.operator_role)
    with pytest.raises(TokenExchangeError) as caught:
        inside.identity().token()
    assert caught.value.error == "unauthorized_client"
    assert "attribute condition is false for" in caught.value.message
    assert inside.world.operator_role in caught.value.message
    assert "value(attributeCondition)" in caught.value.remedy


def test_another_role_than_the_expected(inside: Inside, records: list[ExchangeRecord]) -> None:
    inside.wear(inside.world.operator_role)
    with pytest.raises(WrongIdentityError, match=inside.world.operator_role):
        inside.identity(expected_role_arn=inside.world.workload_role_arn).token()
    assert [record.outcome for record in records] == ["refused"]


def test_an_account_without_the_binding(inside: Inside) -> None:
    with pytest.raises(ImpersonationError) as caught:
        inside.identity(service_account=f"nobody@{inside.world.project}.iam.gserviceaccount.com").token()
    assert caught.value.status in {403, 404}
    member = f"{inside.world.pool_name}/attribute.aws_role/{inside.world.assumed_workload_role_arn}"
    assert f'--member "principalSet://iam.googleapis.com/{member}"' in caught.value.remedy


def test_a_tampered_signature(inside: Inside, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "tampered" * 5)
    with pytest.raises(TokenExchangeError) as caught:
        inside.identity().token()
    assert caught.value.error == "invalid_grant"
    assert "SignatureDoesNotMatch" in caught.value.message
    assert "aws sts get-caller-identity" in caught.value.remedy


def test_a_provider_that_does_not_exist(inside: Inside) -> None:
    with pytest.raises(TokenExchangeError) as caught:
        inside.identity(audience=inside.world.audience + "-other").token()
    assert caught.value.error == "invalid_target"
    assert "providers describe" in caught.value.remedy


def test_a_busy_token_service_fails_nobody(inside: Inside) -> None:
    fault = inside.sandbox.faults.add("status", service="sts", path="/v1/token", status=503, count=2)
    credential = inside.identity().google_credentials()
    ready = threading.Barrier(64)

    def ask(_: int) -> str:
        ready.wait(timeout=60)
        headers: dict[str, str] = {}
        credential.before_request(None, "GET", "https://storage.googleapis.com/", headers)
        return headers["authorization"]

    with ThreadPoolExecutor(64) as pool:
        assert len(set(pool.map(ask, range(64)))) == 1
    assert inside.sandbox.faults.get(fault["id"])["used"] == 2


def test_64_threads_impersonate_once_for_each_expiry(inside: Inside, records: list[ExchangeRecord]) -> None:
    """The account's tokens live four seconds, so each is good for three; the federated one outlives them all."""
    credential = inside.identity(lifetime=4).google_credentials()
    until = time.monotonic() + 7.0

    def work(_: int) -> set[str]:
        seen = set()
        while time.monotonic() < until:
            headers: dict[str, str] = {}
            credential.before_request(None, "GET", "https://storage.googleapis.com/", headers)
            seen.add(headers["authorization"])
            time.sleep(0.02)
        return seen

    with ThreadPoolExecutor(64) as pool:
        tokens = set().union(*pool.map(work, range(64)))
    assert 2 <= len(tokens) <= 4
    kinds = [record.kind for record in records]
    assert (kinds.count("impersonation"), kinds.count("exchange")) == (len(tokens), 1)


def test_tokens_that_end_before_their_time_are_replaced(inside: Inside, records: list[ExchangeRecord]) -> None:
    identity = inside.identity()
    storage = clients.storage_client(identity.google_credentials(), inside.world.project)
    storage.get_bucket(inside.world.landing_bucket)
    inside.sandbox.expire_tokens()
    storage.get_bucket(inside.world.landing_bucket)
    assert {record.outcome for record in records if record.kind == "exchange"} == {"granted"}
    assert [record.kind for record in records].count("exchange") == 2


def test_a_role_to_assume_first(inside: Inside) -> None:
    inside.wear(inside.world.operator_role)
    # The operator may not become the workload; AWS says so, and the remedy is AWS'.
    with pytest.raises(AccessDeniedError, match="AWS answered"):
        inside.identity(aws_role_arn=inside.world.workload_role_arn).token()


def test_a_service_account_key_is_refused(inside: Inside, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (path := tmp_path / "key.json").write_text('{"type": "service_account", "private_key": "x"}')
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(path))
    with pytest.raises(StaticKeyError, match="GOOGLE_APPLICATION_CREDENTIALS"):
        inside.identity().google_credentials()
