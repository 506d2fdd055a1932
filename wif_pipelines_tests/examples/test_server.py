import csv
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests

from wif_pipelines_tests.examples.conftest import Trained, process_environment, run


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def server(trained: Trained) -> Iterator[str]:
    """A served model: the base URL of a real process with routes of its own."""
    port = _free_port()
    environment = process_environment(
        AIP_HTTP_PORT=str(port),
        AIP_HEALTH_ROUTE="/alive",
        AIP_PREDICT_ROUTE="/v1/endpoints/1:predict",
        AIP_STORAGE_URI=trained.model.as_uri(),
    )
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-m", "diagnostics.server"],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}"
    try:
        _wait_until_ready(f"{url}/alive", process)
        yield url
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=10) == 0


def _wait_until_ready(url: str, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert process.poll() is None
        try:
            if requests.get(url, timeout=5).status_code == 200:
                return
        except requests.ConnectionError:
            pass
        time.sleep(0.05)
    pytest.fail("the server did not become ready")


@pytest.fixture(scope="module")
def heldout(trained: Trained) -> list[dict[str, Any]]:
    with (trained.data / "heldout/diagnoses.csv").open() as file:
        return list(csv.DictReader(file))


def _instance(row: dict[str, Any]) -> dict[str, float]:
    return {name: float(value) for name, value in row.items() if name not in {"sample_id", "diagnosis"}}


def _predict(server: str, body: Any) -> requests.Response:
    return requests.post(f"{server}/v1/endpoints/1:predict", json=body, timeout=20)


def test_predicts_the_heldout_diagnoses(server: str, heldout: list[dict[str, Any]]) -> None:
    answered = _predict(server, {"instances": [_instance(row) for row in heldout]})
    assert answered.status_code == 200
    predictions = answered.json()["predictions"]
    right = sum(given["label"] == row["diagnosis"] for given, row in zip(predictions, heldout, strict=True))
    assert right / len(heldout) > 0.95
    assert all(0.5 <= given["probability"] <= 1.0 for given in predictions)


def test_an_array_is_as_good_as_an_object(server: str, heldout: list[dict[str, Any]]) -> None:
    instance = _instance(heldout[0])
    answered = _predict(server, {"instances": [instance, list(instance.values())]}).json()["predictions"]
    assert answered[0] == answered[1]


def test_threshold_moves_the_border(server: str, heldout: list[dict[str, Any]]) -> None:
    instances = [_instance(row) for row in heldout]

    def malignant(threshold: float) -> int:
        body = {"instances": instances, "parameters": {"threshold": threshold}}
        return sum(given["label"] == "malignant" for given in _predict(server, body).json()["predictions"])

    assert malignant(0.0) == len(heldout)
    assert malignant(0.05) > malignant(0.95) > 0


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ([], 'the body must be a JSON object with an array "instances"'),
        ({"instances": []}, "0 instances"),
        ({"instances": [{}]}, "instance 0: 30 features are missing, such as mean_radius"),
        ({"instances": [[1.0] * 30, [1.0] * 29]}, "instance 1: neither an object of features nor an array of 30"),
        ({"instances": [["x"] * 30]}, "instance 0: mean_radius is 'x', not a number"),
        ({"instances": [[True] * 30]}, "instance 0: mean_radius is True, not a number"),
        ({"instances": [[1.0] * 30], "parameters": {"threshold": 2}}, "threshold 2 is not a number between 0 and 1"),
        ({"instances": [[1.0] * 30], "parameters": {"cut": 1}}, 'no other field than "threshold"'),
    ],
)
def test_refuses_what_it_cannot_answer(server: str, body: Any, said: str) -> None:
    answered = _predict(server, body)
    assert answered.status_code == 400
    assert said in answered.json()["error"]


def test_refuses_what_is_not_json_and_goes_on(server: str, heldout: list[dict[str, Any]]) -> None:
    with requests.Session() as session:
        url = f"{server}/v1/endpoints/1:predict"
        refused = session.post(url, data=b"{", timeout=20)
        assert refused.status_code == 400
        assert "the body is not JSON" in refused.json()["error"]
        assert session.post(url, json={"instances": [_instance(heldout[0])]}, timeout=20).status_code == 200


def test_unknown_routes_are_404(server: str) -> None:
    assert requests.get(f"{server}/health", timeout=20).status_code == 404
    assert requests.post(f"{server}/predict", json={}, timeout=20).status_code == 404


def test_refuses_a_body_without_a_length(server: str) -> None:
    answered = requests.post(f"{server}/v1/endpoints/1:predict", data=iter([b"{}"]), timeout=20)
    assert answered.status_code == 411


def test_keeps_connections_open_and_answers_many_at_once(server: str, heldout: list[dict[str, Any]]) -> None:
    body = {"instances": [_instance(heldout[0])]}

    def ask(_: int) -> float:
        with requests.Session() as session:
            for _ in range(5):
                started = time.perf_counter()
                assert session.post(f"{server}/v1/endpoints/1:predict", json=body, timeout=20).status_code == 200
            return time.perf_counter() - started

    with ThreadPoolExecutor(8) as pool:
        assert len(list(pool.map(ask, range(16)))) == 16


def test_exits_when_there_is_no_model(tmp_path: Path) -> None:
    done = run("diagnostics.server", AIP_HTTP_PORT=str(_free_port()), AIP_STORAGE_URI=str(tmp_path))
    assert done.returncode == 2
    assert "cannot be loaded" in done.stdout


def test_exits_when_nothing_says_where_the_model_is() -> None:
    done = run("diagnostics.server", AIP_HTTP_PORT="0")
    assert done.returncode == 2
    assert "AIP_STORAGE_URI does not say where the model is" in done.stdout


def test_is_unhealthy_until_the_model_is_loaded(tmp_path: Path) -> None:
    """A named pipe holds the loading back for as long as the test wants."""
    os.mkfifo(tmp_path / "model.joblib")
    port = _free_port()
    environment = process_environment(AIP_HTTP_PORT=str(port), AIP_STORAGE_URI=str(tmp_path))
    with subprocess.Popen(
        [sys.executable, "-m", "diagnostics.server"],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            assert _first_answer(f"http://127.0.0.1:{port}/health").status_code == 503
        finally:
            process.kill()


def _first_answer(url: str) -> requests.Response:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            return requests.get(url, timeout=5)
        except requests.ConnectionError:
            time.sleep(0.05)
    pytest.fail("nothing listens")
