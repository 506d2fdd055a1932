"""Model versions: uploaded once, found again, named by aliases.

https://cloud.google.com/vertex-ai/docs/model-registry/versioning
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from wif_pipelines.errors import NotFoundError, RemoteJobError
from wif_pipelines.vertex.connection import REQUEST_TIMEOUT, VertexConnection, explained
from wif_pipelines.vertex.names import same_key
from wif_pipelines.vertex.operations import settle, wait_for_operation
from wif_pipelines.vertex.polling import PATIENT, Polling
from wif_pipelines.vertex.resources import model_resource
from wif_pipelines.vertex.specs import ModelSpec
from wif_pipelines.vertex.versions import ModelVersion, model_version
from wif_pipelines.wire import retrying
from wif_pipelines.wire.google_errors import is_transient, status_of

if TYPE_CHECKING:
    from google.cloud import aiplatform_v1

__all__ = ["ModelRegistry", "ModelVersion", "Registration"]


@dataclass(frozen=True)
class Registration:
    """What came of an upload.

    Attributes:
        version: The version.
        existing: Whether it was there already, so that nothing was uploaded.
    """

    version: ModelVersion
    existing: bool


class ModelRegistry:
    """The model registry of one project and region.

    Args:
        connection: Where, and as whom.
    """

    def __init__(self, connection: VertexConnection) -> None:
        self._connection = connection

    def upload(self, spec: ModelSpec, *, polling: Polling = PATIENT) -> Registration:
        """Make a version of the model, or find the one that an earlier attempt made.

        A version is the same when its artefact directory, serving image and key are: training never writes one
        directory twice. An upload that an earlier attempt left running is waited for first.

        Args:
            spec: The version; its aliases move to it, also when it was there already.
            polling: How patiently to wait for the upload.

        Raises:
            ConfigurationError: The spec does not fit the region.
            RemoteJobError: The upload failed.
            WifError: Vertex AI refused; see `VertexConnection.call`.
        """
        spec.check_region(self._connection.region)
        doing = f"uploading a version of the model {spec.model_id}"
        with explained(doing):
            found = retrying(
                lambda: self._find_or_upload(spec, polling, doing),
                on=_worth_another_look,
                backoff=self._connection.backoff,
                clock=self._connection.clock,
            )
        missing = sorted(set(spec.version_aliases) - set(found.version.aliases))
        version = self.set_aliases(found.version, add=missing) if missing else found.version
        return Registration(version, found.existing)

    def versions(self, model_id: str) -> tuple[ModelVersion, ...] | None:
        """All versions, oldest first; None when there is no such model.

        Raises:
            WifError: They cannot be listed.
        """

        def send() -> list["aiplatform_v1.Model"]:
            request = {"name": self._name(model_id)}
            return list(self._connection.models.list_model_versions(request, retry=None, timeout=REQUEST_TIMEOUT))

        try:
            found = self._connection.call(send, doing=f"listing the versions of the model {model_id}")
        except NotFoundError:
            return None
        return tuple(sorted((self._read(model) for model in found), key=lambda version: version.age_order))

    def get(self, model_id: str, version: str = "default") -> ModelVersion | None:
        """One version, by its id or an alias; None when there is none.

        Raises:
            WifError: It cannot be read.
        """

        def send() -> "aiplatform_v1.Model":
            name = f"{self._name(model_id)}@{version}"
            return self._connection.models.get_model(name=name, retry=None, timeout=REQUEST_TIMEOUT)

        try:
            return self._read(self._connection.call(send, doing=f"reading the model {model_id}@{version}"))
        except NotFoundError:
            return None

    def set_aliases(
        self, version: ModelVersion, *, add: Sequence[str] = (), remove: Sequence[str] = ()
    ) -> ModelVersion:
        """Give aliases to a version, taking them from the versions that held them, and take others away.

        ``default`` cannot be removed, only given to another version.

        Returns:
            The version as it is then.

        Raises:
            WifError: Vertex AI refused.
        """
        merged = [*add, *(f"-{alias}" for alias in remove)]

        def send() -> "aiplatform_v1.Model":
            return self._connection.models.merge_version_aliases(
                name=version.versioned_name, version_aliases=merged, retry=None, timeout=REQUEST_TIMEOUT
            )

        return self._read(self._connection.call(send, doing=f"naming {version.versioned_name} {' '.join(merged)}"))

    def _find_or_upload(self, spec: ModelSpec, polling: Polling, doing: str) -> Registration:
        settle(self._connection, self._name(spec.model_id), polling=polling)
        versions = self.versions(spec.model_id)
        same = [version for version in versions or () if _is_of(spec, version)]
        if same:
            return Registration(same[-1], existing=True)
        place = {"model_id": spec.model_id} if versions is None else {"parent_model": self._name(spec.model_id)}
        request = {"parent": self._connection.parent, "model": model_resource(spec), **place}
        started = self._connection.models.upload_model(request, retry=None, timeout=REQUEST_TIMEOUT)
        ended = wait_for_operation(self._connection, started.operation.name, doing=doing, polling=polling)
        return Registration(self._uploaded(spec, ended.response, ended.name), existing=False)

    def _uploaded(self, spec: ModelSpec, response: Mapping[str, Any], operation: str) -> ModelVersion:
        version = self.get(spec.model_id, str(response.get("modelVersionId", "")) or "default")
        if version is None:
            message = f"The upload of a version of {spec.model_id} ended well, but the version cannot be found."
            raise RemoteJobError(message, remedy="Look whether somebody deleted it; run this again.", job=operation)
        return version

    def _name(self, model_id: str) -> str:
        return f"{self._connection.parent}/models/{model_id}"

    def _read(self, model: "aiplatform_v1.Model") -> ModelVersion:
        return model_version(model, project=self._connection.project)


def _is_of(spec: ModelSpec, version: ModelVersion) -> bool:
    return (
        version.artifact_uri.rstrip("/") == spec.artifact_uri.rstrip("/")
        and version.image_uri == spec.image_uri
        and same_key(version.kms_key, spec.kms_key)
    )


def _worth_another_look(error: Exception) -> bool:
    """Somebody may have made the model meanwhile (409), or the answer was lost: look again before uploading."""
    return is_transient(error) or status_of(error) == 409
