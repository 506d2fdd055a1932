"""Keys that Google holds: its own behind ID tokens, and one a service account for blobs and JWTs.

None of them ever leaves the directory of the local cloud, and no account has a key that a user could hold.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from wif_pipelines.sandbox.aws.endpoint import AwsEndpoint


class AccountKeys:
    """Signs for service accounts; a key is made when it is first needed, and kept in a file of mode 600.

    Args:
        directory: Where the accounts' keys are.
        aws: Names the key behind ID tokens, which AWS trusts too.
    """

    def __init__(self, directory: Path, aws: AwsEndpoint) -> None:
        self._directory = directory
        self._aws = aws

    def id_token(self, claims: Mapping[str, Any]) -> str:
        """An ID token of Google's over these claims."""
        key = self._aws.google_issuer_key.read_text()
        return jwt.encode(dict(claims), key, "RS256", headers={"kid": self._aws.google_issuer_key_id})

    def key_id(self, email: str) -> str:
        """The id of an account's key."""
        public = self._key(email).public_key()
        der = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        return hashlib.sha256(der).hexdigest()[:40]

    def public_key(self, email: str) -> bytes:
        """The public half of an account's key, as PEM."""
        public = self._key(email).public_key()
        return public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)

    def sign(self, email: str, payload: bytes) -> tuple[str, bytes]:
        """(key id, RSA-SHA256 signature), as for signed URLs."""
        return self.key_id(email), self._key(email).sign(payload, padding.PKCS1v15(), hashes.SHA256())

    def sign_jwt(self, email: str, claims: Mapping[str, Any]) -> tuple[str, str]:
        """(key id, signed JWT)."""
        key_id = self.key_id(email)
        return key_id, jwt.encode(dict(claims), self._key(email), "RS256", headers={"kid": key_id})

    def _key(self, email: str) -> rsa.RSAPrivateKey:
        path = self._directory / f"{email}.pem"
        if not path.exists():
            self._make(path)
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
        if not isinstance(key, rsa.RSAPrivateKey):
            raise TypeError(f"{path} holds no RSA key; delete it, and a new one is made.")
        return key

    def _make(self, path: Path) -> None:
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        pem = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        path.touch(mode=0o600)
        path.write_bytes(pem)
