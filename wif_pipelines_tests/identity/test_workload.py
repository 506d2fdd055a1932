import multiprocessing
import os
import pickle
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from wif_pipelines.errors import ConfigurationError, StaticKeyError
from wif_pipelines.identity import WorkloadIdentity
from wif_pipelines_tests.identity.conftest import ACCOUNT, AUDIENCE
from wif_pipelines_tests.identity.forks import holds_in_a_child
from wif_pipelines_tests.identity.token_service import TokenService

KEY = '{"type": "service_account", "private_key": "-----BEGIN", "client_email": "x@p.iam.gserviceaccount.com"}'


def test_it_is_a_value(federated: WorkloadIdentity) -> None:
    twin = WorkloadIdentity(**vars(federated))
    assert twin == federated
    assert hash(twin) == hash(federated)
    assert pickle.loads(pickle.dumps(federated)) == federated
    assert twin.google_credentials() is federated.google_credentials()


def test_any_spelling_of_the_audience_is_the_same_identity() -> None:
    assert WorkloadIdentity("https:" + AUDIENCE) == WorkloadIdentity(AUDIENCE.removeprefix("//iam.googleapis.com/"))
    assert WorkloadIdentity(AUDIENCE).principal.endswith("workloadIdentityPools/workloads")
    assert WorkloadIdentity(AUDIENCE, service_account=ACCOUNT).principal == ACCOUNT


def test_making_one_asks_nobody(service: TokenService, impersonating: WorkloadIdentity) -> None:
    impersonating.google_credentials()
    assert (service.exchanges, service.impersonations) == ([], [])


@pytest.mark.parametrize(
    ("rest", "message"),
    [
        ({"service_account": "pipeline"}, "no service account's e-mail address"),
        ({"service_account": "projects/-/serviceAccounts/a@p.iam.gserviceaccount.com"}, "no service account's e-mail"),
        ({"delegates": (ACCOUNT,)}, "Delegates lead to a service account"),
        ({"lifetime": 0}, "No token lives 0 seconds"),
        ({"lifetime": 43_201}, "No token lives 43201 seconds"),
        ({"scopes": ()}, "without scopes"),
        ({"home": "oidc-file"}, "token_file goes with home: oidc-file"),
        ({"token_file": Path("/nowhere")}, "token_file goes with home: oidc-file"),
        ({"token_url": "http://sts.googleapis.com/v1/token"}, "unencrypted"),
    ],
)
def test_what_cannot_be_right_is_refused(rest: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        WorkloadIdentity(AUDIENCE, **rest)


def test_a_key_as_audience_or_token_is_refused(tmp_path: Path) -> None:
    (path := tmp_path / "key.json").write_text(KEY)
    for make in (
        lambda: WorkloadIdentity(KEY),
        lambda: WorkloadIdentity(AUDIENCE, home="oidc-file", token_file=path),
        lambda: WorkloadIdentity.from_credential_config(path),
    ):
        refused(make)


def test_a_key_in_the_environment_is_refused_before_the_first_token(
    federated: WorkloadIdentity, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, service: TokenService
) -> None:
    (path := tmp_path / "key.json").write_text(KEY)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(path))
    refused(federated.google_credentials)
    refused(federated.token)
    assert service.exchanges == []
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS")
    assert federated.token().value == "federated-0"


def refused(call: Callable[[], object]) -> None:
    with pytest.raises(StaticKeyError, match=r"x@p\.iam\.gserviceaccount\.com"):
        call()


def _fingerprints(identity: WorkloadIdentity) -> tuple[int, str, str]:
    return os.getpid(), identity.token().fingerprint, identity.token().fingerprint


def test_another_process_makes_its_own_exchange(impersonating: WorkloadIdentity, service: TokenService) -> None:
    impersonating.token()
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        processes = {pid: (one, two) for pid, one, two in pool.map(_fingerprints, [impersonating] * 4)}
    assert all(one == two for one, two in processes.values())
    assert len(service.exchanges) == len(service.impersonations) == 1 + len(processes)


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_goes_on_with_its_parents_token(impersonating: WorkloadIdentity, service: TokenService) -> None:
    credential = impersonating.google_credentials()
    token = impersonating.token().value

    def same() -> bool:
        headers: dict[str, str] = {}
        credential.before_request(None, "GET", "https://x", headers)
        return headers["authorization"] == f"Bearer {token}"

    assert holds_in_a_child(same)
    assert len(service.impersonations) == 1
