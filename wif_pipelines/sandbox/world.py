"""The names of everything that stands in the local cloud from the start.

One frozen value, so that both clouds' seeds, the environment handed to commands and the tests speak of the same
project, buckets, key, role and images. Nothing here creates anything: the seeds do.
"""

import dataclasses

__all__ = ["World"]


@dataclasses.dataclass(frozen=True)
class World:
    """Who and what exists: one Google project and one AWS account that trust each other without a key."""

    project: str = "sandbox-project"
    project_number: str = "736251948012"
    region: str = "us-central1"
    landing_bucket: str = "sandbox-project-landing"
    artifact_bucket: str = "sandbox-project-artifacts"
    key_ring: str = "pipelines"
    crypto_key: str = "landing"
    service_account_id: str = "pipeline"
    pool: str = "aws-workloads"
    provider: str = "aws-main"
    training_image_name: str = "diagnostics-train:1"
    serving_image_name: str = "diagnostics-serve:1"

    aws_account: str = "210987654321"
    aws_region: str = "us-east-1"
    source_bucket: str = "sandbox-clinic-exports"
    source_queue: str = "sandbox-clinic-exports-events"
    workload_role: str = "pipeline-workload"
    transfer_role: str = "storage-transfer"
    operator_role: str = "sandbox-operator"
    instance_user: str = "instance"
    transfer_agent_subject: str = "108473629150284736195"

    @property
    def kms_key(self) -> str:
        """Full resource name of the customer's key, in the region where the artefacts are."""
        return f"projects/{self.project}/locations/{self.region}/keyRings/{self.key_ring}/cryptoKeys/{self.crypto_key}"

    @property
    def service_account(self) -> str:
        """E-mail of the account that the pipeline impersonates."""
        return f"{self.service_account_id}@{self.project}.iam.gserviceaccount.com"

    @property
    def pool_name(self) -> str:
        """Resource name of the workload identity pool, by project number as principals spell it."""
        return f"projects/{self.project_number}/locations/global/workloadIdentityPools/{self.pool}"

    @property
    def provider_name(self) -> str:
        """Resource name of the pool's AWS provider, by project number as audiences spell it."""
        return f"{self.pool_name}/providers/{self.provider}"

    @property
    def audience(self) -> str:
        """What a subject token is made out to: `//iam.googleapis.com/` and the provider's name."""
        return f"//iam.googleapis.com/{self.provider_name}"

    @property
    def storage_agent(self) -> str:
        """Service agent through which Cloud Storage uses keys."""
        return f"service-{self.project_number}@gs-project-accounts.iam.gserviceaccount.com"

    @property
    def transfer_agent(self) -> str:
        """Service agent through which Storage Transfer reads sources and writes sinks."""
        return f"project-{self.project_number}@storage-transfer-service.iam.gserviceaccount.com"

    @property
    def vertex_agent(self) -> str:
        """Service agent through which Vertex AI reads artefacts and uses keys."""
        return f"service-{self.project_number}@gcp-sa-aiplatform.iam.gserviceaccount.com"

    @property
    def training_image(self) -> str:
        """URI of the image that trains."""
        return f"{self._registry}/{self.training_image_name}"

    @property
    def serving_image(self) -> str:
        """URI of the image that serves."""
        return f"{self._registry}/{self.serving_image_name}"

    @property
    def workload_role_arn(self) -> str:
        """The role that the pipeline's machine wears in AWS."""
        return self.role_arn(self.workload_role)

    @property
    def assumed_workload_role_arn(self) -> str:
        """The workload role as GetCallerIdentity names it, without the session; what `attribute.aws_role` holds."""
        return f"arn:aws:sts::{self.aws_account}:assumed-role/{self.workload_role}"

    @property
    def transfer_role_arn(self) -> str:
        """The role that Storage Transfer assumes with its Google identity."""
        return self.role_arn(self.transfer_role)

    @property
    def source_queue_arn(self) -> str:
        """The SQS queue that may receive the source bucket's events."""
        return f"arn:aws:sqs:{self.aws_region}:{self.aws_account}:{self.source_queue}"

    @property
    def _registry(self) -> str:
        return f"{self.region}-docker.pkg.dev/{self.project}/models"

    def role_arn(self, name: str) -> str:
        """ARN of a role of this account."""
        return f"arn:aws:iam::{self.aws_account}:role/{name}"
