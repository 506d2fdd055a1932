"""A sandbox from outside: started, found again, asked for an environment, stopped.

with Sandbox(directory) as sandbox:
    subprocess.run(command, env={**os.environ, **sandbox.environment()})
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType

from wif_pipelines.sandbox.directory import Address, SandboxDirectory
from wif_pipelines.sandbox.environment import environment_of, write_credentials
from wif_pipelines.sandbox.remote import ControlClient, ControlError, Faults
from wif_pipelines.sandbox.world import World

__all__ = ["Sandbox", "SandboxError", "SandboxNotRunningError"]

_START_TIMEOUT = 40.0
_STOP_TIMEOUT = 45.0
_LOG_TAIL = 20
# Processes that go on without us; dropping them would make Python complain that they still run.
_LET_GO: list["subprocess.Popen[bytes]"] = []
# A server that obeyed these would look for its own clouds somewhere else.
_FOREIGN = ("AWS_", "GOOGLE_", "CLOUDSDK_", "MOTO_", "BOTO_")
_PROXIES = frozenset(
    {"HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"}
)


class SandboxError(Exception):
    """A sandbox that did not start or stop as it should; the text ends with what its log says."""


class SandboxNotRunningError(Exception):
    """Nobody serves the directory; the text says how to change that."""


class Sandbox:
    """One local cloud, in one directory that keeps its state from run to run."""

    def __init__(self, directory: Path | str) -> None:
        """Name the directory; nothing happens yet."""
        self._directory = SandboxDirectory(Path(directory))
        self._process: subprocess.Popen[bytes] | None = None
        self._address: Address | None = None

    @classmethod
    def attach(cls, directory: Path | str) -> "Sandbox":
        """Find the sandbox that serves a directory.

        Raises:
            SandboxNotRunningError: when none does, whatever a dead one left behind.
        """
        sandbox = cls(directory)
        sandbox._address = sandbox._directory.address()
        if sandbox._address is None:
            text = f"No sandbox serves {sandbox._directory.path}. Start one with `wif sandbox up`."
            raise SandboxNotRunningError(text)
        return sandbox

    def __enter__(self) -> "Sandbox":
        """Start it."""
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop it."""
        self.stop()

    @property
    def directory(self) -> Path:
        """Where its state is."""
        return self._directory.path

    @property
    def address(self) -> Address:
        """Process and port.

        Raises:
            SandboxNotRunningError: before `start` and after `stop`.
        """
        if self._address is None:
            raise SandboxNotRunningError("This sandbox has not been started.")
        return self._address

    @property
    def control(self) -> ControlClient:
        """Its control interface."""
        return ControlClient(self.address, self._directory.token())

    @property
    def faults(self) -> Faults:
        """What is to go wrong in it."""
        return Faults(self.control)

    @property
    def world(self) -> World:
        """The names of everything that stands in it from the start."""
        return World()

    def start(self, *, detached: bool = False) -> None:
        """Start the server and wait until it answers; usually 3 seconds, at most 40.

        Args:
            detached: whether it goes on when this process ends; otherwise it follows, however this process ends.

        Raises:
            SandboxError: when it does not come up, or another process serves the directory.
        """
        self._directory.create()
        if self._directory.address() is not None:
            text = (
                f"A sandbox serves {self.directory} already; use it (`Sandbox.attach`) or stop it (`wif sandbox down`)."
            )
            raise SandboxError(text)
        self._process = self._spawn(detached=detached)
        try:
            self._await_health()
        except BaseException:
            self._kill()
            raise
        if detached:
            _LET_GO.append(self._process)

    def environment(
        self, *, role: str | None = None, session_name: str = "sandbox", seconds: int = 43200
    ) -> dict[str, str]:
        """The variables with which any command runs inside; each call opens a fresh AWS session.

        Args:
            role: name of the AWS role to wear; the workload's when None. It must trust the instance user.
            session_name: what GetCallerIdentity shows after the role.
            seconds: how long the session lasts, 900 to 43200.

        Raises:
            ControlError: when the sandbox is gone, or the role cannot be assumed.
        """
        wanted = {"role": role or self.world.workload_role, "name": session_name, "seconds": seconds}
        session = self.control.call("POST", "/sessions", wanted)
        write_credentials(self._directory.credentials, self.world)
        return environment_of(
            self.world,
            directory=self.directory,
            bundle=self._directory.bundle,
            credentials=self._directory.credentials,
            port=self.address.port,
            session=session,
        )

    def register_image(
        self,
        image: str,
        command: Sequence[str],
        *,
        args: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        cwd: str | None = None,
    ) -> None:
        """Let a container image stand for a local command, for training and serving; it stays over restarts.

        Args:
            image: its URI.
            command: its entry point.
            args: its default arguments.
            environment: its variables.
            cwd: where it starts; an empty directory of its own when None.

        Raises:
            ControlError: when the sandbox is gone, or the command is empty.
        """
        entry = {"command": list(command), "args": list(args), "environment": dict(environment or {})}
        self.control.call("POST", "/images", {"image": image, **entry, **({"cwd": cwd} if cwd else {})})

    def expire_tokens(self) -> None:
        """Make every Google access token that is out invalid, now.

        Raises:
            ControlError: when the sandbox is gone.
        """
        self.control.call("POST", "/expire-tokens")

    def stop(self) -> None:
        """Stop the server and its children, keeping the state; at most 45 seconds. Does nothing when it is not running.

        Raises:
            SandboxError: when it had to be killed.
        """
        if self._address is None:
            return
        with contextlib.suppress(ControlError):
            self.control.call("POST", "/shutdown")
        stopped = self._await_end()
        if not stopped:
            self._kill()
        self._process, self._address = None, None
        if not stopped:
            raise SandboxError(
                f"The sandbox did not stop within {_STOP_TIMEOUT:.0f} s and was killed.{self._log_tail()}"
            )

    def _spawn(self, *, detached: bool) -> "subprocess.Popen[bytes]":
        command = [sys.executable, "-m", "wif_pipelines.sandbox", "serve", "--directory", str(self.directory)]
        with self._directory.log.open("ab") as log:
            return subprocess.Popen(  # noqa: S603 (this interpreter, and a path of the caller's)
                command if detached else [*command, "--until-input-ends"],
                stdin=subprocess.DEVNULL if detached else subprocess.PIPE,
                stdout=log,
                stderr=log,
                env=_own_environment(),
                start_new_session=True,
            )

    def _await_health(self) -> None:
        deadline = time.monotonic() + _START_TIMEOUT
        while time.monotonic() < deadline:
            if self._process is not None and self._process.poll() is not None:
                raise SandboxError(f"The sandbox ended with status {self._process.returncode}.{self._log_tail()}")
            self._address = self._directory.address()
            if self._address is not None:
                with contextlib.suppress(ControlError):
                    self.control.call("GET", "/")
                    return
            time.sleep(0.03)
        raise SandboxError(f"The sandbox did not answer within {_START_TIMEOUT:.0f} s.{self._log_tail()}")

    def _await_end(self) -> bool:
        deadline = time.monotonic() + _STOP_TIMEOUT
        while time.monotonic() < deadline:
            if not self._directory.is_claimed():
                if self._process is not None:
                    self._close_pipe()
                    self._process.wait(5)
                return True
            time.sleep(0.03)
        return False

    def _kill(self) -> None:
        if self._process is not None:
            self._close_pipe()
            self._process.kill()
            self._process.wait(5)
        elif self._address is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._address.pid, signal.SIGKILL)
        self._process, self._address = None, None

    def _close_pipe(self) -> None:
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()

    def _log_tail(self) -> str:
        try:
            lines = self._directory.log.read_text(errors="replace").splitlines()[-_LOG_TAIL:]
        except FileNotFoundError:
            return ""
        return "\n".join(["", f"The end of {self._directory.log}:", *lines])


def _own_environment() -> dict[str, str]:
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(_FOREIGN) and name.upper() not in _PROXIES
    }
