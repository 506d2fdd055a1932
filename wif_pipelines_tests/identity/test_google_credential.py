import copy
import pickle
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from google.auth.credentials import Credentials, with_scopes_if_required
from google.auth.transport.requests import AuthorizedSession, Request
from obstore.auth.google import GoogleCredentialProvider

from wif_pipelines.identity import WorkloadIdentity
from wif_pipelines.identity.google_credential import google_credential
from wif_pipelines.identity.tokens import AccessToken, TokenSource
from wif_pipelines_tests.identity.token_service import Answer, TokenService


def test_clients_take_it_for_googles_own(federated: WorkloadIdentity) -> None:
    credential = federated.google_credentials()
    assert isinstance(credential, Credentials)
    assert with_scopes_if_required(credential, ["another"]) is credential
    assert credential.universe_domain == "googleapis.com"


def test_a_request_leaves_with_a_token(federated: WorkloadIdentity, service: TokenService) -> None:
    with AuthorizedSession(federated.google_credentials()) as session:
        assert [session.get(service.url).status_code for _ in range(3)] == [200, 200, 200]
    assert service.bearers == ["federated-0"] * 3


def test_a_revoked_token_is_replaced_once_for_all_threads(federated: WorkloadIdentity, service: TokenService) -> None:
    credential = federated.google_credentials()
    service.revoked.add(federated.token().value)
    ready = threading.Barrier(16)

    def ask(_: int) -> int:
        with AuthorizedSession(credential) as session:
            ready.wait(timeout=20)
            return session.get(service.url).status_code

    with ThreadPoolExecutor(16) as pool:
        assert set(pool.map(ask, range(16))) == {200}
    assert len(service.exchanges) == 2


@pytest.mark.parametrize("access", ["federated", "impersonating"])
def test_64_threads_make_one_exchange_for_each_expiry(
    access: str, request: pytest.FixtureRequest, service: TokenService
) -> None:
    """Tokens live four seconds, so each is good for three; the exchange takes a while, and is busy twice."""
    service.lifetime, service.latency = 4.0, 0.05
    service.exchange_answers.extend([Answer(503, {})] * 2)
    credential = request.getfixturevalue(access).google_credentials()
    until = time.monotonic() + 7.0

    def work(_: int) -> list[str]:
        seen = []
        while time.monotonic() < until:
            headers: dict[str, str] = {}
            credential.before_request(None, "GET", "https://storage.googleapis.com/", headers)
            seen.append(headers["authorization"])
            time.sleep(0.02)
        return seen

    with ThreadPoolExecutor(64) as pool:
        seen = {bearer for bearers in pool.map(work, range(64)) for bearer in bearers}
    assert 2 <= len(seen) <= 4
    if access == "federated":
        assert len(service.exchanges) - 2 == len(seen)
    else:
        # An account's expiry is told in whole seconds, so that its tokens end a little before the federated ones.
        assert len(service.impersonations) == len(seen)
        assert 1 <= len(service.exchanges) - 2 <= len(seen)


def test_obstore_takes_it_too(federated: WorkloadIdentity, service: TokenService) -> None:
    provider = GoogleCredentialProvider(federated.google_credentials())
    answer = provider()
    assert answer["token"] == "federated-0"
    assert answer["expires_at"] is not None
    assert answer["expires_at"].utcoffset() == timedelta(0)
    assert provider()["token"] == "federated-0"
    assert federated.obstore_token() == answer


def test_it_is_one_however_it_travels(federated: WorkloadIdentity) -> None:
    credential = federated.google_credentials()
    assert copy.copy(credential) is credential
    assert copy.deepcopy(credential) is credential
    assert pickle.loads(pickle.dumps(credential)) is credential
    assert federated.google_credentials() is credential
    assert federated.google_credentials(["another"]) is not credential


def test_without_an_identity_behind_it_it_stays_in_its_process() -> None:
    source = TokenSource(lambda: AccessToken("v", datetime.now(tz=UTC), datetime.now(tz=UTC) + timedelta(hours=1)))
    with pytest.raises(TypeError, match="belongs to this process"):
        pickle.dumps(google_credential(source))


def test_only_calls_name_the_quota_project_and_not_the_exchange(
    impersonating: WorkloadIdentity, service: TokenService
) -> None:
    identity = WorkloadIdentity(**{**vars(impersonating), "quota_project_id": "payer"})
    headers: dict[str, str] = {}
    identity.google_credentials().before_request(Request(), "GET", "https://x", headers)
    assert headers["x-goog-user-project"] == "payer"
    assert "x-goog-user-project" not in {name for asked in service.impersonations for name in asked}


def test_it_does_not_show_its_token(federated: WorkloadIdentity) -> None:
    credential = federated.google_credentials()
    assert federated.token().value not in f"{credential} {credential!r}"
