"""What is wanted of Vertex AI, as frozen values that cannot be made wrong.

A spec checks itself when it is made and names every problem at once. What depends on the place is checked by
`check_region` when the place is known. A spec holds no credentials and may be logged.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum

from wif_pipelines.vertex import rules

__all__ = ["Accelerator", "EndpointSpec", "ModelSpec", "Scheduling", "TrainingSpec"]


class Scheduling(StrEnum):
    """How Vertex AI finds the machines: https://cloud.google.com/vertex-ai/docs/training/schedule-jobs-dws."""

    STANDARD = "STANDARD"
    SPOT = "SPOT"
    FLEX_START = "FLEX_START"


@dataclass(frozen=True)
class Accelerator:
    """Accelerators of one replica.

    Attributes:
        type: A value of Vertex AI's AcceleratorType, such as ``NVIDIA_TESLA_T4``.
        count: How many, at least 1.
    """

    type: str
    count: int = 1

    def problems(self) -> Iterator[str]:
        """One sentence a problem. Whether the machine type takes this accelerator is left to the service."""
        if not self.type or self.type != self.type.upper():
            yield f"accelerator {self.type!r} is not of the form NVIDIA_TESLA_T4"
        if self.count < 1:
            yield f"accelerator count is {self.count}; at least 1"


@dataclass(frozen=True, kw_only=True)
class TrainingSpec:
    """One custom training job in a container.

    Attributes:
        display_name: What people read in the console.
        image_uri: The training image.
        base_output_dir: ``gs://`` directory of this job alone; the container gets ``AIP_MODEL_DIR`` and its siblings
            below it. Two jobs must not share one.
        command: Overrides the image's entry point when not empty.
        args: Arguments of the command.
        env: Additional environment of the container. Never a secret: everyone who may read the job reads it.
        machine_type: Of each replica.
        replica_count: 1, or more for a chief and its workers.
        accelerator: Of each replica, or None.
        boot_disk_gb: Size of each replica's disk in GB.
        service_account: Whom the container runs as; None for the project's default.
        kms_key: The customer's key for the job and its disks; None for Google's own key.
        labels: Also what the job is found again by.
        timeout: After which Vertex AI cancels the job; at most 7 days.
        network: ``projects/NUMBER/global/networks/NAME`` to peer with, or None.
        scheduling: How the machines are found.
        restart_on_worker_restart: Whether all workers restart when one does; needs checkpoints.
    """

    display_name: str
    image_uri: str
    base_output_dir: str
    command: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    machine_type: str = "n1-standard-4"
    replica_count: int = 1
    accelerator: Accelerator | None = None
    boot_disk_gb: int = 100
    service_account: str | None = None
    kms_key: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    timeout: timedelta = rules.MAX_TIMEOUT
    network: str | None = None
    scheduling: Scheduling = Scheduling.STANDARD
    restart_on_worker_restart: bool = False

    def __post_init__(self) -> None:
        """Refuse what cannot be right.

        Raises:
            ConfigurationError: Names every problem.
        """
        rules.refuse(f"training spec {self.display_name!r}", self._problems())

    @property
    def model_dir(self) -> str:
        """What the container finds in ``AIP_MODEL_DIR``: ``<base_output_dir>/model/``."""
        return f"{self.base_output_dir.rstrip('/')}/model/"

    def check_region(self, region: str) -> None:
        """Refuse a region that is none, or that is not the key's.

        Raises:
            ConfigurationError: Names every problem.
        """
        rules.refuse(f"training spec {self.display_name!r}", _region_problems(region, self.kms_key))

    def _problems(self) -> Iterator[str]:
        yield from rules.display_name_problems(self.display_name)
        yield from rules.image_problems("image_uri", self.image_uri)
        yield from rules.gcs_problems("base_output_dir", self.base_output_dir)
        yield from rules.environment_problems(self.env)
        yield from rules.label_problems(self.labels)
        yield from rules.account_problems(self.service_account)
        yield from rules.key_problems(self.kms_key)
        yield from _machine_problems(self.machine_type, self.accelerator)
        if self.replica_count < 1:
            yield f"replica_count is {self.replica_count}; at least 1"
        if not timedelta() < self.timeout <= rules.MAX_TIMEOUT:
            yield f"timeout is {self.timeout}; Vertex AI takes up to {rules.MAX_TIMEOUT.days} days"
        if self.boot_disk_gb < 1:
            yield f"boot_disk_gb is {self.boot_disk_gb}; at least 1"


