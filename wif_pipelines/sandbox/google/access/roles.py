"""What each role grants: the predefined roles that this project hands out, and a project's custom roles.

The permissions are excerpts of https://cloud.google.com/iam/docs/roles-permissions: those that a method of the sandbox
asks for. A role that is not listed grants nothing, as a role of a service that is not here would.
"""

from wif_pipelines.sandbox.google.store import Store

_OBJECT_READ = {"storage.objects.get", "storage.objects.list"}
_OBJECT_WRITE = {"storage.objects.create", "storage.objects.delete", "storage.objects.update"}
_UPLOADS = {
    "storage.multipartUploads.create",
    "storage.multipartUploads.abort",
    "storage.multipartUploads.list",
    "storage.multipartUploads.listParts",
}
_BUCKET_ADMIN = {
    "storage.buckets.create",
    "storage.buckets.delete",
    "storage.buckets.get",
    "storage.buckets.getIamPolicy",
    "storage.buckets.list",
    "storage.buckets.setIamPolicy",
    "storage.buckets.update",
}
_KEY_VIEW = {
    "cloudkms.locations.get",
    "cloudkms.locations.list",
    "cloudkms.keyRings.get",
    "cloudkms.keyRings.list",
    "cloudkms.cryptoKeys.get",
    "cloudkms.cryptoKeys.list",
    "cloudkms.cryptoKeyVersions.get",
    "cloudkms.cryptoKeyVersions.list",
}
_KEY_ADMIN = _KEY_VIEW | {
    "cloudkms.keyRings.create",
    "cloudkms.keyRings.getIamPolicy",
    "cloudkms.keyRings.setIamPolicy",
    "cloudkms.cryptoKeys.create",
    "cloudkms.cryptoKeys.update",
    "cloudkms.cryptoKeys.getIamPolicy",
    "cloudkms.cryptoKeys.setIamPolicy",
    "cloudkms.cryptoKeyVersions.create",
    "cloudkms.cryptoKeyVersions.update",
    "cloudkms.cryptoKeyVersions.destroy",
    "cloudkms.cryptoKeyVersions.restore",
}
_TRANSFER_USE = {
    "storagetransfer.jobs.create",
    "storagetransfer.jobs.delete",
    "storagetransfer.jobs.get",
    "storagetransfer.jobs.list",
    "storagetransfer.jobs.run",
    "storagetransfer.jobs.update",
    "storagetransfer.operations.get",
    "storagetransfer.operations.list",
    "storagetransfer.operations.pause",
    "storagetransfer.operations.resume",
    "storagetransfer.operations.cancel",
    "storagetransfer.projects.getServiceAccount",
}
_VERTEX_USE = {
    f"aiplatform.{resource}.{verb}"
    for resource, verbs in {
        "customJobs": "create get list cancel delete",
        "models": "upload get list update delete export",
        "modelVersions": "get list edit delete",
        "endpoints": "create get list update delete deploy undeploy predict explain",
        "batchPredictionJobs": "create get list cancel delete",
        "trainingPipelines": "create get list cancel delete",
        "hyperparameterTuningJobs": "create get list cancel delete",
        "modelEvaluations": "import get list",
        "operations": "list",
        "locations": "get list",
        "metadataStores": "create get list",
        "tensorboards": "create get list",
    }.items()
    for verb in verbs.split()
}
_SERVICE_ACCOUNT_ADMIN = {
    f"iam.serviceAccounts.{verb}"
    for verb in [
        "create",
        "get",
        "list",
        "update",
        "delete",
        "undelete",
        "enable",
        "disable",
        "getIamPolicy",
        "setIamPolicy",
    ]
}
_KEYS_OF_ACCOUNTS = {f"iam.serviceAccountKeys.{verb}" for verb in ["create", "get", "list", "delete"]}
_POOL_VIEW = {
    f"iam.{resource}.{verb}"
    for resource in ("workloadIdentityPools", "workloadIdentityPoolProviders")
    for verb in ("get", "list")
}
_POOL_ADMIN = _POOL_VIEW | {
    f"iam.{resource}.{verb}"
    for resource in ("workloadIdentityPools", "workloadIdentityPoolProviders", "workloadIdentityPoolProviderKeys")
    for verb in ("create", "update", "delete", "undelete")
}
_CUSTOM_ROLES = {f"iam.roles.{verb}" for verb in ("create", "get", "list", "update", "delete", "undelete")}
_PROJECT_POLICY = {"resourcemanager.projects.getIamPolicy", "resourcemanager.projects.setIamPolicy"}
_PROJECT_VIEW = {"resourcemanager.projects.get"}
_SERVICE_VIEW = {"serviceusage.services.get", "serviceusage.services.list"}
_LOGS_VIEW = {"logging.logEntries.list", "logging.logs.list"}
_DATA_LOGS_VIEW = _LOGS_VIEW | {"logging.privateLogEntries.list"}

