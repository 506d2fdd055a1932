"""What it takes to run a container: its image, its surroundings, its process, and where its lines go."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wif_pipelines.sandbox.google.aiplatform.images import Image, Images
from wif_pipelines.sandbox.google.aiplatform.logs import Logs
from wif_pipelines.sandbox.google.aiplatform.processes import Child, Processes, Sink
from wif_pipelines.sandbox.google.aiplatform.surroundings import MetadataServer, Surroundings
from wif_pipelines.sandbox.google.errors import failed_precondition
from wif_pipelines.sandbox.google.kernel import Kernel


class Containers:
    """Runs containers as local processes.

    Args:
        kernel: Issues their tokens; its directory keeps their homes and logs.
        images: What to run.
    """

    def __init__(self, kernel: Kernel, images: Images) -> None:
        self.kernel = kernel
        self.logs = Logs(kernel)
        self._images = images
        self._processes = Processes(kernel.directory / "vertex" / "processes")
        self._surroundings = Surroundings(kernel.directory.parent)

    def sweep(self) -> None:
        """Kill what an earlier sandbox of this directory did not live to stop."""
        self._processes.sweep()

    def image(self, uri: str) -> Image:
        """The image of a URI.

        Raises:
            ApiError: 400, when there is none.
        """
        image = self._images.find(uri)
        if image is None:
            raise failed_precondition(f"Image {uri} not found.")
        return image

    def metadata(self, email: str) -> MetadataServer:
        """A metadata server, not yet started, for a container that runs as a service account."""
        return MetadataServer(self.kernel, email)

    async def start(self, container: "Container", metadata: MetadataServer) -> Child:
        """Start a container.

        Raises:
            OSError: when its program cannot be started.
        """
        home = self.kernel.directory / "vertex" / container.home
        home.mkdir(parents=True, exist_ok=True)
        own = {variable["name"]: variable.get("value", "") for variable in container.spec.get("env", [])}
        environment = {
            **await self._surroundings.variables(home, metadata),
            **container.image.environment,
            **own,
            **container.contract,
        }
        return await self._processes.start(
            container.image.line(container.spec.get("command", []), container.spec.get("args", []), environment),
            cwd=Path(container.image.cwd) if container.image.cwd else home,
            environment=environment,
            log=self.logs.path(container.log),
            sink=container.sink,
        )


@dataclass(frozen=True)
class Container:
    """One container to be started.

    Attributes:
        image: What runs.
        spec: The container spec: `command`, `args` and `env`.
        contract: What Vertex AI promises to it; it cannot be overridden.
        home: Its home directory, relative to the service's.
        log: Name of its log file.
        sink: Takes its lines.
    """

    image: Image
    spec: Mapping[str, Any]
    contract: Mapping[str, str]
    home: str
    log: str
    sink: Sink