@dataclass(frozen=True, kw_only=True)
class ModelSpec:
    """One version of a model, to be uploaded under a model id that stays the same over the versions.

    Attributes:
        model_id: Final part of the model's resource name.
        display_name: What people read in the console.
        image_uri: The serving image.
        artifact_uri: ``gs://`` directory that training wrote; it identifies the version when an upload is repeated.
        command: Overrides the image's entry point when not empty.
        args: Arguments of the command.
        env: Additional environment of the container. Never a secret.
        port: On which the container listens.
        predict_route: HTTP path of predictions.
        health_route: HTTP path that answers 200 once the model is loaded.
        kms_key: The customer's key; None for Google's own.
        labels: Such as the run and the training job that this version comes from.
        version_aliases: Given to the new version, taken from the version that held them. ``default`` makes it the
            one that a reference without version means; the very first version becomes it anyway.
        description: Of the model.
        version_description: Of this version.
    """

    model_id: str
    display_name: str
    image_uri: str
    artifact_uri: str
    command: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    port: int = 8080
    predict_route: str = "/predict"
    health_route: str = "/health"
    kms_key: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    version_aliases: tuple[str, ...] = ()
    description: str = ""
    version_description: str = ""

    def __post_init__(self) -> None:
        """Refuse what cannot be right.

        Raises:
            ConfigurationError: Names every problem.
        """
        rules.refuse(f"model spec {self.model_id!r}", self._problems())

    def check_region(self, region: str) -> None:
        """See `TrainingSpec.check_region`."""
        rules.refuse(f"model spec {self.model_id!r}", _region_problems(region, self.kms_key))

    def _problems(self) -> Iterator[str]:
        yield from rules.model_id_problems(self.model_id)
        yield from rules.display_name_problems(self.display_name)
        yield from rules.image_problems("image_uri", self.image_uri)
        yield from rules.gcs_problems("artifact_uri", self.artifact_uri)
        yield from rules.environment_problems(self.env)
        yield from rules.label_problems(self.labels)
        yield from rules.alias_problems(self.version_aliases)
        yield from rules.key_problems(self.kms_key)
        if not 1 <= self.port <= 65535:
            yield f"port {self.port} is not between 1 and 65535"
        for name, route in (("predict_route", self.predict_route), ("health_route", self.health_route)):
            if not route.startswith("/"):
                yield f"{name} {route!r} does not start with '/'"


@dataclass(frozen=True, kw_only=True)
class EndpointSpec:
    """An endpoint, and how a model version is deployed to it.

    Attributes:
        endpoint_id: Final part of the endpoint's resource name; the endpoint is made when it does not exist.
        display_name: What people read in the console.
        machine_type: Of each replica.
        min_replicas: Kept running always; at least 1.
        max_replicas: At most this many under load.
        accelerator: Of each replica, or None.
        service_account: Whom the serving container runs as; None for Google's default.
        kms_key: The customer's key; cannot be changed once the endpoint exists.
        labels: Of the endpoint.
        traffic_percent: What a newly deployed version gets, 0 to 100; the others share the rest as they did before.
            The first version of an empty endpoint always gets all.
        access_logging: Whether each prediction request leaves a line in Cloud Logging.
    """

    endpoint_id: str
    display_name: str
    machine_type: str = "n1-standard-2"
    min_replicas: int = 1
    max_replicas: int = 1
    accelerator: Accelerator | None = None
    service_account: str | None = None
    kms_key: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    traffic_percent: int = 100
    access_logging: bool = False

    def __post_init__(self) -> None:
        """Refuse what cannot be right.

        Raises:
            ConfigurationError: Names every problem.
        """
        rules.refuse(f"endpoint spec {self.endpoint_id!r}", self._problems())

    def check_region(self, region: str) -> None:
        """See `TrainingSpec.check_region`."""
        rules.refuse(f"endpoint spec {self.endpoint_id!r}", _region_problems(region, self.kms_key))

    def _problems(self) -> Iterator[str]:
        yield from rules.endpoint_id_problems(self.endpoint_id)
        yield from rules.display_name_problems(self.display_name)
        yield from _machine_problems(self.machine_type, self.accelerator)
        yield from rules.replica_problems(self.min_replicas, self.max_replicas)
        yield from rules.label_problems(self.labels)
        yield from rules.account_problems(self.service_account)
        yield from rules.key_problems(self.kms_key)
        if not 0 <= self.traffic_percent <= 100:
            yield f"traffic_percent {self.traffic_percent} is not between 0 and 100"


def _machine_problems(machine_type: str, accelerator: Accelerator | None) -> Iterator[str]:
    if not machine_type:
        yield "machine_type is empty"
    if accelerator is not None:
        yield from accelerator.problems()


def _region_problems(region: str, kms_key: str | None) -> Iterator[str]:
    yield from rules.region_problems(region)
    yield from rules.key_problems(kms_key, region)
