"""Customer-managed keys on buckets and objects: which version protects a write, and whether a read may have it.

Cloud Storage uses keys through its service agent, never as the caller
(https://cloud.google.com/storage/docs/encryption/customer-managed-keys). The refusals are those of
https://cloud.google.com/storage/docs/json_api/v1/status-codes.
"""

import re
from typing import Literal

from wif_pipelines.sandbox.google.access.principal import service_account
from wif_pipelines.sandbox.google.errors import ApiError
from wif_pipelines.sandbox.google.kernel import Kernel
from wif_pipelines.sandbox.google.kms.keys import Keys, KeyUnusable

_KEY = re.compile(r"projects/[^/]+/locations/[^/]+/keyRings/[^/]+/cryptoKeys/[^/]+")
_DENIED = (
    "Permission denied on Cloud KMS key. Please ensure that your Cloud Storage service account has been authorized to "
    "use this key."
)


class Encryption:
    """Uses keys as Cloud Storage's service agent."""

    def __init__(self, kernel: Kernel, keys: Keys) -> None:
        self._agent = service_account(kernel.world.storage_agent)
        self._keys = keys

    def for_writing(self, key: str, location: str) -> str:
        """The version of `key` under which something in a bucket at `location` is written.

        Raises:
            ApiError: 400 for a malformed, missing, disabled or distant key, 403 when the agent may not use it.
        """
        if not _KEY.fullmatch(key):
            raise ApiError(400, f"Malformed Cloud KMS crypto key: {key}", reason="cloudKmsBadKey")
        if key.split("/")[3] != location.lower():
            text = (
                f"Cloud KMS key location not allowed: key {key} cannot protect a bucket in location {location}; the "
                "key must be in the same location."
            )
            raise ApiError(400, text, reason="cloudKmsKeyLocationNotAllowed")
        return self._use(key, "encrypt")

    def for_reading(self, version: str | None) -> None:
        """Let pass what is under no customer's key, or under one that can be used now.

        Raises:
            ApiError: as `for_writing`.
        """
        if version is not None:
            self._use(version, "decrypt")

    def _use(self, key: str, use: Literal["encrypt", "decrypt"]) -> str:
        try:
            return self._keys.require(key, self._agent, use)
        except KeyUnusable as error:
            name = error.key.partition("/cryptoKeyVersions/")[0]
            if error.reason == "denied":
                raise ApiError(403, _DENIED, reason="forbidden") from error
            if error.reason == "missing":
                side = "encryption" if use == "encrypt" else "decryption"
                reason = f"cloudKms{side.title()}KeyNotFound"
                raise ApiError(400, f"Cloud KMS {side} key {name} not found.", reason=reason) from error
            text = f"Cloud KMS key {name} is disabled, destroyed, or scheduled to be destroyed."
            raise ApiError(400, text, reason="cloudKmsDisabledKey") from error
