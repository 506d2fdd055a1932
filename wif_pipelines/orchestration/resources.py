"""Dagster resources: one identity, and the clients that every asset gets on its credential.

Making a resource touches no network and imports no SDK; a method that returns a client does the latter.
"""

from typing import TYPE_CHECKING, Any

import dagster as dg

from wif_pipelines.compliance import Cloud
from wif_pipelines.identity import WorkloadIdentity
from wif_pipelines.identity import clients as google_clients
from wif_pipelines.vertex.connection import VertexConnection

if TYPE_CHECKING:
    import boto3
    from dagster_gcp.gcs.io_manager import PickledObjectGCSIOManager
    from google.auth.credentials import Credentials
    from google.cloud import kms, storage, storage_transfer_v1


class WorkloadIdentityResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """Who the pipeline is on both clouds. No field takes a key.

    Attributes:
        audience: Full resource name of the workload identity provider, with the project's number.
        service_account: E-mail of the account to impersonate; empty for direct access.
        aws_region: Region of the source; empty for what the platform says.
        aws_role_arn: An AWS role to assume first; empty for the platform's own.
        expected_role_arn: The AWS role that the platform must turn out to give; empty for any.
        project: Id of the Google project.
    """

    audience: str
    project: str
    service_account: str = ""
    aws_region: str = ""
    aws_role_arn: str = ""
    expected_role_arn: str = ""

    def identity(self) -> WorkloadIdentity:
        """The plain identity below this resource.

        Raises:
            ConfigurationError: A value cannot be right.
        """
        return WorkloadIdentity(
            audience=self.audience,
            service_account=self.service_account or None,
            region=self.aws_region or None,
            aws_role_arn=self.aws_role_arn or None,
            expected_role_arn=self.expected_role_arn or None,
        )

    def credentials(self) -> "Credentials":
        """The process's one Google credential of this identity."""
        return self.identity().google_credentials()

    def aws_session(self) -> "boto3.Session":
        """A boto3 session of the workload's AWS identity."""
        return self.identity().aws_session()


class S3Resource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """The source's object store."""

    identity: dg.ResourceDependency[WorkloadIdentityResource]

    def client(self) -> Any:
        """A boto3 S3 client."""
        return self.identity.aws_session().client("s3")


class CloudStorageResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """The landing's object store."""

    identity: dg.ResourceDependency[WorkloadIdentityResource]

    def client(self) -> "storage.Client":
        """A google-cloud-storage client."""
        return google_clients.storage_client(self.identity.credentials(), self.identity.project)


class StorageTransferResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """Storage Transfer Service, which moves bytes without a worker.

    Attributes:
        role_arn: The AWS role that Google's transfer account assumes; empty when there is no bulk route.
    """

    identity: dg.ResourceDependency[WorkloadIdentityResource]
    role_arn: str = ""

    def client(self) -> "storage_transfer_v1.StorageTransferServiceClient":
        """A client over REST."""
        return google_clients.transfer_client(self.identity.credentials())


class KeyManagementResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """The customer's keys."""

    identity: dg.ResourceDependency[WorkloadIdentityResource]

    def client(self) -> "kms.KeyManagementServiceClient":
        """A client over REST."""
        return google_clients.kms_client(self.identity.credentials())

    def cloud(self) -> Cloud:
        """What compliance policies look at."""
        return Cloud(self.identity.credentials(), self.identity.project)


class VertexAIResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """Vertex AI in one region."""

    identity: dg.ResourceDependency[WorkloadIdentityResource]
    region: str

    def connection(self) -> VertexConnection:
        """Clients for jobs, models, endpoints and predictions."""
        return VertexConnection(self.identity.project, self.region, self.identity.credentials())


class KeylessGCSPickleIOManager(dg.ConfigurableIOManagerFactory):  # type: ignore[type-arg]
    """dagster-gcp's pickle IO manager on a keyless client.

    Attributes:
        bucket: Where values are kept.
        prefix: Path in it.
    """

    identity: dg.ResourceDependency[WorkloadIdentityResource]
    bucket: str
    prefix: str = "dagster"

    def create_io_manager(self, context: dg.InitResourceContext) -> "PickledObjectGCSIOManager":  # noqa: ARG002 - Dagster's interface
        """dagster-gcp's own IO manager, handed our client."""
        from dagster_gcp.gcs.io_manager import PickledObjectGCSIOManager

        client = google_clients.storage_client(self.identity.credentials(), self.identity.project)
        return PickledObjectGCSIOManager(bucket=self.bucket, client=client, prefix=self.prefix)


def from_environment() -> dict[str, Any]:
    """The resources as this code location binds them: each value is read from its variable when a run starts."""
    identity = WorkloadIdentityResource(
        audience=dg.EnvVar("WIF_AUDIENCE"),
        project=dg.EnvVar("WIF_PROJECT"),
        service_account=dg.EnvVar("WIF_SERVICE_ACCOUNT"),
        expected_role_arn=dg.EnvVar("WIF_AWS_ROLE_ARN"),
    )
    return {
        "identity": identity,
        "s3": S3Resource(identity=identity),
        "gcs": CloudStorageResource(identity=identity),
        "transfer": StorageTransferResource(identity=identity, role_arn=dg.EnvVar("WIF_TRANSFER_ROLE_ARN")),
        "kms": KeyManagementResource(identity=identity),
        "vertex": VertexAIResource(identity=identity, region=dg.EnvVar("WIF_REGION")),
        "gcs_pickle": KeylessGCSPickleIOManager(identity=identity, bucket=dg.EnvVar("WIF_ARTIFACT_BUCKET")),
    }
