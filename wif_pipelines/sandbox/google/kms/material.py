"""Key material: made here, kept sealed, and gone for good when its version is destroyed.

AES-256-GCM throughout, as Cloud KMS's GOOGLE_SYMMETRIC_ENCRYPTION (https://cloud.google.com/kms/docs/algorithms).
"""

import base64
import hashlib
import os
import secrets
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from wif_pipelines.sandbox.google.kms.names import version_name
from wif_pipelines.sandbox.google.store import Store

_NONCE = 12
_FINGERPRINT = 8
_NUMBER = 4


class Material:
    """The bytes behind key versions.

    Args:
        directory: Holds the root key, readable by its owner alone; made when it is not there.
        store: Holds the versions' own keys, sealed by the root key.
    """

    def __init__(self, directory: Path, store: Store) -> None:
        self._sealed = store.collection("kms.material")
        with store.lock:
            self._root = AESGCM(_root_key(directory))

    def make(self, version: str) -> None:
        """Generate and seal a new key for a version."""
        nonce = secrets.token_bytes(_NONCE)
        sealed = nonce + self._root.encrypt(nonce, AESGCM.generate_key(256), version.encode())
        self._sealed.put(version, {"sealed": base64.b64encode(sealed).decode()})

    def shred(self, version: str) -> None:
        """Drop a version's key; nothing that it encrypted can be read again."""
        self._sealed.delete(version)

    def encrypt(self, key: str, number: int, plaintext: bytes, associated: bytes) -> bytes:
        """Ciphertext that names the key and version that made it."""
        head = _fingerprint(key) + number.to_bytes(_NUMBER, "big")
        nonce = secrets.token_bytes(_NONCE)
        return head + nonce + self._open(version_name(key, number)).encrypt(nonce, plaintext, head + associated)

    def decrypt(self, key: str, number: int, ciphertext: bytes, associated: bytes) -> bytes | None:
        """The plaintext; None when the ciphertext or its associated data was changed, or is of another version."""
        head, nonce, body = (
            ciphertext[: _FINGERPRINT + _NUMBER],
            ciphertext[_FINGERPRINT + _NUMBER :][:_NONCE],
            ciphertext[_FINGERPRINT + _NUMBER + _NONCE :],
        )
        try:
            return self._open(version_name(key, number)).decrypt(nonce, body, head + associated)
        except (InvalidTag, ValueError):
            return None

    def _open(self, version: str) -> AESGCM:
        document = self._sealed.get(version)
        if document is None:
            raise RuntimeError(f"{version} has no key material")
        sealed = base64.b64decode(document["sealed"])
        return AESGCM(self._root.decrypt(sealed[:_NONCE], sealed[_NONCE:], version.encode()))


def version_of(key: str, ciphertext: bytes) -> int | None:
    """Number of the version that made a ciphertext; None when it is not of this key."""
    if len(ciphertext) < _FINGERPRINT + _NUMBER + _NONCE or not ciphertext.startswith(_fingerprint(key)):
        return None
    return int.from_bytes(ciphertext[_FINGERPRINT : _FINGERPRINT + _NUMBER], "big")


def _fingerprint(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()[:_FINGERPRINT]


def _root_key(directory: Path) -> bytes:
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / "root.key"
    if not path.exists():
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(AESGCM.generate_key(256))
    return path.read_bytes()
