"""What the service refuses before it begins: keys, accounts, places, names and labels that cannot be used."""

import re
from collections.abc import Mapping
from typing import Any

from wif_pipelines.sandbox.google.access.policies import ancestors
from wif_pipelines.sandbox.google.access.principal import Principal, service_account
from wif_pipelines.sandbox.google.aiplatform.names import Name
from wif_pipelines.sandbox.google.call import Call
from wif_pipelines.sandbox.google.errors import ApiError, bad_request, failed_precondition
from wif_pipelines.sandbox.google.kernel import Kernel
from wif_pipelines.sandbox.google.kms.keys import Keys, KeyUnusable
from wif_pipelines.sandbox.google.storage.objects import Objects

_LABEL = re.compile(r"[\w-]{0,64}")
_MACHINE = re.compile(r"(?:[a-z]\d[a-z]?|ct\dl?p?|cloud-tpu)(?:-[a-z0-9]+)*")


class Checks:
    """Asks the other services what Vertex AI asks them."""

    def __init__(self, kernel: Kernel, keys: Keys, objects: Objects) -> None:
        self._world = kernel.world
        self._keys = keys
        self._objects = objects

    @property
    def agent(self) -> Principal:
        """The service agent through which Vertex AI uses keys and reads artefacts."""
        return service_account(self._world.vertex_agent)

    @property
    def code_agent(self) -> str:
        """E-mail of the account that containers run as when nobody names another.

        https://cloud.google.com/vertex-ai/docs/general/access-control#service-agents
        """
        return self._world.vertex_agent.replace("gcp-sa-aiplatform", "gcp-sa-aiplatform-cc")

    def encrypted(self, resource: Mapping[str, Any], region: str) -> str | None:
        """The version of the customer's key under which a new resource is written; None without a key.

        Raises:
            ApiError: 400, when the key cannot be used, or is in another region.
        """
        key = resource.get("encryptionSpec", {}).get("kmsKeyName", "")
        if not key:
            return None
        try:
            location = self._keys.location(key)
            if location != region:
                told = f"The CryptoKey is in location `{location}`; it must be in the resource's location `{region}`."
                raise ApiError(400, f"Provided CryptoKey `{key}` cannot be used in Vertex AI service. {told}")
            return self._keys.require(key, self.agent, "encrypt")
        except KeyUnusable:
            raise self._unusable(key) from None

    def readable(self, version: str | None) -> None:
        """Refuse what is encrypted under a version of a key that cannot be used now.

        Raises:
            ApiError: 400 FAILED_PRECONDITION.
        """
        if version is None:
            return
        try:
            self._keys.require(version, self.agent, "decrypt")
        except KeyUnusable:
            raise self._unusable(version.partition("/cryptoKeyVersions/")[0]) from None

    def act_as(self, call: Call, email: str) -> None:
        """Refuse a caller who may not let something run as a service account.

        Raises:
            ApiError: 403.
        """
        if email:
            project = email.partition("@")[2].removesuffix(".iam.gserviceaccount.com")
            resource = f"projects/{project}/serviceAccounts/{email}"
            call.require("iam.serviceAccounts.actAs", *ancestors(resource))

    def output(self, uri: str, region: str) -> None:
        """Refuse an output directory in a bucket that is not in the region.

        Raises:
            ApiError: 400.
        """
        bucket = self._objects.bucket(_bucket_of(uri))
        if bucket is None:
            raise failed_precondition(f"The Cloud Storage bucket of `{uri}` does not exist.")
        location = str(bucket["location"]).lower()
        if location != region:
            told = f"It must be in the same regional location as the service location `{region}`."
            raise failed_precondition(f"The Cloud Storage bucket of `{uri}` is in location `{location}`. {told}")

    def artifacts(self, uri: str, reader: Principal) -> None:
        """Refuse a model's directory that `reader` cannot read, or that holds nothing.

        Raises:
            ApiError: 400.
        """
        bucket, _, path = uri.removeprefix("gs://").partition("/")
        _bucket_of(uri)
        for permission in ("storage.objects.list", "storage.objects.get"):
            if self._objects.bucket(bucket) is None or not self._objects.allows(reader, permission, bucket):
                raise failed_precondition(
                    f"Service account `{reader.email}` does not have `[{permission}]` IAM permission(s) to the "
                    f"directory {uri} or the directory does not exist. Please grant the permission(s) to the account."
                )
        prefix = f"{path.rstrip('/')}/" if path.strip("/") else ""
        first = next(iter(self._objects.list(bucket, prefix, limit=1)), None)
        if first is None:
            raise failed_precondition(f'There are no files under "{uri}" to copy.')
        try:
            self._objects.read(first)
        except ApiError as error:
            raise failed_precondition(error.message) from None

    def _unusable(self, key: str) -> ApiError:
        return failed_precondition(
            f"Provided CryptoKey `{key}` cannot be used in Vertex AI service. Please make sure the CryptoKey is "
            f"enabled and Vertex AI service account `{self._world.vertex_agent}` has Encryption and Decryption access "
            "to the CryptoKey."
        )


def described(resource: Mapping[str, Any]) -> None:
    """Refuse a display name or labels of a form that the service does not take.

    Raises:
        ApiError: 400.
    """
    if "displayName" in resource and not 1 <= len(resource["displayName"]) <= 128:
        raise invalid("display_name", "The display name must have between 1 and 128 characters.")
    for key, value in resource.get("labels", {}).items():
        if not key or not key[0].isalpha() or not _is_label(key) or not _is_label(value):
            told = "Label keys and values can be no longer than 64 characters, can only contain lowercase letters, "
            raise invalid("labels", told + f"numeric characters, underscores and dashes: {key}={value}.")


def machine(spec: Mapping[str, Any]) -> None:
    """Refuse a machine type that cannot be one.

    Raises:
        ApiError: 400.
    """
    name = spec.get("machineType", "")
    if name and not _MACHINE.fullmatch(name):
        raise ApiError(400, f'Machine type "{name}" is not supported.')


def invalid(field: str, message: str) -> ApiError:
    """400, in the form in which the service lists its findings."""
    return bad_request(f"List of found errors:\t1.Field: {field}; Message: {message}\t", (field, message))


def absent(kind: str) -> ApiError:
    """404."""
    return ApiError(404, f"The {kind} does not exist.")


def same_region(name: Name, other: Name, field: str) -> None:
    """Refuse a reference to another region.

    Raises:
        ApiError: 400.
    """
    if name.region != other.region:
        raise invalid(field, f"The resource {other} is not in the location {name.region}.")


def _bucket_of(uri: str) -> str:
    scheme, _, rest = uri.partition("://")
    bucket = rest.partition("/")[0]
    if scheme != "gs" or not bucket:
        raise ApiError(400, f"Invalid Cloud Storage URI: {uri}. It must be of the form gs://bucket/path.")
    return bucket


def _is_label(text: str) -> bool:
    return bool(_LABEL.fullmatch(text)) and text == text.lower()
