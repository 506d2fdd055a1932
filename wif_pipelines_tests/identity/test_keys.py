import json
from pathlib import Path
from typing import Any

import pytest

from wif_pipelines.errors import StaticKeyError
from wif_pipelines.identity.keys import judge_aws_key, refuse_google_key, refuse_key_in_environment
from wif_pipelines.settings import Settings

SECRET = "MIIEvQIBADANBg"
KEY = {
    "type": "service_account",
    "client_email": "pipeline@p.iam.gserviceaccount.com",
    "private_key_id": "0a1b2c",
    "private_key": f"-----BEGIN PRIVATE KEY-----\n{SECRET}\n-----END PRIVATE KEY-----",
}


def spellings(tmp_path: Path) -> list[Any]:
    (path := tmp_path / "key.json").write_text(json.dumps(KEY, indent=2))
    without_type = {name: value for name, value in KEY.items() if name != "type"}
    return [KEY, without_type, json.dumps(KEY), "\n " + json.dumps(KEY), path, str(path), {"gcp": {"credentials": KEY}}]


@pytest.mark.parametrize("spelling", range(7))
def test_a_key_is_refused_in_every_spelling(spelling: int, tmp_path: Path) -> None:
    with pytest.raises(StaticKeyError) as caught:
        refuse_google_key(spellings(tmp_path)[spelling], where="config")
    text = str(caught.value)
    assert "in config" in text
    assert "key 0a1b2c of pipeline@p.iam.gserviceaccount.com" in text
    assert "keys delete 0a1b2c --iam-account pipeline@p.iam.gserviceaccount.com" in text
    assert SECRET not in text
    assert SECRET not in repr(caught.value)


@pytest.mark.parametrize(
    "value",
    ["", "/nowhere/at/all", "{broken", "[1]", "x" * 5000, {"type": "external_account"}, "pipeline@p.iam", {}, "\0"],
)
def test_what_is_no_key_passes(value: Any) -> None:
    refuse_google_key(value, where="config")


def test_the_environments_file_is_looked_at(tmp_path: Path) -> None:
    (path := tmp_path / "key.json").write_text(json.dumps(KEY))
    with pytest.raises(StaticKeyError, match="GOOGLE_APPLICATION_CREDENTIALS"):
        refuse_key_in_environment(Settings(google_application_credentials=path))
    refuse_key_in_environment(Settings())
    path.write_text(json.dumps({"type": "external_account"}))
    refuse_key_in_environment(Settings(google_application_credentials=path))


@pytest.mark.parametrize(
    ("key", "session"), [("ASIAEXAMPLE", True), ("ASIAEXAMPLE", False), ("AKIAEXAMPLE", True), ("", False)]
)
def test_a_session_of_aws_is_fine(key: str, *, session: bool, caplog: pytest.LogCaptureFixture) -> None:
    judge_aws_key(key, has_session_token=session, method="env", policy="strict")
    assert caplog.text == ""
