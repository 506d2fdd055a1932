import json
import time
from pathlib import Path

import pytest

from wif_pipelines.errors import HomeNotFoundError
from wif_pipelines.identity import ProviderName
from wif_pipelines.identity.home import claims
from wif_pipelines.identity.oidc_file import OidcFileHome
from wif_pipelines_tests.identity.conftest import AUDIENCE, jwt


def test_not_here_here_and_here_but_broken(tmp_path: Path) -> None:
    home = OidcFileHome(tmp_path / "token")
    assert home.detect() is None
    home.path.write_text(jwt(exp=time.time() + 60))
    assert home.detect() == f"{home.path} holds a token of https://issuer for system:serviceaccount:ml:trainer"
    home.path.write_text(jwt(exp=time.time() - 60))
    with pytest.raises(HomeNotFoundError, match="has ended"):
        home.detect()
    home.path.write_text("no token at all")
    with pytest.raises(HomeNotFoundError, match="is no JWT"):
        home.detect()


def test_the_token_may_be_a_field_of_json(tmp_path: Path) -> None:
    home = OidcFileHome(tmp_path / "token", field="access_token")
    home.path.write_text(json.dumps({"access_token": jwt()}))
    assert home.subject() == "system:serviceaccount:ml:trainer"
    home.path.write_text(json.dumps({"id_token": jwt()}))
    with pytest.raises(HomeNotFoundError, match="no JSON field 'access_token'"):
        home.subject()


@pytest.mark.parametrize("content", [None, ""])
def test_a_missing_or_empty_file_says_what_to_mount(content: str | None, tmp_path: Path) -> None:
    home = OidcFileHome(tmp_path / "token")
    if content is not None:
        home.path.write_text(content)
    with pytest.raises(HomeNotFoundError, match="token"):
        home.get_subject_token(None, None)


def test_the_member_is_the_subject_in_the_pool(tmp_path: Path) -> None:
    home = OidcFileHome(tmp_path / "token")
    home.path.write_text(jwt())
    pool = "principal://iam.googleapis.com/projects/736251948012/locations/global/workloadIdentityPools/workloads"
    assert home.member(ProviderName.parse(AUDIENCE)) == f"{pool}/subject/system:serviceaccount:ml:trainer"


@pytest.mark.parametrize("text", ["", "a.b", "a.b.c", "a.WzFd.c"])
def test_what_is_no_jwt_has_no_claims(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        claims(text)
