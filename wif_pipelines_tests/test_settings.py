from pathlib import Path

import pytest

from wif_pipelines.settings import Settings


@pytest.mark.parametrize(
    ("environ", "region"),
    [
        ({"AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "us-east-1"}, "eu-west-1"),
        ({"AWS_REGION": "", "AWS_DEFAULT_REGION": "us-east-1"}, "us-east-1"),
        ({"AWS_REGION": "", "AWS_DEFAULT_REGION": ""}, None),
        ({}, None),
    ],
)
def test_the_region_that_the_platform_sets_comes_first(environ: dict[str, str], region: str | None) -> None:
    assert Settings.from_environment(environ).aws_region == region


def test_an_empty_credentials_variable_is_none() -> None:
    assert Settings.from_environment({"GOOGLE_APPLICATION_CREDENTIALS": ""}).google_application_credentials is None
    found = Settings.from_environment({"GOOGLE_APPLICATION_CREDENTIALS": "/x/y.json"})
    assert found.google_application_credentials == Path("/x/y.json")
