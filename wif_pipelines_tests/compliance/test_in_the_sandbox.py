"""Policies against the local cloud: keys and buckets that an administrator made and spoiled, seen by the pipeline."""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from wif_pipelines import identity
from wif_pipelines.compliance import (
    BucketDefaultKey,
    BucketInRegion,
    Cloud,
    KeyInRegion,
    KeyName,
    KmsKeyUsable,
    check,
    examine,
)
from wif_pipelines.errors import ComplianceError
from wif_pipelines.identity import WorkloadIdentity, clients
from wif_pipelines.sandbox.google.seed import ADMINISTRATOR, OPERATOR_PROVIDER
from wif_pipelines.sandbox.lifecycle import Sandbox


@dataclass
class Place:
    """The sandbox, with an administrator to change it and the pipeline to look at it."""

    sandbox: Sandbox
    kms: Any
    storage: Any
    pipeline: Any

    @property
    def cloud(self) -> Cloud:
        return Cloud(self.pipeline, self.sandbox.world.project)

    def new_key(self, location: str | None = None) -> KeyName:
        world = self.sandbox.world
        seeded = KeyName.parse(world.kms_key)
        name = KeyName(seeded.project, location or world.region, f"ring-{uuid.uuid4().hex[:8]}", "key")
        parent = f"projects/{name.project}/locations/{name.location}"
        self.kms.create_key_ring(parent=parent, key_ring_id=name.ring, key_ring={})
        key = {"purpose": "ENCRYPT_DECRYPT"}
        self.kms.create_crypto_key(parent=f"{parent}/keyRings/{name.ring}", crypto_key_id=name.key, crypto_key=key)
        return name

    def new_bucket(self, location: str, key: KeyName | None = None) -> str:
        bucket = self.storage.bucket(f"compliance-{uuid.uuid4().hex[:8]}")
        bucket.default_kms_key_name = str(key) if key else None
        self.storage.create_bucket(bucket, location=location)
        policy = bucket.get_iam_policy(requested_policy_version=3)
        member = f"serviceAccount:{self.sandbox.world.service_account}"
        policy.bindings.append({"role": "roles/storage.legacyBucketReader", "members": {member}})
        bucket.set_iam_policy(policy)
        return str(bucket.name)


def _wear(sandbox: Sandbox, role: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in sandbox.environment(role=role).items():
        monkeypatch.setenv(name, value)
    identity.forget()


@pytest.fixture
def place(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    world = sandbox.world
    _wear(sandbox, world.operator_role, monkeypatch)
    admin = WorkloadIdentity(
        f"{world.pool_name}/providers/{OPERATOR_PROVIDER}",
        service_account=f"{ADMINISTRATOR}@{world.project}.iam.gserviceaccount.com",
    )
    admin.token()  # while this process is the operator; it is good for the test
    admins = admin.google_credentials()
    _wear(sandbox, world.workload_role, monkeypatch)
    pipeline = WorkloadIdentity(world.audience, service_account=world.service_account).google_credentials()
    yield Place(sandbox, clients.kms_client(admins), clients.storage_client(admins, world.project), pipeline)
    identity.forget()


def codes(place: Place, *policies: Any) -> list[str]:
    return [finding.code for finding in examine(policies, place.cloud)]


def test_what_the_sandbox_starts_with_complies(place: Place) -> None:
    world = place.sandbox.world
    key = KeyName.parse(world.kms_key)
    bucket = world.landing_bucket
    policies = [KmsKeyUsable(key), KeyInRegion(key, world.region), BucketDefaultKey(bucket, key)]
    check([*policies, BucketInRegion(bucket, world.region)], place.cloud)


def test_a_key_goes_through_its_states(place: Place) -> None:
    key = place.new_key()
    version = f"{key}/cryptoKeyVersions/1"
    usable = KmsKeyUsable(key)
    assert codes(place, usable) == []
    place.kms.update_crypto_key_version(
        crypto_key_version={"name": version, "state": "DISABLED"}, update_mask={"paths": ["state"]}
    )
    assert codes(place, usable) == ["key-disabled"]
    place.kms.destroy_crypto_key_version(name=version)
    assert codes(place, usable) == ["key-destroy-scheduled"]
    place.kms.restore_crypto_key_version(name=version)
    assert codes(place, usable) == ["key-disabled"]


def test_a_missing_key_and_a_missing_bucket(place: Place) -> None:
    missing = KeyName.parse(place.sandbox.world.kms_key + "-nowhere")
    found = codes(place, KmsKeyUsable(missing), BucketDefaultKey("nowhere-at-all", missing))
    assert found == ["key-missing", "bucket-missing"]


def test_a_key_that_nobody_may_look_at(place: Place) -> None:
    elsewhere = KeyName("another-project", "us-central1", "ring", "key")
    with pytest.raises(ComplianceError, match=r"cloudkms\.cryptoKeys\.get") as caught:
        check([KmsKeyUsable(elsewhere)], place.cloud)
    assert "roles/cloudkms.viewer" in caught.value.remedy


def test_buckets_elsewhere_and_under_other_keys(place: Place) -> None:
    world = place.sandbox.world
    key = KeyName.parse(world.kms_key)
    bare = place.new_bucket("EU")
    assert codes(place, BucketInRegion(bare, world.region)) == ["bucket-other-region"]
    assert codes(place, BucketDefaultKey(bare, key)) == ["bucket-without-key"]
    assert codes(place, BucketDefaultKey(world.landing_bucket, place.new_key())) == ["bucket-other-key"]
