"""The local Google Cloud, put together: the kernel, the services on it, and the gateway in front."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from wif_pipelines.sandbox.aws.endpoint import AwsEndpoint
from wif_pipelines.sandbox.google.access.principal import Principal
from wif_pipelines.sandbox.google.aiplatform.service import VertexAI
from wif_pipelines.sandbox.google.gateway import Gateway
from wif_pipelines.sandbox.google.iam.accounts import Accounts
from wif_pipelines.sandbox.google.iam.custom_roles import Roles
from wif_pipelines.sandbox.google.iam.federation import Federation
from wif_pipelines.sandbox.google.iam.pools import Pools
from wif_pipelines.sandbox.google.iam.service_accounts import ServiceAccounts
from wif_pipelines.sandbox.google.iam.signing import AccountKeys
from wif_pipelines.sandbox.google.iamcredentials import Impersonation
from wif_pipelines.sandbox.google.kernel import Kernel
from wif_pipelines.sandbox.google.kms.keys import Keys
from wif_pipelines.sandbox.google.kms.service import KeyManagement
from wif_pipelines.sandbox.google.logging import Logging
from wif_pipelines.sandbox.google.resourcemanager import Projects
from wif_pipelines.sandbox.google.seed import seed_buckets, seed_identity, seed_keys, seed_transfer
from wif_pipelines.sandbox.google.serviceusage import ServiceUsage
from wif_pipelines.sandbox.google.storage.objects import Objects
from wif_pipelines.sandbox.google.storage.service import CloudStorage
from wif_pipelines.sandbox.google.storagetransfer.service import StorageTransfer
from wif_pipelines.sandbox.google.sts.exchange import TokenExchange
from wif_pipelines.sandbox.world import World


class GoogleCloud:
    """Serves every Google host of the sandbox.

    Args:
        directory: Where it keeps its state; made when it is not there.
        aws: How to reach AWS, for replaying GetCallerIdentity and for reading transfer sources.
        world: What stands from the start.
    """

    def __init__(self, directory: Path, aws: AwsEndpoint, world: World) -> None:
        self._kernel = Kernel(directory, world)
        self._aws = aws
        self._session: aiohttp.ClientSession | None = None
        usage = ServiceUsage(self._kernel)
        self._keys = Keys(self._kernel)
        self._objects = Objects(self._kernel, self._keys)
        self._gateway = Gateway(self._kernel.tokens, self._kernel.policies, usage.require_enabled)
        self._gateway.serve(usage.handlers())
        self._pools, self._accounts = Pools(self._kernel), Accounts(self._kernel)
        account_keys = AccountKeys(directory / "account-keys", aws)
        self._gateway.serve(TokenExchange(self._kernel, self._pools.active, aws, self._connections).handlers())
        self._gateway.serve(Impersonation(self._kernel, self._accounts, account_keys).handlers())
        self._gateway.serve(Federation(self._kernel, self._pools).handlers())
        self._gateway.serve(ServiceAccounts(self._kernel, self._accounts, account_keys).handlers())
        self._gateway.serve(Roles(self._kernel).handlers())
        self._gateway.serve(Projects(self._kernel).handlers())
        self._kernel.tokens.heed(self._is_usable)
        self._gateway.serve(KeyManagement(self._kernel, self._keys).handlers())
        self._gateway.serve(Logging(self._kernel).handlers())
        self._storage = CloudStorage(self._kernel, self._objects, self._gateway.authenticate, usage.require_enabled)
        self._gateway.serve(self._storage.handlers())
        self._gateway.serve_raw("storage", self._storage.serve_raw, self._storage.describe)
        self._transfers = StorageTransfer(self._kernel, self._objects, aws)
        self._gateway.serve(self._transfers.handlers())
        self._vertex = VertexAI(self._kernel, self._keys, self._objects)
        self._gateway.serve(self._vertex.handlers())

    async def start(self) -> None:
        """Take up yesterday's state, seed what is missing, and resume what was running."""
        self._session = aiohttp.ClientSession(auto_decompress=False)
        seed_identity(self._kernel, self._pools, self._accounts)
        seed_keys(self._kernel, self._keys)
        seed_buckets(self._kernel, self._storage.buckets)
        seed_transfer(self._kernel)
        await self._transfers.start()
        await self._vertex.start()

    async def stop(self) -> None:
        """End what runs, and close the store."""
        await self._vertex.stop()
        await self._transfers.stop()
        if self._session:
            await self._session.close()
        self._kernel.store.close()

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        return await self._gateway.handle(request)

    def describe(self, request: web.BaseRequest) -> tuple[str, str]:
        """(API name, method id) of a request."""
        return self._gateway.describe(request)

    def register_image(self, uri: str, entry: Mapping[str, Any]) -> None:
        """Let a container image's URI stand for a local command.

        Raises:
            ValueError: when the entry is not {command, args, cwd, environment}.
        """
        self._vertex.register_image(uri, entry)

    def expire_tokens(self) -> None:
        """Expire every access token now."""
        self._kernel.tokens.expire_all()

    def _is_usable(self, caller: Principal) -> bool:
        return self._accounts.usable(caller.email) if caller.email else self._pools.usable(caller.subject)

    def _connections(self) -> aiohttp.ClientSession:
        if self._session is None:
            raise RuntimeError("the local Google Cloud has not been started")
        return self._session
