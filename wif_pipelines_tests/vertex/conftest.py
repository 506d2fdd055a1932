"""A process in the local cloud with a landed data set, for the tests that train and serve for real."""

import os
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from wif_pipelines import identity as who
from wif_pipelines.identity import WorkloadIdentity, clients
from wif_pipelines.sandbox.google.seed import ADMINISTRATOR, OPERATOR_PROVIDER
from wif_pipelines.sandbox.lifecycle import Sandbox
from wif_pipelines.sandbox.world import World
from wif_pipelines.vertex.connection import VertexConnection
from wif_pipelines.vertex.polling import Polling
from wif_pipelines.vertex.specs import EndpointSpec, ModelSpec, TrainingSpec
from wif_pipelines_tests.sandbox.google.conftest import aws_credentials

EXAMPLES = Path(__file__).parents[2] / "examples"
QUICK = Polling(first_wait=0.1, max_wait=1.0)


@pytest.fixture(scope="module")
def world(sandbox: Sandbox) -> Iterator[World]:
    """This process as the workload, for all tests of a module."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(("AWS_", "GOOGLE_"))]:
            patch.delenv(name)
        for name, value in sandbox.environment(session_name="vertex-tests").items():
            patch.setenv(name, value)
        who.forget()
        yield sandbox.world
    who.forget()


@pytest.fixture(scope="module")
def connection(world: World) -> VertexConnection:
    identity = WorkloadIdentity(audience=world.audience, service_account=world.service_account)
    return VertexConnection(project=world.project, region=world.region, credentials=identity.google_credentials())


@pytest.fixture(scope="module")
def landed(world: World, connection: VertexConnection) -> str:
    """The clinics' tables in the landing bucket; the ``gs://`` directory that holds them."""
    sys.path.insert(0, str(EXAMPLES))
    try:
        from diagnostics.dataset import exports
    finally:
        sys.path.remove(str(EXAMPLES))
    prefix = f"vertex-tests/{uuid.uuid4().hex[:8]}"
    bucket = connection.storage.bucket(world.landing_bucket)
    for export in exports(weeks=2, outline_points=4):
        bucket.blob(f"{prefix}/{export.key}").upload_from_string(export.body, content_type=export.content_type)
    return f"gs://{world.landing_bucket}/{prefix}"


class Key:
    """A key of a test's own, in the ring of the customer's."""

    def __init__(self, client: Any, world: World) -> None:
        from google.cloud import kms

        self._client = client
        self._agent = f"serviceAccount:{world.vertex_agent}"
        ring = f"projects/{world.project}/locations/{world.region}/keyRings/{world.key_ring}"
        purpose = kms.CryptoKey.CryptoKeyPurpose.ENCRYPT_DECRYPT
        made = client.create_crypto_key(
            parent=ring, crypto_key_id=f"vertex-{uuid.uuid4().hex[:8]}", crypto_key=kms.CryptoKey(purpose=purpose)
        )
        self.name = str(made.name)

    def let_vertex_use_it(self) -> None:
        policy = self._client.get_iam_policy(request={"resource": self.name})
        policy.bindings.add(role="roles/cloudkms.cryptoKeyEncrypterDecrypter", members=[self._agent])
        self._client.set_iam_policy(request={"resource": self.name, "policy": policy})

    def set_enabled(self, enabled: bool) -> None:
        from google.cloud import kms
        from google.protobuf.field_mask_pb2 import FieldMask

        states = kms.CryptoKeyVersion.CryptoKeyVersionState
        version = kms.CryptoKeyVersion(
            name=f"{self.name}/cryptoKeyVersions/1", state=states.ENABLED if enabled else states.DISABLED
        )
        self._client.update_crypto_key_version(crypto_key_version=version, update_mask=FieldMask(paths=["state"]))


@pytest.fixture
def key(sandbox: Sandbox, world: World) -> Key:
    """A new key, made by the project's owner, that nobody may use yet."""
    email = f"{ADMINISTRATOR}@{world.project}.iam.gserviceaccount.com"
    provider = f"{world.pool_name}/providers/{OPERATOR_PROVIDER}"
    environment = sandbox.environment(role=world.operator_role, session_name="vertex-tests")
    return Key(clients.kms_client(aws_credentials(environment, provider, email)), world)


class Specs:
    """Specs that fit the local cloud, under names that no other test uses."""

    def __init__(self, world: World, data: str) -> None:
        self._world = world
        self._data = data

    def run(self) -> str:
        return f"run-{uuid.uuid4().hex[:8]}"

    def training(self, run: str, *, data: str | None = None, args: tuple[str, ...] = ()) -> TrainingSpec:
        return TrainingSpec(
            display_name=run,
            image_uri=self._world.training_image,
            base_output_dir=f"gs://{self._world.artifact_bucket}/vertex-tests/{run}",
            args=("--data", data or self._data, *args),
            service_account=self._world.service_account,
            kms_key=self._world.kms_key,
            labels={"run": run},
        )

    def model(self, model_id: str, artifact_uri: str, *, aliases: tuple[str, ...] = (), run: str = "r") -> ModelSpec:
        return ModelSpec(
            model_id=model_id,
            display_name=model_id,
            image_uri=self._world.serving_image,
            artifact_uri=artifact_uri,
            kms_key=self._world.kms_key,
            labels={"run": run},
            version_aliases=aliases,
        )

    def endpoint(self, endpoint_id: str, *, percent: int = 100) -> EndpointSpec:
        return EndpointSpec(
            endpoint_id=endpoint_id, display_name=endpoint_id, kms_key=self._world.kms_key, traffic_percent=percent
        )


@pytest.fixture(scope="module")
def specs(world: World, landed: str) -> Specs:
    return Specs(world, landed)
