"""Vertex AI, put together."""

from collections.abc import Mapping
from typing import Any

from wif_pipelines.sandbox.google.aiplatform.checks import Checks
from wif_pipelines.sandbox.google.aiplatform.containers import Containers
from wif_pipelines.sandbox.google.aiplatform.endpoints import Endpoints
from wif_pipelines.sandbox.google.aiplatform.ground import Ground
from wif_pipelines.sandbox.google.aiplatform.images import Images
from wif_pipelines.sandbox.google.aiplatform.jobs import CustomJobs
from wif_pipelines.sandbox.google.aiplatform.models import Models
from wif_pipelines.sandbox.google.aiplatform.names import Names
from wif_pipelines.sandbox.google.aiplatform.operations import Operations
from wif_pipelines.sandbox.google.aiplatform.pipelines import TrainingPipelines
from wif_pipelines.sandbox.google.aiplatform.prediction import Predictions
from wif_pipelines.sandbox.google.aiplatform.registry import Registry
from wif_pipelines.sandbox.google.aiplatform.running import JobRunner
from wif_pipelines.sandbox.google.aiplatform.serving import Serving
from wif_pipelines.sandbox.google.call import Handlers
from wif_pipelines.sandbox.google.kernel import Kernel
from wif_pipelines.sandbox.google.kms.keys import Keys
from wif_pipelines.sandbox.google.storage.objects import Objects


class VertexAI:
    """Jobs, models, endpoints, and the processes behind them.

    Args:
        kernel: What it stands on; the sandbox's directory is the one above the kernel's.
        keys: Asked for every use of a customer's key.
        objects: Asked for buckets and artefacts.
    """

    def __init__(self, kernel: Kernel, keys: Keys, objects: Objects) -> None:
        self._kernel = kernel
        self._checks = Checks(kernel, keys, objects)
        names = Names(kernel.world)
        self._operations = Operations(kernel, names)
        ground = Ground(kernel, names, self._checks, self._operations)
        self._images = Images(kernel.directory, kernel.world)
        self._containers = Containers(kernel, self._images)
        self._serving = Serving(self._containers)
        self._runner = JobRunner(self._containers, self._checks)
        registry = Registry(kernel)
        self._endpoints = Endpoints(ground, registry, self._serving)
        models = Models(ground, registry, self._endpoints.deployments_of)
        jobs = CustomJobs(ground, self._runner)
        self._pipelines = TrainingPipelines(ground, jobs, self._runner, models)
        predictions = Predictions(names, self._checks, self._endpoints, self._serving)
        self._handlers = {
            **self._operations.handlers(),
            **jobs.handlers(),
            **self._pipelines.handlers(),
            **models.handlers(),
            **self._endpoints.handlers(),
            **predictions.handlers(),
        }

    def handlers(self) -> Handlers:
        """Methods by id."""
        return self._handlers

    def register_image(self, uri: str, entry: Mapping[str, Any]) -> None:
        """Let an image's URI stand for a local command; see `Images.register`.

        Raises:
            ValueError: when the entry is of another form.
        """
        self._images.register(uri, entry)

    async def start(self) -> None:
        """Grant the service agents what Google grants them, and resume what ran and served."""
        self._grant()
        self._containers.sweep()
        self._operations.recover()
        self._endpoints.resume()
        self._runner.resume()
        self._pipelines.resume()

    async def stop(self) -> None:
        """Stop every process; jobs and endpoints go on at the next start."""
        await self._pipelines.stop()
        await self._operations.stop()
        await self._runner.stop()
        await self._serving.stop()

    def _grant(self) -> None:
        """What Google grants with the API; written once, so that a grant that was taken away since stays away."""
        kernel, written = self._kernel, self._kernel.store.collection("seeded")
        project = f"projects/{kernel.world.project}"
        with kernel.store.transaction():
            if written.get("aiplatform"):
                return
            agents = {"serviceAgent": self._checks.agent.email, "customCodeServiceAgent": self._checks.code_agent}
            for role, email in agents.items():
                kernel.policies.bind(project, f"roles/aiplatform.{role}", f"serviceAccount:{email}")
            written.put("aiplatform", {"at": kernel.clock.now()})
