"""The control interface: guarded, and precise about what it cannot do."""

import pytest
import requests

from wif_pipelines.sandbox.directory import Address
from wif_pipelines.sandbox.remote import ControlClient, ControlError, Faults
from wif_pipelines_tests.sandbox.front.conftest import RunningFront


@pytest.mark.parametrize("headers", [{}, {"X-Sandbox-Token": "wrong"}, {"X-Sandbox-Token": "thé"}])
@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/"), ("POST", "/sessions"), ("POST", "/shutdown"), ("GET", "/faults")]
)
def test_without_its_token_it_does_nothing(
    front: RunningFront, headers: dict[str, str], method: str, path: str
) -> None:
    encoded = {name: value.encode("latin-1") for name, value in headers.items()}
    answer = requests.request(method, front.proxy + path, headers=encoded, proxies={"http": ""}, timeout=5)

    assert answer.status_code == 401
    assert "token of the sandbox's directory" in answer.json()["error"]


def test_health_names_the_world(front: RunningFront) -> None:
    health = front.control.call("GET", "/")

    assert health["status"] == "ok"
    assert health["pid"] == front.pid
    assert health["world"]["project"] == "sandbox-project"


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"kind": "explode"}, "must be one of status, delay"),
        ({"kind": "status", "colour": "red"}, "has no field 'colour'"),
        ({"kind": "status", "status": "503"}, "status cannot be '503'"),
        ({"kind": "delay", "seconds": -1}, "cannot be negative"),
        ({"kind": "status", "count": 0}, "nor its count zero"),
    ],
)
def test_a_fault_that_cannot_be_is_refused(faults: Faults, fields: dict[str, object], text: str) -> None:
    with pytest.raises(ControlError, match=text):
        faults.add(**fields)  # type: ignore[arg-type]


def test_faults_are_resources(faults: Faults) -> None:
    first, second = faults.add("delay", seconds=1), faults.add("status", status=500, count=None)

    assert [fault["id"] for fault in faults.list()] == [first["id"], second["id"]]
    assert faults.get(second["id"])["remaining"] is None
    faults.delete(first["id"])
    with pytest.raises(ControlError, match=f"There is no {first['id']}"):
        faults.get(first["id"])


def test_what_is_not_there_is_said(front: RunningFront) -> None:
    with pytest.raises(ControlError, match="has no GET /nothing"):
        front.control.call("GET", "/nothing")


def test_a_role_that_cannot_be_assumed_is_said(front: RunningFront) -> None:
    with pytest.raises(ControlError, match="There is no AWS here"):
        front.control.call("POST", "/sessions", {})


def test_a_sandbox_that_is_gone_is_said() -> None:
    with pytest.raises(ControlError, match=r"127\.0\.0\.1:9 does not answer"):
        ControlClient(Address(1, 9), "x").call("GET", "/")
