"""A few services of the local Google Cloud behind its gateway, in this process: their clock and kernel are at hand."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests
from aiohttp import web

from wif_pipelines.sandbox.google.access.principal import service_account
from wif_pipelines.sandbox.google.gateway import Gateway
from wif_pipelines.sandbox.google.kernel import Kernel
from wif_pipelines.sandbox.google.kms.keys import Keys
from wif_pipelines.sandbox.google.kms.service import KeyManagement
from wif_pipelines.sandbox.google.logging import Logging
from wif_pipelines.sandbox.google.serviceusage import ServiceUsage
from wif_pipelines.sandbox.world import World


@dataclass
class Loopback:
    """What a test needs: where the services answer, and what stands under them."""

    kernel: Kernel
    keys: Keys
    gateway: Gateway
    ports: dict[str, int] = field(default_factory=dict)

    def token(self, email: str, *roles: str) -> str:
        """A token of a service account that has these roles on the project."""
        for role in roles:
            self.kernel.policies.bind(f"projects/{self.kernel.world.project}", role, f"serviceAccount:{email}")
        return self.kernel.tokens.issue(service_account(email), 30 * 86400)

    def endpoint(self, host: str) -> str:
        """Where a Google host answers over plain HTTP."""
        return f"http://127.0.0.1:{self.ports[host]}"

    def call(self, verb: str, host: str, path: str, token: str, body: Any = None, **params: Any) -> requests.Response:
        """One request to a Google host."""
        headers = {"Authorization": f"Bearer {token}"}
        return requests.request(
            verb, f"{self.endpoint(host)}/{path}", headers=headers, json=body, params=params, timeout=10
        )


@contextmanager
def loopback(directory: Path, *hosts: str) -> Iterator[Loopback]:
    """Serve `hosts`, each on a port of its own, with the state of `directory`."""
    kernel = Kernel(directory, World())
    usage, keys = ServiceUsage(kernel), Keys(kernel)
    gateway = Gateway(kernel.tokens, kernel.policies, usage.require_enabled)
    for service in (usage, KeyManagement(kernel, keys), Logging(kernel)):
        gateway.serve(service.handlers())
    running = Loopback(kernel, keys, gateway)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    runners = [_run(loop, _serve(running, host)) for host in hosts]
    try:
        yield running
    finally:
        for runner in runners:
            _run(loop, runner.cleanup())
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
        kernel.store.close()


def _run(loop: asyncio.AbstractEventLoop, work: Any) -> Any:
    return asyncio.run_coroutine_threadsafe(work, loop).result(10)


async def _serve(running: Loopback, host: str) -> web.ServerRunner:
    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        return await running.gateway.handle(request.clone(host=host))

    runner = web.ServerRunner(web.Server(handle))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    running.ports[host] = runner.addresses[0][1]
    return runner
