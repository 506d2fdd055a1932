"""The key with which the local Google signs ID tokens, and what AWS knows of it.

The private half belongs to the Google side (Storage Transfer signs with it when it assumes an AWS role); the AWS side
reads the public half as a JSON Web Key Set, as the real one fetches https://www.googleapis.com/oauth2/v3/certs.
"""

import dataclasses
import hashlib
import json
import os
from pathlib import Path

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

__all__ = ["GOOGLE_ISSUER", "IssuerKey", "ensure_issuer_key"]

GOOGLE_ISSUER = "https://accounts.google.com"


@dataclasses.dataclass(frozen=True)
class IssuerKey:
    """Where an issuer's key pair lies: the private PEM (mode 600), the public key set, and the key's id."""

    private: Path
    key_set: Path
    key_id: str


def ensure_issuer_key(directory: Path) -> IssuerKey:
    """Find the key pair in a directory, or make it there; a restart keeps it, so that tokens outlive it."""
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    private, key_set = directory / "google-issuer.pem", directory / "google-issuer.jwks.json"
    if not (private.exists() and key_set.exists()):
        _create(private, key_set)
    return IssuerKey(private, key_set, json.loads(key_set.read_text())["keys"][0]["kid"])


def _create(private: Path, key_set: Path) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key()))
    key_id = hashlib.sha256(public["n"].encode()).hexdigest()[:40]
    with os.fdopen(os.open(private, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(pem)
    key_set.write_text(json.dumps({"keys": [{**public, "kid": key_id, "alg": "RS256", "use": "sig"}]}))
