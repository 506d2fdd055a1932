"""Containers as local processes: each leads a process group of its own, which dies with it and with the sandbox."""

import asyncio
import contextlib
import ctypes
import json
import os
import re
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

Sink = Callable[[str, str], None]
"""Takes a severity and a line."""

_LINE_LIMIT = 16 * 1024
_FILE_LIMIT = 16 * 1024 * 1024
_LINES_LIMIT = 5_000
_DRAIN_TIMEOUT = 2.0
_STOP_TIMEOUT = 4.0
_KILL_TIMEOUT = 5.0
_TOKEN = re.compile(r"ya29\.[\w.-]{20,}")
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


class Child:
    """A running container."""

    def __init__(self, process: asyncio.subprocess.Process, pumps: "list[asyncio.Task[None]]", mark: Path) -> None:
        self._process = process
        self._pumps = pumps
        self._mark = mark
        self._ending = asyncio.create_task(self._end())

    async def wait(self) -> int:
        """Its exit status, once it has ended and all that it wrote is logged; 128 and the signal for a killed one."""
        return await asyncio.shield(self._ending)

    async def stop(self) -> int:
        """End it: asked first, killed after 4 s."""
        self._signal(signal.SIGTERM)
        with contextlib.suppress(TimeoutError):
            return await asyncio.wait_for(self.wait(), _STOP_TIMEOUT)
        self._signal(signal.SIGKILL)
        return await asyncio.wait_for(self.wait(), _KILL_TIMEOUT)

    async def _end(self) -> int:
        status = await self._process.wait()
        self._signal(signal.SIGKILL)  # what it started and left behind
        _, late = await asyncio.wait(self._pumps, timeout=_DRAIN_TIMEOUT)
        for pump in late:
            pump.cancel()
        self._mark.unlink(missing_ok=True)
        return status if status >= 0 else 128 - status

    def _signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)


class Processes:
    """Starts containers and remembers them, so that a sandbox that was killed leaves none behind for long.

    Args:
        directory: Where it remembers them.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        directory.mkdir(parents=True, exist_ok=True)

    def sweep(self) -> None:
        """Kill what an earlier sandbox of this directory started and did not live to stop."""
        for mark in self._directory.glob("*.json"):
            left = json.loads(mark.read_text())
            if left["started"] and _started(left["pid"]) == left["started"]:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(left["pid"], signal.SIGKILL)
            mark.unlink(missing_ok=True)

    async def start(
        self, command: Sequence[str], *, cwd: Path, environment: Mapping[str, str], log: Path, sink: Sink
    ) -> Child:
        """Start a process.

        Args:
            command: Program and arguments.
            cwd: Its working directory.
            environment: All of its variables.
            log: File that takes what it writes, up to 16 MiB.
            sink: Takes its lines, up to 5,000; those of its error stream as ERROR.

        Raises:
            OSError: when the program cannot be started.
        """
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=pipe,
            stderr=pipe,
            cwd=cwd,
            env=dict(environment),
            start_new_session=True,
            preexec_fn=_die_with_parent if _LIBC else None,
        )
        mark = self._directory / f"{process.pid}.json"
        mark.write_text(json.dumps({"pid": process.pid, "started": _started(process.pid)}))
        journal = _Journal(log, sink)
        streams = ((process.stdout, "INFO"), (process.stderr, "ERROR"))
        pumps = [asyncio.create_task(_pump(stream, level, journal)) for stream, level in streams if stream]
        return Child(process, pumps, mark)


class _Journal:
    """Takes lines within bounds, with tokens taken out."""

    def __init__(self, path: Path, sink: Sink) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._sink = sink
        self._lines = 0

    def take(self, lines: list[bytes], severity: str) -> None:
        texts = [_TOKEN.sub("ya29.[token]", line[:_LINE_LIMIT].decode(errors="replace")) for line in lines]
        with self._path.open("a") as file:
            if file.tell() < _FILE_LIMIT:
                file.write("".join(f"{text}\n" for text in texts))
        for text in texts[: max(0, _LINES_LIMIT - self._lines)]:
            self._sink(severity, text)
        self._lines += len(texts)


async def _pump(stream: asyncio.StreamReader, severity: str, journal: _Journal) -> None:
    rest = b""
    while chunk := await stream.read(64 * 1024):
        *lines, rest = (rest + chunk).split(b"\n")
        if len(rest) > _LINE_LIMIT:
            lines, rest = [*lines, rest], b""
        if lines:
            journal.take(lines, severity)
    if rest:
        journal.take([rest], severity)


def _die_with_parent() -> None:
    # Runs in the child before its program: nothing but a system call.
    if _LIBC:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _started(pid: int) -> str:
    """When a process started, which tells it from a later one of the same id; empty where that cannot be told."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return fields[19]
