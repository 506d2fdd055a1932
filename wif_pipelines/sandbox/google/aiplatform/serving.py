"""Deployed models as local processes: started, watched over, asked, stopped.

https://cloud.google.com/vertex-ai/docs/predictions/custom-container-requirements
"""

import asyncio
import contextlib
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from wif_pipelines.sandbox.google.aiplatform.containers import Container, Containers
from wif_pipelines.sandbox.google.aiplatform.processes import Child
from wif_pipelines.sandbox.google.aiplatform.surroundings import MetadataServer
from wif_pipelines.sandbox.google.errors import ApiError, failed_precondition

_HEALTH_INTERVAL = 0.1
_HEALTH_TIMEOUT = aiohttp.ClientTimeout(total=5)
_PREDICT_TIMEOUT = aiohttp.ClientTimeout(total=60)
_DEPLOYMENT_TIMEOUT = 30 * 60.0
_READY_PATIENCE = 30.0
_RESTARTS = (0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0)


@dataclass(frozen=True)
class Deployment:
    """One model version on one endpoint.

    Attributes:
        endpoint: Name of the endpoint.
        id: The deployed model's id.
        model: The model version as it was when it was deployed.
        account: E-mail of the service account that the container runs as.
        machine_type: What was asked for.
    """

    endpoint: str
    id: str
    model: Mapping[str, Any]
    account: str
    machine_type: str = ""

    @property
    def container(self) -> Mapping[str, Any]:
        """The serving container's spec."""
        spec: Mapping[str, Any] = self.model["containerSpec"]
        return spec

    @property
    def health_route(self) -> str:
        """Where it is asked whether it is well."""
        return str(self.container.get("healthRoute") or self._route(""))

    @property
    def predict_route(self) -> str:
        """Where it is asked for predictions."""
        return str(self.container.get("predictRoute") or self._route(":predict"))

    def _route(self, suffix: str) -> str:
        return f"/v1/endpoints/{self.endpoint.rpartition('/')[2]}/deployedModels/{self.id}{suffix}"


@dataclass
class _Server:
    """The process of a deployment, as it comes and goes."""

    deployment: Deployment
    port: int = 0
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    message: str = ""
    task: "asyncio.Task[None] | None" = None


