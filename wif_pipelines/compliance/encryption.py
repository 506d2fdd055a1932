"""Customer-managed keys: that the key can encrypt now, and that what is written will be written under it.

https://cloud.google.com/kms/docs/key-states, https://cloud.google.com/storage/docs/encryption/using-customer-managed-keys
"""

from collections.abc import Sequence
from dataclasses import dataclass

from wif_pipelines.compliance.cloud import Cloud, KeyState
from wif_pipelines.compliance.key_name import KeyName
from wif_pipelines.compliance.policy import Finding, unreadable
from wif_pipelines.errors import AccessDeniedError, NotFoundError

_VIEWER = (
    "gcloud kms keys add-iam-policy-binding {key} {options} --role roles/cloudkms.viewer --member CALLER\n"
    "CALLER is whom this identity becomes. It only looks; encrypting is done by the service agents of Cloud Storage "
    "(service-NUMBER@gs-project-accounts.iam.gserviceaccount.com) and Vertex AI "
    "(service-NUMBER@gcp-sa-aiplatform.iam.gserviceaccount.com), which need roles/cloudkms.cryptoKeyEncrypterDecrypter."
)
_VERSION = "gcloud kms keys versions {verb} {version} --key {key} {options}"
_NEW_VERSION = "gcloud kms keys versions create --primary --key {key} {options}"


@dataclass(frozen=True)
class KmsKeyUsable:
    """The key exists, is symmetric, and its primary version is enabled.

    Whether the service agents may use it is not asked here: the caller may not be allowed to know.

    Attributes:
        key: The key's full name.
    """

    key: KeyName

    def examine(self, cloud: Cloud) -> Sequence[Finding]:
        """One finding at most."""
        try:
            state = cloud.key(self.key)
        except NotFoundError:
            return [self._finding("key-missing", f"There is no key {self.key}.", _CREATE)]
        except AccessDeniedError as error:
            return [unreadable("key-unreadable", f"the key {self.key}", error, self._fill(_VIEWER))]
        if state.purpose != "ENCRYPT_DECRYPT":
            text = f"The key {self.key} is for {state.purpose}; customer-managed encryption takes ENCRYPT_DECRYPT."
            return [self._finding("key-purpose", text, "A key keeps its purpose, so make another:\n" + _CREATE)]
        if state.primary_state != "ENABLED":
            return [self._unusable(state)]
        return []

    def _unusable(self, state: KeyState) -> Finding:
        if not state.primary:
            return self._finding("key-without-primary", f"The key {self.key} has no primary version.", _NEW_VERSION)
        version = f"The primary version {state.primary} of the key {self.key}"
        if state.primary_state == "DISABLED":
            text = f"{version} is disabled: nothing can be written under it, and what was is out of reach."
            return self._finding("key-disabled", text, _VERSION, verb="enable", version=state.primary)
        if state.primary_state == "DESTROY_SCHEDULED":
            text = f"{version} is about to be destroyed, and everything under it with it."
            remedy = _VERSION + "\n" + _VERSION.replace("{verb}", "enable")
            return self._finding("key-destroy-scheduled", text, remedy, verb="restore", version=state.primary)
        if state.primary_state == "DESTROYED":
            text = f"{version} is destroyed: what was written under it is lost for good."
            return self._finding("key-destroyed", text, "For what is written from now on:\n" + _NEW_VERSION)
        text = f"{version} is {state.primary_state}, not ENABLED."
        return self._finding("key-not-enabled", text, "Look: gcloud kms keys versions list --key {key} {options}")

    def _finding(self, code: str, message: str, remedy: str, **values: str) -> Finding:
        return Finding(code, str(self.key), message, self._fill(remedy, **values))

    def _fill(self, template: str, **values: str) -> str:
        return template.format(key=self.key.key, ring=self.key.ring, options=self.key.options, **values)


@dataclass(frozen=True)
class BucketDefaultKey:
    """What is written into the bucket without naming a key gets this one.

    Storage Transfer Service cannot name a key, so this is what encrypts its copies.

    Attributes:
        bucket: The bucket's name.
        key: The key's full name.
    """

    bucket: str
    key: KeyName

    def examine(self, cloud: Cloud) -> Sequence[Finding]:
        """One finding at most."""
        command = f"gcloud storage buckets update gs://{self.bucket} --default-encryption-key={self.key}"
        try:
            found = cloud.bucket(self.bucket).default_key
        except NotFoundError:
            return [missing_bucket(self.bucket, self.key.location)]
        except AccessDeniedError as error:
            return [unreadable("bucket-unreadable", f"gs://{self.bucket}", error, look_at_bucket(self.bucket))]
        if not found:
            text = f"gs://{self.bucket} has no default key: Google's own would encrypt objects instead of {self.key}."
            return [Finding("bucket-without-key", self.bucket, text, command)]
        if found.partition("/cryptoKeyVersions/")[0] != str(self.key):
            text = f"gs://{self.bucket} encrypts with {found} by default, not with {self.key}."
            return [Finding("bucket-other-key", self.bucket, text, command)]
        return []


def missing_bucket(bucket: str, region: str) -> Finding:
    """There is no such bucket, or it is hidden from us."""
    return Finding(
        "bucket-missing",
        bucket,
        f"There is no bucket gs://{bucket}.",
        f"gcloud storage buckets create gs://{bucket} --location={region} --uniform-bucket-level-access",
    )


def look_at_bucket(bucket: str) -> str:
    """How to be allowed to read a bucket's configuration."""
    return (
        f"gcloud storage buckets add-iam-policy-binding gs://{bucket} "
        "--member=CALLER --role=roles/storage.bucketViewer\n"
        "CALLER is whom this identity becomes; it needs storage.buckets.get."
    )


_CREATE = "gcloud kms keys create {key} {options} --purpose encryption --rotation-period 90d --next-rotation-time +p90d"
