"""What stands behind an endpoint, as one look shows it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from wif_pipelines.vertex import links
from wif_pipelines.vertex.names import ResourceName, plain_time
from wif_pipelines.vertex.traffic import Split, taken_from
from wif_pipelines.vertex.versions import ModelVersion
from wif_pipelines.wire.redaction import redacted

if TYPE_CHECKING:
    from google.cloud import aiplatform_v1

__all__ = ["DeployedVersion", "Deployment", "EndpointStatus", "endpoint_status"]


@dataclass(frozen=True)
class DeployedVersion:
    """A model version on an endpoint.

    Attributes:
        id: The deployed model's id, which traffic splits use.
        model: The model's resource name, without the version.
        version_id: Its version.
        display_name: What people read.
        traffic_percent: Its share of the endpoint's requests.
        created: When it was deployed.
        machine_type: Of each replica; empty when Google chose it.
        available_replicas: How many serve now; None when Vertex AI does not say.
        message: What Vertex AI says of its state; empty when nothing.
    """

    id: str
    model: str
    version_id: str
    display_name: str
    traffic_percent: int
    created: datetime | None = None
    machine_type: str = ""
    available_replicas: int | None = None
    message: str = ""

    @property
    def is_dead(self) -> bool:
        """Whether Vertex AI says that no replica serves. Without a word from it, a version counts as alive."""
        return self.available_replicas == 0

    @property
    def age_order(self) -> tuple[float, str]:
        """Sorts by the time of deployment."""
        return (self.created.timestamp() if self.created else 0.0, self.id)

    def is_of(self, version: ModelVersion) -> bool:
        """Whether this is a deployment of that version; projects are not compared, for Google names them by number."""
        ours, theirs = ResourceName.parse(self.model), ResourceName.parse(version.name)
        same_model = (ours.region, ours.id) == (theirs.region, theirs.id)
        return same_model and self.version_id == version.version_id


@dataclass(frozen=True)
class EndpointStatus:
    """One look at an endpoint.

    Attributes:
        name: Resource name.
        display_name: What people read.
        kms_key: The key that encrypts it, or None.
        labels: Of the endpoint.
        deployed: Everything on it, oldest first, with or without traffic.
        etag: Names this state; a change based on an older one is refused.
        console_url: Its page in the console.
        logs_url: Its containers' logs.
    """

    name: str
    display_name: str
    kms_key: str | None
    labels: Mapping[str, str] = field(default_factory=dict)
    deployed: tuple[DeployedVersion, ...] = ()
    etag: str = ""
    console_url: str = ""
    logs_url: str = ""

    @property
    def id(self) -> str:
        """Final part of the name."""
        return ResourceName.parse(self.name).id

    @property
    def traffic(self) -> dict[str, int]:
        """The shares above zero; sums to 100 or is empty."""
        return {version.id: version.traffic_percent for version in self.deployed if version.traffic_percent}

    @property
    def living_traffic(self) -> Split:
        """The shares of those that can answer; the dead lose theirs at the next change."""
        return {version.id: version.traffic_percent for version in self.alive if version.traffic_percent}

    @property
    def alive(self) -> tuple[DeployedVersion, ...]:
        """What can answer, oldest first."""
        return tuple(version for version in self.deployed if not version.is_dead)

    def find(self, version: ModelVersion) -> DeployedVersion | None:
        """The newest deployment of that version, or None."""
        return next((deployed for deployed in reversed(self.deployed) if deployed.is_of(version)), None)

    def rolled_back(self) -> Split:
        """The split without the newest version that has traffic; empty when nothing older can answer.

        Versions that share the traffic with it take it over in proportion; otherwise the newest older one gets all.
        """
        serving = [version for version in self.deployed if version.traffic_percent]
        if not serving:
            return {self.alive[-1].id: 100} if self.alive else {}
        newest = serving[-1]
        if shared := taken_from(self.living_traffic, newest.id):
            return shared
        older = [version for version in self.alive if version.age_order < newest.age_order]
        return {older[-1].id: 100} if older else {}

    def with_id(self, deployed_id: str) -> DeployedVersion | None:
        """The deployment of that id, or None."""
        return next((deployed for deployed in self.deployed if deployed.id == deployed_id), None)


@dataclass(frozen=True)
class Deployment:
    """What came of a deployment.

    Attributes:
        endpoint: The endpoint afterwards.
        deployed: The version on it.
        existing: Whether it was deployed already.
    """

    endpoint: EndpointStatus
    deployed: DeployedVersion
    existing: bool


def endpoint_status(endpoint: "aiplatform_v1.Endpoint", *, project: str) -> EndpointStatus:
    """What Vertex AI answered, as ours.

    Args:
        endpoint: The answer.
        project: The project's id, for links.
    """
    name = ResourceName.parse(endpoint.name)
    split = dict(endpoint.traffic_split)
    deployed = (_deployed(model, split.get(model.id, 0)) for model in endpoint.deployed_models)
    return EndpointStatus(
        name=endpoint.name,
        display_name=endpoint.display_name,
        kms_key=endpoint.encryption_spec.kms_key_name or None,
        labels=dict(endpoint.labels),
        deployed=tuple(sorted(deployed, key=lambda version: version.age_order)),
        etag=endpoint.etag,
        console_url=links.endpoint_url(project=project, region=name.region, endpoint_id=name.id),
        logs_url=links.endpoint_logs_url(project=project, endpoint_id=name.id),
    )


def _deployed(model: "aiplatform_v1.DeployedModel", percent: int) -> DeployedVersion:
    said = "status" in model
    name = ResourceName.parse(model.model)
    return DeployedVersion(
        id=model.id,
        model=name.unversioned,
        version_id=model.model_version_id or name.version or "",
        display_name=model.display_name,
        traffic_percent=percent,
        created=plain_time(model.create_time),
        machine_type=model.dedicated_resources.machine_spec.machine_type,
        available_replicas=model.status.available_replica_count if said else None,
        message=redacted(model.status.message) if said else "",
    )
