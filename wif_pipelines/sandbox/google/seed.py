"""What stands in the local Google Cloud from the start; nothing that is already there is touched."""

from wif_pipelines.sandbox.google.iam.accounts import Accounts
from wif_pipelines.sandbox.google.iam.names import account_name
from wif_pipelines.sandbox.google.iam.pools import Pools
from wif_pipelines.sandbox.google.kernel import Kernel
from wif_pipelines.sandbox.google.kms.keys import Keys
from wif_pipelines.sandbox.google.storage.buckets import Buckets
from wif_pipelines.sandbox.google.sts.mapping import DEFAULT_AWS_MAPPING
from wif_pipelines.sandbox.world import World

OPERATOR_PROVIDER = "aws-operator"
"""The pool's provider that takes the AWS operator's sessions."""
ADMINISTRATOR = "admin"
"""The service account that owns the project; the AWS operator may become it."""

_KEY_USER = "roles/cloudkms.cryptoKeyEncrypterDecrypter"
_PROJECT_ROLES = (
    "roles/aiplatform.user",
    "roles/storagetransfer.user",
    "roles/cloudkms.viewer",
    "roles/serviceusage.serviceUsageConsumer",
    "roles/logging.viewer",
    "roles/logging.privateLogViewer",
)
_BUCKET_ROLES = ("roles/storage.objectAdmin", "roles/storage.legacyBucketReader")


def seed_identity(kernel: Kernel, pools: Pools, accounts: Accounts) -> None:
    """The project, the pool that trusts AWS, and two service accounts: the pipeline's and the administrator's.

    Written once, with the project: a grant that was taken away since stays away.
    """
    world = kernel.world
    projects = kernel.store.collection("resourcemanager.projects")
    with kernel.store.transaction():
        if projects.get(world.project):
            return
        created = kernel.clock.now()
        projects.put(world.project, {"displayName": "Sandbox project", "createTime": created, "updateTime": created})
        pools.create(world.pool_name, {"displayName": "AWS workloads"})
        for provider, role in ((world.provider, world.workload_role), (OPERATOR_PROVIDER, world.operator_role)):
            pools.create(f"{world.pool_name}/providers/{provider}", _aws_provider(world, role))
        _seed_pipeline_account(kernel, accounts)
        admin = _seed_account(kernel, accounts, ADMINISTRATOR, "Administrator", world.operator_role)
        kernel.policies.bind(f"projects/{world.project}", "roles/owner", f"serviceAccount:{admin}")


def _aws_provider(world: World, role: str) -> dict[str, object]:
    session = f"arn:aws:sts::{world.aws_account}:assumed-role/{role}/"
    return {
        "displayName": role,
        "aws": {"accountId": world.aws_account},
        "attributeMapping": DEFAULT_AWS_MAPPING,
        "attributeCondition": f"assertion.arn.startsWith('{session}')",
    }


def _seed_pipeline_account(kernel: Kernel, accounts: Accounts) -> None:
    world = kernel.world
    email = _seed_account(kernel, accounts, world.service_account_id, "Pipeline", world.workload_role)
    member = f"serviceAccount:{email}"
    for role in _PROJECT_ROLES:
        kernel.policies.bind(f"projects/{world.project}", role, member)
    for bucket in (world.landing_bucket, world.artifact_bucket):
        for role in _BUCKET_ROLES:
            kernel.policies.bind(f"buckets/{bucket}", role, member)
    # Vertex AI runs a job as an account only for those who may act as it, and that holds for one's own account too.
    kernel.policies.bind(account_name(world.project, email), "roles/iam.serviceAccountUser", member)


def _seed_account(kernel: Kernel, accounts: Accounts, account_id: str, title: str, aws_role: str) -> str:
    """A service account that sessions of an AWS role may become; returns its e-mail."""
    world = kernel.world
    account = accounts.create(world.project, account_id, displayName=title)
    session = f"arn:aws:sts::{world.aws_account}:assumed-role/{aws_role}"
    sessions = f"principalSet://iam.googleapis.com/{world.pool_name}/attribute.aws_role/{session}"
    kernel.policies.bind(account["name"], "roles/iam.workloadIdentityUser", sessions)
    return str(account["email"])


def seed_keys(kernel: Kernel, keys: Keys) -> None:
    """The customer's key, rotated every 90 days, for the service agents of Cloud Storage and Vertex AI to use.

    Its policy is written once, with the key: a grant that was taken away since stays away.
    """
    world = kernel.world
    with kernel.store.transaction():
        if keys.ensure(world.kms_key, rotation_days=90):
            agents = (f"serviceAccount:{world.storage_agent}", f"serviceAccount:{world.vertex_agent}")
            kernel.policies.bind(world.kms_key, _KEY_USER, *agents)


def seed_buckets(kernel: Kernel, buckets: Buckets) -> None:
    """The landing and the artefact bucket, in the project's region, under the customer's key, with uniform access."""
    world = kernel.world
    for name in (world.landing_bucket, world.artifact_bucket):
        buckets.ensure(
            name,
            location=world.region,
            encryption={"defaultKmsKeyName": world.kms_key},
            iamConfiguration={"uniformBucketLevelAccess": {"enabled": True}, "publicAccessPrevention": "enforced"},
        )


def seed_transfer(kernel: Kernel) -> None:
    """Let Storage Transfer's account write the landing bucket, and read manifests in it.

    Written once: a grant that was taken away since stays away. The roles are those of
    https://cloud.google.com/storage-transfer/docs/sink-cloud-storage.
    """
    world, written = kernel.world, kernel.store.collection("seeded")
    with kernel.store.transaction():
        if written.get("storagetransfer"):
            return
        for role in _BUCKET_ROLES:
            kernel.policies.bind(f"buckets/{world.landing_bucket}", role, f"serviceAccount:{world.transfer_agent}")
        written.put("storagetransfer", {"at": kernel.clock.now()})
