"""What the tests of Cloud Storage share: clients, buckets of their own, and keys that can be switched off."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from google.auth.transport.requests import AuthorizedSession
from google.cloud import storage

from wif_pipelines.sandbox.world import World

KMS = "https://cloudkms.googleapis.com/v1"
STORAGE = "https://storage.googleapis.com"


@contextmanager
def client(credentials: Any, world: World) -> Iterator[storage.Client]:
    """A client that is closed at the end."""
    opened = storage.Client(project=world.project, credentials=credentials)
    try:
        yield opened
    finally:
        opened.close()


def new_bucket(owner: storage.Client, world: World, **properties: Any) -> storage.Bucket:
    """An empty bucket in the project's region, under no key unless one is named."""
    bucket = storage.Bucket(owner, f"test-{uuid.uuid4().hex[:16]}")
    bucket.iam_configuration.uniform_bucket_level_access_enabled = True
    for name, value in properties.items():
        setattr(bucket, name, value)
    return owner.create_bucket(bucket, location=world.region)


class Key:
    """A key of its own in the project's ring, which Cloud Storage may use."""

    def __init__(self, http: AuthorizedSession, world: World, *, location: str = "", granted: bool = True) -> None:
        ring = world.kms_key.rpartition("/cryptoKeys/")[0]
        if location:
            ring = f"projects/{world.project}/locations/{location}/keyRings/r{uuid.uuid4().hex[:8]}"
            parent, _, name = ring.rpartition("/keyRings/")
            http.post(f"{KMS}/{parent}/keyRings?keyRingId={name}", json={}).raise_for_status()
        self._http = http
        identity = f"k{uuid.uuid4().hex[:8]}"
        body = {"purpose": "ENCRYPT_DECRYPT"}
        http.post(f"{KMS}/{ring}/cryptoKeys?cryptoKeyId={identity}", json=body).raise_for_status()
        self.name = f"{ring}/cryptoKeys/{identity}"
        if granted:
            role = "roles/cloudkms.cryptoKeyEncrypterDecrypter"
            policy = {"bindings": [{"role": role, "members": [f"serviceAccount:{world.storage_agent}"]}]}
            http.post(f"{KMS}/{self.name}:setIamPolicy", json={"policy": policy}).raise_for_status()

    @property
    def version(self) -> str:
        return f"{self.name}/cryptoKeyVersions/1"

    def set_state(self, state: str) -> None:
        """`ENABLED` or `DISABLED`."""
        self._http.patch(f"{KMS}/{self.version}?updateMask=state", json={"state": state}).raise_for_status()