_PREDEFINED: dict[str, frozenset[str]] = {
    role: frozenset(permissions)
    for role, permissions in {
        "roles/storage.objectViewer": _OBJECT_READ,
        "roles/storage.objectCreator": {"storage.objects.create"} | _UPLOADS,
        "roles/storage.objectUser": _OBJECT_READ | _OBJECT_WRITE | _UPLOADS,
        "roles/storage.objectAdmin": _OBJECT_READ | _OBJECT_WRITE | _UPLOADS,
        "roles/storage.legacyBucketReader": {"storage.buckets.get", "storage.objects.list"},
        "roles/storage.legacyBucketWriter": {
            "storage.buckets.get",
            "storage.objects.list",
            "storage.objects.create",
            "storage.objects.delete",
        }
        | _UPLOADS,
        "roles/storage.bucketViewer": {"storage.buckets.get", "storage.buckets.list"},
        "roles/storage.admin": _OBJECT_READ | _OBJECT_WRITE | _UPLOADS | _BUCKET_ADMIN,
        "roles/cloudkms.cryptoKeyEncrypterDecrypter": {
            "cloudkms.cryptoKeyVersions.useToEncrypt",
            "cloudkms.cryptoKeyVersions.useToDecrypt",
        },
        "roles/cloudkms.viewer": _KEY_VIEW,
        "roles/cloudkms.admin": _KEY_ADMIN,
        "roles/storagetransfer.user": _TRANSFER_USE | _PROJECT_VIEW,
        "roles/storagetransfer.admin": _TRANSFER_USE | _PROJECT_VIEW,
        "roles/storagetransfer.viewer": {
            p for p in _TRANSFER_USE if p.endswith((".get", ".list", ".getServiceAccount"))
        },
        "roles/aiplatform.user": _VERTEX_USE | _PROJECT_VIEW,
        "roles/aiplatform.admin": _VERTEX_USE | _PROJECT_VIEW,
        "roles/aiplatform.serviceAgent": _OBJECT_READ | _OBJECT_WRITE | {"storage.buckets.get"},
        "roles/aiplatform.customCodeServiceAgent": _OBJECT_READ
        | _OBJECT_WRITE
        | _UPLOADS
        | {"storage.buckets.get", "storage.buckets.list"},
        "roles/aiplatform.viewer": {p for p in _VERTEX_USE if p.endswith((".get", ".list"))},
        "roles/iam.serviceAccountUser": {
            "iam.serviceAccounts.actAs",
            "iam.serviceAccounts.get",
            "iam.serviceAccounts.list",
        },
        "roles/iam.serviceAccountTokenCreator": {
            "iam.serviceAccounts.getAccessToken",
            "iam.serviceAccounts.getOpenIdToken",
            "iam.serviceAccounts.signBlob",
            "iam.serviceAccounts.signJwt",
            "iam.serviceAccounts.implicitDelegation",
        },
        "roles/iam.workloadIdentityUser": {"iam.serviceAccounts.getAccessToken", "iam.serviceAccounts.getOpenIdToken"},
        "roles/iam.serviceAccountAdmin": _SERVICE_ACCOUNT_ADMIN,
        "roles/iam.serviceAccountKeyAdmin": _KEYS_OF_ACCOUNTS,
        "roles/iam.workloadIdentityPoolAdmin": _POOL_ADMIN,
        "roles/iam.workloadIdentityPoolViewer": _POOL_VIEW,
        "roles/iam.roleAdmin": _CUSTOM_ROLES,
        "roles/iam.roleViewer": {"iam.roles.get", "iam.roles.list"},
        "roles/iam.securityReviewer": _POOL_VIEW
        | {
            "iam.serviceAccounts.get",
            "iam.serviceAccounts.list",
            "iam.serviceAccounts.getIamPolicy",
            "iam.serviceAccountKeys.list",
            "resourcemanager.projects.getIamPolicy",
            "storage.buckets.getIamPolicy",
            "cloudkms.cryptoKeys.getIamPolicy",
        },
        "roles/logging.viewer": _LOGS_VIEW,
        "roles/logging.privateLogViewer": _DATA_LOGS_VIEW,
        "roles/logging.logWriter": {"logging.logEntries.create"},
        "roles/serviceusage.serviceUsageConsumer": {"serviceusage.services.use", *_SERVICE_VIEW},
        "roles/serviceusage.serviceUsageViewer": _SERVICE_VIEW,
        "roles/serviceusage.serviceUsageAdmin": {
            "serviceusage.services.use",
            "serviceusage.services.enable",
            "serviceusage.services.disable",
            *_SERVICE_VIEW,
        },
        "roles/resourcemanager.projectIamAdmin": _PROJECT_POLICY | _PROJECT_VIEW,
        "roles/browser": _PROJECT_VIEW,
        "roles/artifactregistry.reader": {"artifactregistry.repositories.downloadArtifacts"},
    }.items()
}
_EDIT = frozenset().union(*_PREDEFINED.values()) - {
    p for p in frozenset().union(*_PREDEFINED.values()) if "IamPolicy" in p
}
_BASIC = {
    "roles/owner": frozenset().union(*_PREDEFINED.values()) - {"cloudkms.cryptoKeyVersions.useToEncrypt"},
    "roles/editor": _EDIT,
    "roles/viewer": frozenset(p for p in _EDIT if p.rpartition(".")[2] in {"get", "list"}),
}


def predefined_roles() -> dict[str, frozenset[str]]:
    """Every role of Google's own that is known here, with its permissions."""
    return _PREDEFINED | _BASIC


def permissions_of(role: str, store: Store) -> frozenset[str]:
    """What a role grants; a custom role (`projects/p/roles/r`) is read from the store; nothing when it is unknown."""
    if role.startswith("roles/"):
        return _PREDEFINED.get(role) or _BASIC.get(role, frozenset())
    custom = store.collection("iam.roles").get(role)
    return frozenset(custom.get("includedPermissions", ())) if custom and not custom.get("deleted") else frozenset()
