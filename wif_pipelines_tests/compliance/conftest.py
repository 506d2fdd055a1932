from collections.abc import Iterator
from pathlib import Path

import pytest
from google.auth.credentials import AnonymousCredentials

from wif_pipelines.compliance import Cloud
from wif_pipelines_tests.compliance import key_service
from wif_pipelines_tests.compliance.key_service import KeyService


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[KeyService]:
    with key_service.running(tmp_path) as running:
        monkeypatch.setenv("HTTPS_PROXY", running.proxy)
        monkeypatch.setenv("https_proxy", running.proxy)
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(running.bundle))
        yield running


@pytest.fixture
def cloud(service: KeyService) -> Cloud:
    return Cloud(AnonymousCredentials(), "p")
