"""The proxy's wire: which hosts it has, and that bodies of any size pass as they are."""

import gzip
import http.client
import http.server
import socket
import threading
import time
from collections.abc import Iterator

import pytest
import requests

from wif_pipelines_tests.sandbox.front.conftest import RunningFront

MEGABYTE = 1_000_000


@pytest.mark.parametrize(
    "host",
    ["storage.googleapis.com", "us-central1-aiplatform.googleapis.com", "my.bucket.s3.us-east-1.amazonaws.com"],
)
def test_every_host_shows_a_certificate_in_its_own_name(front: RunningFront, host: str) -> None:
    with front.tunnel(host) as connection:
        names = [value for _, value in connection.getpeercert()["subjectAltName"]]  # type: ignore[index]

        assert names == [host]
        assert connection.selected_alpn_protocol() == "http/1.1"


def test_a_request_arrives_as_it_was_sent(client: requests.Session) -> None:
    url = "https://storage.googleapis.com/b/a%2Fb%20c?x=%7B1%7D&y"
    answer = client.post(url, data=b"body").json()

    assert (answer["method"], answer["raw_path"]) == ("POST", "/b/a%2Fb%20c?x=%7B1%7D&y")
    assert (answer["host"], answer["received"]) == ("storage.googleapis.com", 4)


def test_a_compressed_body_is_not_unpacked(client: requests.Session) -> None:
    body = gzip.compress(b"text" * 1000)
    answer = client.put("https://storage.googleapis.com/o", data=body, headers={"Content-Encoding": "gzip"}).json()

    assert (answer["received"], answer["encoding"]) == (len(body), "gzip")


def test_a_connection_is_kept(client: requests.Session) -> None:
    peers = [client.get("https://storage.googleapis.com/x").json()["peer"] for _ in range(5)]

    assert all(peer == peers[0] for peer in peers)


def test_who_asks_first_is_told_to_go_on(front: RunningFront) -> None:
    with front.tunnel("storage.googleapis.com") as connection:
        head = "PUT /o HTTP/1.1\r\nHost: storage.googleapis.com\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n"
        connection.sendall(head.encode())
        assert connection.recv(4096) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"body")

        assert b'"received": 4' in connection.recv(65536)


def test_a_host_beyond_the_sandbox_is_refused_in_words(front: RunningFront) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", front.port, timeout=5)
    connection.request("CONNECT", "pypi.org:443")
    answer = connection.getresponse()

    assert (answer.status, answer.reason) == (403, "Not part of the sandbox")
    assert "pypi.org:443 is not part of it" in answer.read().decode()


def test_the_host_header_cannot_lead_elsewhere(client: requests.Session) -> None:
    answer = client.get("https://storage.googleapis.com/x", headers={"Host": "example.com"})

    assert answer.status_code == 421


@pytest.mark.parametrize("host", ["metadata.google.internal", "169.254.169.254", "example.com"])
def test_plain_http_is_refused_at_once(client: requests.Session, host: str) -> None:
    started = time.monotonic()
    answer = client.get(f"http://{host}/computeMetadata/v1/", headers={"Metadata-Flavor": "Google"})

    assert answer.status_code == 404
    assert f"The sandbox has no {host}" in answer.text
    assert time.monotonic() - started < 1


def test_a_client_without_the_authority_is_not_served(front: RunningFront) -> None:
    session = front.client()
    session.verify = True
    with pytest.raises(requests.exceptions.SSLError):
        session.get("https://storage.googleapis.com/x")


@pytest.fixture
def local_server() -> Iterator[int]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler)
    server.RequestHandlerClass.log_message = lambda *_: None  # type: ignore[method-assign]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()
    server.server_close()


def test_loopback_is_reached_through_the_tunnel(front: RunningFront, local_server: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", front.port, timeout=5)
    connection.set_tunnel("127.0.0.1", local_server)
    connection.request("GET", "/no-such-file")

    assert connection.getresponse().status == 404
    connection.close()


def test_a_head_in_pieces_is_put_together(front: RunningFront) -> None:
    with socket.create_connection(("127.0.0.1", front.port), timeout=5) as raw:
        for piece in (b"CON", b"NECT storage.googleapis.com:4", b"43 HTTP/1.1\r\nHost: x\r\n", b"\r\n"):
            raw.sendall(piece)
            time.sleep(0.02)
        assert raw.recv(100).startswith(b"HTTP/1.1 200")


def test_rubbish_is_answered_or_hung_up_on(front: RunningFront, client: requests.Session) -> None:
    for rubbish in (b"\x16\x03\x01\x02\x00" * 20, b"CONNECT\r\n\r\n", b"CONNECT x HTTP/1.1\r\n\r\n"):
        with socket.create_connection(("127.0.0.1", front.port), timeout=5) as raw:
            raw.sendall(rubbish)
            raw.shutdown(socket.SHUT_WR)
            while raw.recv(4096):
                pass

    assert client.get("https://storage.googleapis.com/x").status_code == 200


def test_three_hundred_megabytes_pass_in_bounded_memory(front: RunningFront, client: requests.Session) -> None:
    client.get("https://storage.googleapis.com/bytes/5000000").raise_for_status()
    front.forget_peak()
    before = front.resident_kilobytes()

    sent = client.post("https://storage.googleapis.com/up", data=(b"x" * MEGABYTE for _ in range(300))).json()
    with client.get("https://storage.googleapis.com/bytes/300000000", stream=True) as answer:
        time.sleep(0.5)  # a slow reader: the server must wait and not pile up
        received = sum(len(chunk) for chunk in answer.iter_content(MEGABYTE))

    assert (sent["received"], received) == (300 * MEGABYTE, 300 * MEGABYTE)
    assert front.resident_kilobytes(peak=True) - before < 24_000
