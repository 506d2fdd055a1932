"""The seeded key and the audit log in the whole local cloud: real sign-in, real hosts, unmodified clients."""

from typing import Any

import pytest
from google.api_core import exceptions
from google.auth.transport.requests import AuthorizedSession
from google.cloud import kms_v1
from google.cloud import logging as cloud_logging

from wif_pipelines.sandbox.lifecycle import Sandbox


def test_the_seeded_key_is_seen_and_its_use_is_refused_and_audited(sandbox: Sandbox, administrator: Any) -> None:
    world = sandbox.world
    client = kms_v1.KeyManagementServiceClient(credentials=administrator, transport="rest")
    key = client.get_crypto_key(name=world.kms_key)
    assert key.primary.state == kms_v1.CryptoKeyVersion.CryptoKeyVersionState.ENABLED
    assert key.rotation_period.days == 90
    with pytest.raises(exceptions.Forbidden, match="useToEncrypt"):  # an owner administers keys, and uses none
        client.encrypt(name=world.kms_key, plaintext=b"x")
    reader = cloud_logging.Client(project=world.project, credentials=administrator, _use_grpc=False)
    refusals = list(
        reader.list_entries(
            filter_=f'protoPayload.methodName="Encrypt" protoPayload.resourceName="{world.kms_key}" severity>=ERROR',
            order_by=cloud_logging.DESCENDING,
        )
    )
    assert refusals[0].payload["authenticationInfo"]["principalEmail"].startswith("admin@")


def test_the_apis_in_use_are_enabled(sandbox: Sandbox, as_administrator: AuthorizedSession) -> None:
    url = f"https://serviceusage.googleapis.com/v1/projects/{sandbox.world.project}/services"
    listed = as_administrator.get(url, params={"filter": "state:ENABLED"}, timeout=10).json()["services"]
    enabled = {service["config"]["name"] for service in listed}
    used = ("sts", "iamcredentials", "storage", "storagetransfer", "aiplatform", "cloudkms", "logging")
    assert {f"{name}.googleapis.com" for name in used} <= enabled
