"""A person launches a run in the Dagster UI, and it succeeds."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from wif_pipelines.sandbox.lifecycle import Sandbox

CHROMIUM = shutil.which("chromium")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium on PATH: apt-get install chromium"),
]


@pytest.fixture(scope="module")
def ui(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """`wif ui` on the session's local cloud; its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    home = tmp_path_factory.mktemp("ui")
    command = [str(Path(sys.executable).parent / "wif"), "ui", "--directory", str(sandbox.directory)]
    with (home / "log").open("wb") as log:
        served = subprocess.Popen(
            [*command, "--instance", str(home / "dagster"), "--port", str(port)], stdout=log, stderr=log
        )
        try:
            _wait_for(f"http://127.0.0.1:{port}/server_info", served, home / "log")
            yield f"http://127.0.0.1:{port}"
        finally:
            served.send_signal(signal.SIGTERM)
            assert served.wait(timeout=60) == 0


@pytest.fixture
def page() -> Iterator[Any]:
    """A page of headless Chromium, with nothing remembered."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser.new_page(viewport={"width": 2400, "height": 700})
        browser.close()


def test_the_lineage_is_shown(ui: str, page: Any) -> None:
    page.goto(f"{ui}/locations/wif_pipelines/asset-groups/diagnostics/lineage")
    for asset in ("source_inventory", "verified_dataset", "training_job", "smoke_test_prediction"):
        page.get_by_text(asset).first.wait_for(timeout=60_000)
    if folder := os.environ.get("WIF_SCREENSHOTS"):
        page.wait_for_timeout(2_000)
        page.screenshot(path=f"{folder}/lineage.png")


def test_a_run_launched_in_the_ui_succeeds(ui: str, page: Any) -> None:
    page.goto(f"{ui}/locations/wif_pipelines/jobs/weekly_transfer/playground")
    page.get_by_role("button", name="Launch Run").click(timeout=60_000)
    page.wait_for_url(re.compile("/runs/"), timeout=60_000)
    page.get_by_text("Success", exact=True).first.wait_for(timeout=120_000)


def _wait_for(address: str, served: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        assert served.poll() is None, log.read_text()[-2000:]
        try:
            urllib.request.build_opener(urllib.request.ProxyHandler({})).open(address, timeout=2).close()
        except OSError:
            time.sleep(0.5)
        else:
            return
    pytest.fail(f"the UI did not come up:\n{log.read_text()[-2000:]}")
