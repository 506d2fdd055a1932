"""A sandbox's directory: all of its state, who serves it now, and the token with which it is controlled."""

import contextlib
import dataclasses
import fcntl
import json
import os
import secrets
import shutil
import time
from collections.abc import Generator
from pathlib import Path
from typing import TextIO

__all__ = ["Address", "DirectoryInUseError", "SandboxDirectory"]

_MARK = "sandbox.lock"


class DirectoryInUseError(Exception):
    """Another process serves this directory."""


@dataclasses.dataclass(frozen=True)
class Address:
    """Where a sandbox listens: its process id, and its port on 127.0.0.1."""

    pid: int
    port: int


class SandboxDirectory:
    """Paths and small files of one sandbox. Everything in it is readable by its owner alone."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()

    @property
    def log(self) -> Path:
        """What the server writes when it runs in the background."""
        return self.path / "server.log"

    @property
    def bundle(self) -> Path:
        """The certificate authority that clients are to trust."""
        return self.path / "ca.pem"

    @property
    def credentials(self) -> Path:
        """The credential file of the AWS kind; it holds no secret."""
        return self.path / "credentials.json"

    def exists(self) -> bool:
        """Whether a sandbox has ever been here."""
        return (self.path / _MARK).exists()

    def create(self) -> None:
        """Make the directory, if it is not there."""
        self.path.mkdir(parents=True, exist_ok=True, mode=0o700)

    @contextlib.contextmanager
    def claimed(self) -> Generator[None]:
        """Hold the directory for this process; the kernel lets go of it however the process ends.

        Raises:
            DirectoryInUseError: when another process holds it.
        """
        self.create()
        with (self.path / _MARK).open("w") as file:
            if not _lock(file, patience=0.5):
                text = f"Another sandbox serves {self.path}; stop it (`wif sandbox down`) or choose another directory."
                raise DirectoryInUseError(text)
            self.withdraw()
            yield

    def is_claimed(self) -> bool:
        """Whether a living process holds the directory."""
        if not self.exists():
            return False
        with (self.path / _MARK).open("r") as file:
            return not _lock(file, patience=0.0)

    def publish(self, port: int) -> None:
        """Say where this process listens."""
        fresh = self.path / "state.json.new"
        fresh.write_text(json.dumps({"pid": os.getpid(), "port": port}))
        fresh.replace(self.path / "state.json")

    def withdraw(self) -> None:
        """Take back what `publish` said."""
        (self.path / "state.json").unlink(missing_ok=True)

    def address(self) -> Address | None:
        """Where the sandbox listens; None when nobody serves the directory, whatever a dead process left in it."""
        if not self.is_claimed():
            return None
        try:
            state = json.loads((self.path / "state.json").read_text())
        except FileNotFoundError:
            return None
        return Address(state["pid"], state["port"])

    def token(self) -> str:
        """The control token; made on first use, and kept for as long as the directory is."""
        path = self.path / "control.token"
        with contextlib.suppress(FileExistsError):
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            os.write(descriptor, secrets.token_urlsafe(32).encode())
            os.close(descriptor)
        return path.read_text()

    def forget(self) -> None:
        """Delete the directory and all state in it.

        Raises:
            DirectoryInUseError: when a living process holds it.
        """
        if self.is_claimed():
            raise DirectoryInUseError(f"A sandbox still serves {self.path}; stop it first.")
        if self.exists():
            shutil.rmtree(self.path)


def _lock(file: TextIO, *, patience: float) -> bool:
    # Whoever only looks holds the lock for an instant, which a claim must outlast.
    deadline = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                return False
            time.sleep(0.02)
        else:
            return True
