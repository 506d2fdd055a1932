"""The server process: both halves of the cloud behind one front, until it is told to stop."""

import argparse
import asyncio
import contextlib
import importlib
import logging
import os
import signal
import sys
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from wif_pipelines.sandbox.aws.issuer import ensure_issuer_key
from wif_pipelines.sandbox.aws.process import AwsProcess, AwsProcessError, AwsSession
from wif_pipelines.sandbox.directory import DirectoryInUseError, SandboxDirectory
from wif_pipelines.sandbox.front.authority import Authority
from wif_pipelines.sandbox.front.control import Control
from wif_pipelines.sandbox.front.dispatch import Dispatcher
from wif_pipelines.sandbox.front.faults import FaultBook
from wif_pipelines.sandbox.front.relay import AwsRelay
from wif_pipelines.sandbox.front.server import Front
from wif_pipelines.sandbox.world import World

__all__ = ["main"]

_LOGGER = logging.getLogger(__name__)
_STOP_TIMEOUT = 20.0


def main(arguments: list[str]) -> None:
    """Serve until SIGTERM, SIGINT, a shutdown over the control interface, or the end of standard input if so asked.

    Raises:
        SystemExit: with a line that says why, when the sandbox cannot start.
    """
    parser = argparse.ArgumentParser(prog="python -m wif_pipelines.sandbox serve")
    parser.add_argument("--directory", type=Path, required=True)
    parser.add_argument("--until-input-ends", action="store_true", help="stop when standard input is closed")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    directory = SandboxDirectory(options.directory)
    try:
        with directory.claimed():
            asyncio.run(_Server(directory).run(until_input_ends=options.until_input_ends))
    except (AwsProcessError, DirectoryInUseError) as error:
        sys.exit(str(error))


class _Server:
    """Starts the halves, waits, and takes them down in order."""

    def __init__(self, directory: SandboxDirectory) -> None:
        self._directory = directory
        self._world = World()
        issuer = ensure_issuer_key(directory.path / "issuer")
        self._aws = AwsProcess(directory.path / "aws", issuer, self._world.aws_region)
        self._stopping = asyncio.Event()

    async def run(self, *, until_input_ends: bool) -> None:
        self._heed_signals(until_input_ends=until_input_ends)
        async with contextlib.AsyncExitStack() as stack:
            stack.push_async_callback(_bounded, "AWS", self._aws.stop)
            google_module, _ = await asyncio.gather(asyncio.to_thread(_import_google), self._aws.start())
            relay = AwsRelay(self._aws.endpoint.base_url)
            stack.push_async_callback(relay.close)
            google = google_module.GoogleCloud(
                directory=self._directory.path / "google", aws=self._aws.endpoint, world=self._world
            )
            stack.push_async_callback(_bounded, "Google", google.stop)
            await google.start()
            dispatcher = Dispatcher(google, relay, faults := FaultBook())
            front = self._front(dispatcher, relay, faults, google.register_image)
            stack.push_async_callback(_bounded, "the front", front.stop)
            self._directory.publish(await front.start())
            _LOGGER.info("The sandbox is up")
            await self._until_told()
            self._directory.withdraw()

    def _front(
        self,
        dispatcher: Dispatcher,
        relay: AwsRelay,
        faults: FaultBook,
        register_image: Callable[[str, dict[str, Any]], None],
    ) -> Front:
        async def assume_role(arn: str, name: str, seconds: int) -> AwsSession:
            return await self._aws.assume_role(relay.session, arn, name, seconds)

        control = Control(
            token=self._directory.token(),
            world=self._world,
            faults=faults,
            assume_role=assume_role,
            expire_tokens=dispatcher.expire_tokens,
            shutdown=self._stopping.set,
            register_image=register_image,
        )
        return Front(Authority(self._directory.path), dispatcher.handle, control.handle)

    async def _until_told(self) -> None:
        told = asyncio.ensure_future(self._stopping.wait())
        gone = asyncio.ensure_future(self._aws.wait())
        await asyncio.wait({told, gone}, return_when=asyncio.FIRST_COMPLETED)
        if gone.done() and not told.done():
            self._directory.withdraw()
            raise AwsProcessError(f"The AWS process ended by itself, with status {gone.result()}.")
        gone.cancel()
        _LOGGER.info("The sandbox is going down")

    def _heed_signals(self, *, until_input_ends: bool) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stopping.set)
        if until_input_ends:
            threading.Thread(target=_watch_input, args=(loop, self._stopping), daemon=True).start()


def _import_google() -> ModuleType:
    # Takes a second, as does the start of the AWS process: both at once.
    return importlib.import_module("wif_pipelines.sandbox.google.cloud")


def _watch_input(loop: asyncio.AbstractEventLoop, stopping: asyncio.Event) -> None:
    while os.read(sys.stdin.fileno(), 4096):
        pass
    with contextlib.suppress(RuntimeError):
        loop.call_soon_threadsafe(stopping.set)


async def _bounded(name: str, stop: Callable[[], Awaitable[None]]) -> None:
    try:
        await asyncio.wait_for(stop(), _STOP_TIMEOUT)
    except TimeoutError:
        _LOGGER.warning("%s did not stop within %.0f s and is left behind", name, _STOP_TIMEOUT)
