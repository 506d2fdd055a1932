"""What containers write, kept as files and as entries of Cloud Logging."""

import uuid
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

from wif_pipelines.sandbox.google.aiplatform.processes import Sink
from wif_pipelines.sandbox.google.kernel import Kernel


class Logs:
    """Makes the places that take a container's lines."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel

    def path(self, name: str) -> Path:
        """The file of a container."""
        return self._kernel.directory / "vertex" / "logs" / f"{name}.log"

    def of_job(self, job_id: str, task: str, labels: Mapping[str, str]) -> Sink:
        """Entries of a training container (resource type `ml_job`)."""
        resource = {"job_id": job_id, "task_name": task, "project_id": self._kernel.world.project}
        return self._sink("ml_job", resource, task, labels)

    def of_endpoint(self, endpoint_id: str, region: str, deployed_id: str) -> Sink:
        """Entries of a serving container."""
        world = self._kernel.world
        resource = {
            "endpoint_id": endpoint_id,
            "location": region,
            "resource_container": f"projects/{world.project_number}",
        }
        log = quote("aiplatform.googleapis.com/prediction_container", safe="")
        return self._sink("aiplatform.googleapis.com/Endpoint", resource, log, {"deployed_model_id": deployed_id})

    def _sink(self, kind: str, resource: Mapping[str, str], log: str, labels: Mapping[str, str]) -> Sink:
        def take(severity: str, line: str) -> None:
            now = self._kernel.clock.now()
            entry = {
                "logName": f"projects/{self._kernel.world.project}/logs/{log}",
                "insertId": uuid.uuid4().hex[:16],
                "timestamp": now,
                "receiveTimestamp": now,
                "severity": severity,
                "resource": {"type": kind, "labels": dict(resource)},
                "jsonPayload": {"message": line},
            }
            self._kernel.audit.append(entry | ({"labels": dict(labels)} if labels else {}))

        return take
