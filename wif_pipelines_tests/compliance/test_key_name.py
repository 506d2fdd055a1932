import pytest

from wif_pipelines.compliance import KeyName
from wif_pipelines.errors import ConfigurationError

NAME = "projects/p/locations/us-central1/keyRings/pipelines/cryptoKeys/landing"


def test_a_name_is_taken_apart_and_put_together() -> None:
    key = KeyName.parse(NAME)
    assert key == KeyName("p", "us-central1", "pipelines", "landing")
    assert str(key) == NAME
    assert key.options == "--keyring pipelines --location us-central1 --project p"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (NAME + "/cryptoKeyVersions/1", "names one version"),
        (NAME.removeprefix("projects/p/"), "is no key"),
        ("", "is no key"),
        (NAME + "/", "is no key"),
    ],
)
def test_what_is_no_key_is_told_why(text: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        KeyName.parse(text)
