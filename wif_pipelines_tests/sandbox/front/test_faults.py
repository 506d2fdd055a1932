"""Each kind of fault strikes over the wire, as often as it should, and is counted."""

import socket
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from wif_pipelines.sandbox.remote import Faults
from wif_pipelines_tests.sandbox.front.conftest import RunningFront

HOST = "https://storage.googleapis.com"


def test_a_status_is_answered_so_many_times(client: requests.Session, faults: Faults) -> None:
    fault = faults.add("status", service="echo", status=429, count=2)
    answers = [client.post(f"{HOST}/up", data=b"x" * 100_000) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [429, 429, 200]
    assert answers[0].json()["error"]["status"] == "RESOURCE_EXHAUSTED"
    assert answers[0].json()["error"]["code"] == 429
    assert (faults.get(fault["id"])["used"], faults.get(fault["id"])["remaining"]) == (2, 0)


def test_a_status_may_bring_its_own_body(client: requests.Session, faults: Faults) -> None:
    faults.add("status", status=400, body='{"error": "invalid_grant"}')
    answer = client.get(f"{HOST}/x")

    assert (answer.status_code, answer.json()) == (400, {"error": "invalid_grant"})


def test_a_fault_of_aws_is_worded_as_aws_does(client: requests.Session, faults: Faults) -> None:
    fault = faults.add("status", service="s3", method="s3:PutObject")
    answer = client.put("https://bucket.s3.amazonaws.com/key", data=b"x")

    assert answer.status_code == 503
    assert "<Error><Code>SlowDown</Code>" in answer.text
    assert faults.get(fault["id"])["used"] == 1


@pytest.mark.parametrize(
    ("method", "url", "body", "headers"),
    [
        ("GET", "https://bucket.s3.amazonaws.com/?list-type=2", None, {}),
        ("POST", "https://sts.us-east-1.amazonaws.com/", "Action=AssumeRole&Version=2011-06-15", {}),
        ("POST", "https://sqs.us-east-1.amazonaws.com/", "{}", {"X-Amz-Target": "AmazonSQS.SendMessage"}),
    ],
)
def test_an_operation_of_aws_is_known_by_its_name(
    client: requests.Session, faults: Faults, method: str, url: str, body: str | None, headers: dict[str, str]
) -> None:
    names = {"GET": "s3:ListObjectsV2", "POST": "sqs:SendMessage" if headers else "sts:AssumeRole"}
    fault = faults.add("status", method=names[method], status=418)
    kind = {"Content-Type": "application/x-amz-json-1.0" if headers else "application/x-www-form-urlencoded"}

    assert client.request(method, url, data=body, headers=headers | kind).status_code == 418
    assert faults.get(fault["id"])["used"] == 1


def test_an_aws_process_that_is_gone_is_a_503(client: requests.Session) -> None:
    answer = client.get("https://bucket.s3.amazonaws.com/key")

    assert answer.status_code == 503
    assert "AWS process is gone" in answer.text


def test_a_delay_holds_the_request(client: requests.Session, faults: Faults) -> None:
    fault = faults.add("delay", seconds=0.4)
    started = time.monotonic()
    client.get(f"{HOST}/x").raise_for_status()

    assert time.monotonic() - started >= 0.4
    assert faults.get(fault["id"])["used"] == 1


@pytest.mark.parametrize("path", ["bytes/1000000", "chunked/1000000"])
@pytest.mark.parametrize("kind", ["truncate", "reset"])
def test_a_body_is_cut_where_it_was_told_to_be(client: requests.Session, faults: Faults, kind: str, path: str) -> None:
    fault = faults.add(kind, method="echo.*.get", after_bytes=123_456)
    received = bytearray()
    with (
        pytest.raises((requests.exceptions.ChunkedEncodingError, requests.exceptions.ConnectionError)),
        client.get(f"{HOST}/{path}", stream=True) as answer,
    ):
        _read_into(received, answer)

    assert 100_000 < len(received) <= 123_456
    assert faults.get(fault["id"])["used"] == 1
    assert len(client.get(f"{HOST}/{path}").content) == 1_000_000


def _read_into(received: bytearray, answer: requests.Response) -> None:
    for chunk in answer.iter_content(1000):
        received += chunk


def test_a_reset_is_rude_and_a_truncation_polite(front: RunningFront, faults: Faults) -> None:
    """Seen on the bare socket: Python's TLS layer reports both as an end of file."""
    for kind in ("reset", "truncate"):
        faults.add(kind, after_bytes=1000)
    endings = [_ending(front), _ending(front)]

    assert endings == ["reset", "end of file"]


def _ending(front: RunningFront) -> str:
    secure = front.tunnel("storage.googleapis.com")
    secure.sendall(b"GET /bytes/100000 HTTP/1.1\r\nHost: storage.googleapis.com\r\n\r\n")
    with socket.socket(fileno=secure.detach()) as bare:
        bare.settimeout(5)
        try:
            while bare.recv(65536):
                pass
        except ConnectionResetError:
            return "reset"
    return "end of file"


@pytest.mark.parametrize("offset", [0, 70_000])
def test_one_byte_is_inverted(client: requests.Session, faults: Faults, offset: int) -> None:
    fault = faults.add("corrupt", after_bytes=offset)
    spoilt, whole = (client.get(f"{HOST}/bytes/100000").content for _ in range(2))

    assert [index for index in range(100_000) if spoilt[index] != whole[index]] == [offset]
    assert faults.get(fault["id"])["used"] == 1


def test_a_small_answer_can_be_spoilt_too(client: requests.Session, faults: Faults) -> None:
    fault = faults.add("corrupt")

    assert client.get(f"{HOST}/x").content[0] == ord("{") ^ 0xFF
    assert faults.get(fault["id"])["used"] == 1


def test_a_fault_beyond_the_end_is_not_used_up(client: requests.Session, faults: Faults) -> None:
    fault = faults.add("truncate", after_bytes=5000)
    client.get(f"{HOST}/bytes/5000").raise_for_status()

    assert faults.get(fault["id"])["used"] == 0


def test_a_request_is_reset_on_its_way_in(client: requests.Session, faults: Faults) -> None:
    fault = faults.add("request_reset", after_bytes=1000)
    with pytest.raises(requests.exceptions.ConnectionError):
        client.post(f"{HOST}/up", data=b"x" * 5_000_000)

    assert faults.get(fault["id"])["used"] == 1
    assert client.post(f"{HOST}/up", data=b"x").json()["received"] == 1


def test_tokens_expire_before_the_request_is_served(client: requests.Session, faults: Faults) -> None:
    before = client.get(f"{HOST}/x").json()["expired"]
    fault = faults.add("expire_tokens", method="echo.x.*")

    assert client.get(f"{HOST}/x").json()["expired"] == before + 1
    assert client.get(f"{HOST}/x").json()["expired"] == before + 1
    assert faults.get(fault["id"])["used"] == 1


def test_tokens_expire_at_once_when_asked(client: requests.Session, faults: Faults) -> None:
    before = client.get(f"{HOST}/x").json()["expired"]
    faults._control.call("POST", "/expire-tokens")

    assert client.get(f"{HOST}/x").json()["expired"] == before + 1


def test_only_what_matches_is_struck(client: requests.Session, faults: Faults) -> None:
    for pattern in ({"service": "storage"}, {"method": "echo.*.post"}, {"path": "/other/*"}):
        faults.add("status", **pattern)
    aimed = faults.add("status", path="/week/*")

    assert client.get(f"{HOST}/x").status_code == 200
    assert client.get(f"{HOST}/week/7").status_code == 503
    assert [fault["used"] for fault in faults.list()] == [0, 0, 0, faults.get(aimed["id"])["used"]] == [0, 0, 0, 1]


def test_many_at_once_share_the_uses_exactly(client: requests.Session, faults: Faults) -> None:
    fault = faults.add("status", count=5)
    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(lambda _: client.get(f"{HOST}/x").status_code, range(40)))

    assert statuses.count(503) == 5
    assert faults.get(fault["id"])["used"] == 5
