"""A front with an echo behind it, and clients that go through it."""

import dataclasses
import json
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from wif_pipelines.sandbox.directory import Address
from wif_pipelines.sandbox.remote import ControlClient, Faults


@dataclasses.dataclass(frozen=True)
class RunningFront:
    """The echo front's whereabouts."""

    port: int
    pid: int
    bundle: Path

    @property
    def control(self) -> ControlClient:
        return ControlClient(Address(self.pid, self.port), "the-token")

    @property
    def proxy(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def client(self) -> requests.Session:
        session = requests.Session()
        session.trust_env = False
        session.proxies = {"https": self.proxy, "http": self.proxy}
        session.verify = str(self.bundle)
        return session

    def tunnel(self, host: str) -> ssl.SSLSocket:
        """Open a TLS connection through the proxy by hand."""
        raw = socket.create_connection(("127.0.0.1", self.port), timeout=10)
        raw.sendall(f"CONNECT {host}:443 HTTP/1.1\r\nHost: {host}:443\r\n\r\n".encode())
        assert raw.recv(4096).startswith(b"HTTP/1.1 200 ")
        context = ssl.create_default_context(cafile=str(self.bundle))
        context.set_alpn_protocols(["h2", "http/1.1"])
        return context.wrap_socket(raw, server_hostname=host)

    def resident_kilobytes(self, *, peak: bool = False) -> int:
        """Memory in use, or the most that ever was since the peak was last cleared."""
        name = "VmHWM" if peak else "VmRSS"
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith(name))

    def forget_peak(self) -> None:
        Path(f"/proc/{self.pid}/clear_refs").write_text("5")


@pytest.fixture(scope="session")
def _front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningFront]:
    directory = tmp_path_factory.mktemp("front")
    command = [sys.executable, "-m", "wif_pipelines_tests.sandbox.front.echo_front", str(directory)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        yield RunningFront(ready["port"], ready["pid"], directory / "ca.pem")
        process.stdin.close()
        assert process.wait(10) == 0


@pytest.fixture
def front(_front: RunningFront) -> Iterator[RunningFront]:
    """An HTTPS proxy with an echo for a Google; no faults at first and none left behind."""
    yield _front
    Faults(_front.control).clear()


@pytest.fixture
def client(front: RunningFront) -> Iterator[requests.Session]:
    """A client of the proxy that trusts its authority."""
    with front.client() as session:
        yield session


@pytest.fixture
def faults(front: RunningFront) -> Faults:
    """What is to go wrong in the front."""
    return Faults(front.control)