class Serving:
    """Everything that serves."""

    def __init__(self, containers: Containers) -> None:
        self._kernel = containers.kernel
        self._containers = containers
        self._servers: dict[str, _Server] = {}
        self._session: aiohttp.ClientSession | None = None

    async def deploy(self, deployment: Deployment) -> None:
        """Start a model's server and return once it is healthy.

        Raises:
            ApiError: 400, when the image does not exist, the server exits or does not become healthy in time.
        """
        server = _Server(deployment)
        healthy: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        server.task = asyncio.create_task(self._keep(server, healthy))
        self._servers[deployment.id] = server
        spec = str(deployment.container.get("deploymentTimeout", ""))
        limit = float(spec.removesuffix("s") or _DEPLOYMENT_TIMEOUT)
        try:
            await asyncio.wait_for(asyncio.shield(healthy), limit)
        except TimeoutError:
            await self.undeploy(deployment.id)
            raise failed_precondition(
                "Model server never became ready. Please validate that your model file or container configuration are "
                f"valid. Model server logs can be found at {self._link(deployment)}."
            ) from None
        except BaseException:
            await self.undeploy(deployment.id)
            raise

    def resume(self, deployment: Deployment) -> None:
        """Start the server of what was deployed earlier, without waiting for it."""
        server = self._servers[deployment.id] = _Server(deployment)
        server.task = asyncio.create_task(self._keep(server, None))

    async def undeploy(self, deployed_id: str) -> None:
        """Stop a model's server."""
        server = self._servers.pop(deployed_id, None)
        if server and server.task:
            server.task.cancel()
            await asyncio.gather(server.task, return_exceptions=True)

    async def stop(self) -> None:
        """Stop every server; what is deployed stays deployed."""
        await asyncio.gather(*(self.undeploy(deployed_id) for deployed_id in list(self._servers)))
        if self._session:
            await self._session.close()

    def status(self, deployed_id: str, replicas: int) -> dict[str, Any]:
        """The DeployedModel's status: all replicas stand or fall together here, for one process is all of them."""
        server = self._servers.get(deployed_id)
        if server is not None and server.ready.is_set():
            return {"availableReplicaCount": replicas}
        return {"availableReplicaCount": 0, "message": (server.message if server else "") or "The server is starting."}

    async def ask(self, deployed_id: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, str, bytes]:
        """Send a body to a model's predict route; returns its HTTP status, content type and body.

        Raises:
            ApiError: 503, when the server is down and does not come up within 30 s.
        """
        server = self._servers.get(deployed_id)
        if server is None:
            raise ApiError(503, "The model server is unavailable.")
        try:
            await asyncio.wait_for(server.ready.wait(), _READY_PATIENCE)
            url = f"http://127.0.0.1:{server.port}{server.deployment.predict_route}"
            async with self._client().post(url, data=body, headers=headers, timeout=_PREDICT_TIMEOUT) as answer:
                return answer.status, answer.content_type, await answer.read()
        except TimeoutError:
            raise ApiError(504, "Deadline exceeded while the model server was asked.") from None
        except aiohttp.ClientError:
            raise ApiError(503, "502:Bad Gateway") from None

    async def _keep(self, server: _Server, healthy: "asyncio.Future[None] | None") -> None:
        """Run a server, again and again; the first time, `healthy` is told how it went, and a failure is final."""
        metadata = self._containers.metadata(server.deployment.account)
        try:
            await metadata.start()
            for attempt in range(1_000_000):
                problem = await self._run(server, metadata, healthy)
                if healthy is not None and not healthy.done():
                    healthy.set_exception(problem)
                    return
                server.message = problem.message
                await asyncio.sleep(_RESTARTS[min(attempt, len(_RESTARTS) - 1)])
        finally:
            server.ready.clear()
            await metadata.stop()

    async def _run(self, server: _Server, metadata: MetadataServer, healthy: "asyncio.Future[None] | None") -> ApiError:
        """One life of a server; returns what ended it."""
        deployment = server.deployment
        try:
            server.port = _free_port()
            child = await self._start(server, metadata)
        except ApiError as error:
            return error
        except OSError as error:
            return failed_precondition(f"The model server cannot be started: {error.strerror}: {error.filename}.")
        ended = asyncio.create_task(child.wait())
        try:
            while not ended.done():
                if not server.ready.is_set() and await self._is_healthy(server):
                    server.ready.set()
                    if healthy is not None and not healthy.done():
                        healthy.set_result(None)
                await asyncio.wait({ended}, timeout=None if server.ready.is_set() else _HEALTH_INTERVAL)
        finally:
            server.ready.clear()
            await child.stop()
            ended.cancel()
        link = self._link(deployment)
        return failed_precondition(f"Model server exited unexpectedly. Model server logs can be found at {link}.")

    async def _start(self, server: _Server, metadata: MetadataServer) -> Child:
        deployment = server.deployment
        endpoint_id, region = deployment.endpoint.rpartition("/")[2], deployment.endpoint.split("/")[3]
        container = Container(
            image=self._containers.image(deployment.container["imageUri"]),
            spec=deployment.container,
            contract=self._contract(deployment, server.port),
            home=f"deployed/{deployment.id}",
            log=f"{endpoint_id}-{deployment.id}",
            sink=self._containers.logs.of_endpoint(endpoint_id, region, deployment.id),
        )
        return await self._containers.start(container, metadata)

    def _contract(self, deployment: Deployment, port: int) -> dict[str, str]:
        """What every serving container is promised; the port is a free one, for all containers share this machine.

        https://cloud.google.com/vertex-ai/docs/predictions/custom-container-requirements#aip-variables
        """
        return {
            "AIP_HTTP_PORT": str(port),
            "AIP_HEALTH_ROUTE": deployment.health_route,
            "AIP_PREDICT_ROUTE": deployment.predict_route,
            "AIP_STORAGE_URI": deployment.model.get("artifactUri", ""),
            "AIP_MODE": "PREDICTION",
            "AIP_MODE_VERSION": "1.0.0",
            "AIP_FRAMEWORK": "CUSTOM_CONTAINER",
            "AIP_ACCELERATOR_TYPE": "",
            "AIP_MACHINE_TYPE": deployment.machine_type,
            "AIP_PROJECT_NUMBER": self._kernel.world.project_number,
            "AIP_ENDPOINT_ID": deployment.endpoint.rpartition("/")[2],
            "AIP_DEPLOYED_MODEL_ID": deployment.id,
            "AIP_VERSION_NAME": deployment.id,
        }

    async def _is_healthy(self, server: _Server) -> bool:
        url = f"http://127.0.0.1:{server.port}{server.deployment.health_route}"
        with contextlib.suppress(aiohttp.ClientError, TimeoutError, OSError):
            async with self._client().get(url, timeout=_HEALTH_TIMEOUT) as answer:
                return answer.status == 200
        return False

    def _client(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
        return self._session

    def _link(self, deployment: Deployment) -> str:
        number, endpoint_id = self._kernel.world.project_number, deployment.endpoint.rpartition("/")[2]
        return (
            f"https://console.cloud.google.com/logs/viewer?project={number}"
            f"&resource=aiplatform.googleapis.com%2FEndpoint%2Fendpoint_id%2F{endpoint_id}"
        )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
