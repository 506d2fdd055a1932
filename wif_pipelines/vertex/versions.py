"""A model version, as one look shows it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from wif_pipelines.vertex import links
from wif_pipelines.vertex.names import ResourceName, plain_time

if TYPE_CHECKING:
    from google.cloud import aiplatform_v1

__all__ = ["ModelVersion", "model_version"]


@dataclass(frozen=True)
class ModelVersion:
    """One version of a model.

    Attributes:
        name: The model's resource name, without the version.
        version_id: Such as ``1``; Google counts.
        aliases: In alphabetical order; ``default`` is one of them on exactly one version.
        display_name: What people read.
        artifact_uri: ``gs://`` directory of what training wrote.
        image_uri: The serving image.
        kms_key: The key that encrypts it, or None.
        labels: Google merges the model's own labels and the version's.
        created: When the version was made.
        console_url: Its page in the console.
    """

    name: str
    version_id: str
    aliases: tuple[str, ...]
    display_name: str
    artifact_uri: str
    image_uri: str
    kms_key: str | None
    labels: Mapping[str, str] = field(default_factory=dict)
    created: datetime | None = None
    console_url: str = ""

    @property
    def model_id(self) -> str:
        """Final part of the model's name."""
        return ResourceName.parse(self.name).id

    @property
    def versioned_name(self) -> str:
        """The resource name with ``@`` and the version."""
        return f"{self.name}@{self.version_id}"

    @property
    def age_order(self) -> tuple[int, str]:
        """Sorts by Google's count."""
        return (int(self.version_id) if self.version_id.isdigit() else 0, self.version_id)


def model_version(model: "aiplatform_v1.Model", *, project: str) -> ModelVersion:
    """What Vertex AI answered, as ours.

    Args:
        model: The answer.
        project: The project's id, for links.
    """
    name = ResourceName.parse(model.name)
    return ModelVersion(
        name=name.unversioned,
        version_id=model.version_id,
        aliases=tuple(sorted(model.version_aliases)),
        display_name=model.display_name,
        artifact_uri=model.artifact_uri,
        image_uri=model.container_spec.image_uri,
        kms_key=model.encryption_spec.kms_key_name or None,
        labels=dict(model.labels),
        created=plain_time(model.version_create_time),
        console_url=links.model_url(project=project, region=name.region, model_id=name.id, version=model.version_id),
    )
