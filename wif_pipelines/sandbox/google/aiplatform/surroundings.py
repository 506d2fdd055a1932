"""What a container's process finds around itself: the way into this sandbox, and an identity it can ask for."""

import asyncio
import os
import sys
from pathlib import Path

from aiohttp import web

from wif_pipelines.sandbox.directory import SandboxDirectory
from wif_pipelines.sandbox.environment import way_in
from wif_pipelines.sandbox.google.access.principal import service_account
from wif_pipelines.sandbox.google.kernel import Kernel

_PUBLISH_TIMEOUT = 60.0
_TOKEN_LIFETIME = 3600
_SCOPES = ("https://www.googleapis.com/auth/cloud-platform", "https://www.googleapis.com/auth/userinfo.email")
_KEPT = ("LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR", "LD_LIBRARY_PATH")


class Surroundings:
    """Variables of a process that runs inside the sandbox.

    Args:
        directory: The sandbox's own, where the front says on which port it listens.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = SandboxDirectory(directory)

    async def variables(self, home: Path, metadata: "MetadataServer") -> dict[str, str]:
        """Everything a process gets that its container spec does not name; nothing of this process leaks into it.

        Args:
            home: Its home directory.
            metadata: Where it asks for its identity.

        Raises:
            TimeoutError: when the sandbox does not come up.
        """
        port = await self._port()
        host = f"127.0.0.1:{metadata.port}"
        return {
            **{name: os.environ[name] for name in _KEPT if name in os.environ},
            **way_in(bundle=self._directory.bundle, port=port),
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]),
            "HOME": str(home),
            "GCE_METADATA_HOST": host,
            "GCE_METADATA_ROOT": host,
            "GCE_METADATA_IP": host,
            "DISABLE_GCS_PYTHON_CLIENT_OTEL_BUCKET_METADATA": "true",
        }

    async def _port(self) -> int:
        # What was running is resumed before the front listens.
        async with asyncio.timeout(_PUBLISH_TIMEOUT):
            while (address := self._directory.address()) is None:  # noqa: ASYNC110 - a file tells
                await asyncio.sleep(0.05)
        return address.port


class MetadataServer:
    """Tells one container who it is, as the metadata server of its machine would.

    https://cloud.google.com/compute/docs/metadata/predefined-metadata-keys
    The machine stands in a project of Google's, not in the customer's, as on Vertex AI.

    Args:
        kernel: Issues the tokens.
        email: The service account that the container runs as.
    """

    def __init__(self, kernel: Kernel, email: str) -> None:
        self._kernel = kernel
        self._email = email
        self._runner: web.AppRunner | None = None
        self.port = 0

    async def start(self) -> None:
        """Listen on a free port of 127.0.0.1."""
        application = web.Application()
        application.router.add_get("/{path:.*}", self._answer)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Stop listening."""
        if self._runner:
            await self._runner.cleanup()

    async def _answer(self, request: web.Request) -> web.Response:
        flavour = {"Metadata-Flavor": "Google", "Server": "Metadata Server for VM"}
        path = request.match_info["path"].strip("/")
        if path == "":
            return web.Response(text="computeMetadata/\n", headers=flavour)
        if request.headers.get("Metadata-Flavor") != "Google":
            return web.Response(status=403, text='Missing required header "Metadata-Flavor: Google".\n')
        value = self._value(path.removeprefix("computeMetadata/v1").strip("/"), request)
        if value is None:
            return web.Response(status=404, text="Not found.\n", headers=flavour)
        if isinstance(value, dict):
            return web.json_response(value, headers=flavour)
        return web.Response(text=value, headers=flavour, content_type="application/text")

    def _value(self, key: str, request: web.Request) -> str | dict[str, object] | None:  # noqa: PLR0911 - a table
        world = self._kernel.world
        tenant = f"h{int(world.project_number):014x}-tp"
        match key.split("/"):
            case [""]:
                return "instance/\nproject/\nuniverse/\n"
            case ["project", "project-id"]:
                return tenant
            case ["project", "numeric-project-id"]:
                return str(int(world.project_number) ^ 0xFFFF)
            case ["universe", ("universe-domain" | "universe_domain")]:
                return "googleapis.com"
            case ["instance", "zone"]:
                return f"projects/{int(world.project_number) ^ 0xFFFF}/zones/{world.region}-a"
            case ["instance", "service-accounts"]:
                return f"default/\n{self._email}/\n"
            case ["instance", "service-accounts", account, *rest] if account in ("default", self._email):
                return self._account(rest, request)
        return None

    def _account(self, rest: list[str], request: web.Request) -> str | dict[str, object] | None:  # noqa: PLR0911
        match rest:
            case []:
                if request.query.get("recursive", "").lower() == "true":
                    return {"aliases": ["default"], "email": self._email, "scopes": list(_SCOPES)}
                return "aliases\nemail\nidentity\nscopes\ntoken\n"
            case ["email"]:
                return self._email
            case ["aliases"]:
                return "default\n"
            case ["scopes"]:
                return "\n".join(_SCOPES) + "\n"
            case ["token"]:
                token = self._kernel.tokens.issue(service_account(self._email), _TOKEN_LIFETIME, prefix="ya29.c.")
                return {"access_token": token, "expires_in": _TOKEN_LIFETIME - 1, "token_type": "Bearer"}
        return None
