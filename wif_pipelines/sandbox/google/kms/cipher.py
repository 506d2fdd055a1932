"""Encrypt and decrypt, with the checksums that guard both ways.

https://cloud.google.com/kms/docs/reference/rest/v1/projects.locations.keyRings.cryptoKeys/encrypt and …/decrypt.
"""

import base64
from typing import Any, cast

import google_crc32c

from wif_pipelines.sandbox.google.call import Call, Handlers
from wif_pipelines.sandbox.google.errors import ApiError, bad_request, error_info
from wif_pipelines.sandbox.google.kms.calls import Calls, Document, chain
from wif_pipelines.sandbox.google.kms.keys import PERMISSIONS, KeyUnusable, Use
from wif_pipelines.sandbox.google.kms.material import version_of
from wif_pipelines.sandbox.google.kms.names import version_name

_LARGEST = 64 * 1024
_CODES = {"NOT_FOUND": 404, "PERMISSION_DENIED": 403, "FAILED_PRECONDITION": 400}


class Cipher:
    """Serves the use of symmetric keys; each use is audited by `Keys`."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._material = calls.vault.material

    def handlers(self) -> Handlers:
        """By method id."""
        keys = "cloudkms.projects.locations.keyRings.cryptoKeys"
        return {
            f"{keys}.encrypt": self._calls.reads(self._encrypt),
            f"{keys}.decrypt": self._calls.reads(self._decrypt),
        }

    def _encrypt(self, call: Call) -> Document:
        plaintext, associated = _guarded(call, "plaintext"), _guarded(call, "additionalAuthenticatedData")
        version = self._usable(call, self._calls.name(call), "encrypt")
        key, _, number = version.partition("/cryptoKeyVersions/")
        ciphertext = self._material.encrypt(key, int(number), plaintext, associated)
        answer: Document = {
            "name": version,
            "ciphertext": base64.b64encode(ciphertext).decode(),
            "ciphertextCrc32c": _crc32c(ciphertext),
            "protectionLevel": self._level(version),
        }
        if "plaintextCrc32c" in call.body:
            answer["verifiedPlaintextCrc32c"] = True
        if "additionalAuthenticatedDataCrc32c" in call.body:
            answer["verifiedAdditionalAuthenticatedDataCrc32c"] = True
        return answer

    def _decrypt(self, call: Call) -> Document:
        ciphertext, associated = _guarded(call, "ciphertext"), _guarded(call, "additionalAuthenticatedData")
        key = self._calls.name(call)
        number = version_of(key, ciphertext)
        if number is None:
            self._usable(call, key, "decrypt")
            raise bad_request("Decryption failed: verify that 'name' refers to the correct CryptoKey.")
        version = self._usable(call, version_name(key, number), "decrypt")
        plaintext = self._material.decrypt(key, number, ciphertext, associated)
        if plaintext is None:
            raise bad_request("Decryption failed: the ciphertext is invalid.")
        primary = self._calls.key(key).get("primary", {}).get("name")
        return {
            "plaintext": base64.b64encode(plaintext).decode(),
            "plaintextCrc32c": _crc32c(plaintext),
            "usedPrimary": primary == version,
            "protectionLevel": self._level(version),
        }

    def _usable(self, call: Call, name: str, use: Use) -> str:
        try:
            return self._calls.keys.require(name, call.principal, use)
        except KeyUnusable as error:
            if error.reason == "missing":  # who may not use the key is not told that it is missing
                call.require(PERMISSIONS[use], *chain(name))
            raise _translated(error, use) from None

    def _level(self, version: str) -> str:
        name = self._calls.keys.parse(version)
        return cast("str", self._calls.version(name)["protectionLevel"]) if name else "SOFTWARE"


def _translated(error: KeyUnusable, use: Use) -> ApiError:
    details: list[dict[str, Any]] = []
    if error.reason == "denied":
        details = [
            error_info("IAM_PERMISSION_DENIED", "iam.googleapis.com", permission=PERMISSIONS[use], resource=error.key)
        ]
    return ApiError(_CODES[error.status], error.message, status=error.status, details=details)


def _guarded(call: Call, field: str) -> bytes:
    """A field's bytes, checked against the checksum that the caller sent with it.

    Raises:
        ApiError: 400, when it is too large or the checksum is another.
    """
    text = call.body.get(field, "").replace("-", "+").replace("_", "/")
    value = base64.b64decode(text + "=" * (-len(text) % 4))
    if field != "ciphertext" and len(value) > _LARGEST:
        shown = "plaintext" if field == "plaintext" else "additional_authenticated_data"
        raise bad_request(f"The {shown} must be no larger than 64KiB.", (shown, f"It has {len(value)} bytes."))
    expected = call.body.get(f"{field}Crc32c")
    if expected is not None and expected != _crc32c(value):
        raise bad_request(f"The checksum in field {field}_crc32c did not match the data in field {field}.")
    return value


def _crc32c(value: bytes) -> str:
    return str(google_crc32c.value(value))
