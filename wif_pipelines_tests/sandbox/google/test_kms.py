"""Cloud KMS through google.cloud.kms."""

import datetime
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import google_crc32c
import pytest
from google.api_core import exceptions
from google.auth.credentials import AnonymousCredentials
from google.cloud import kms_v1
from google.iam.v1 import iam_policy_pb2, policy_pb2
from google.oauth2.credentials import Credentials
from google.protobuf import duration_pb2, field_mask_pb2, timestamp_pb2

from wif_pipelines.sandbox.google.access.principal import service_account
from wif_pipelines.sandbox.google.enum_numbers import KEY_ALGORITHMS, KEY_STATES
from wif_pipelines.sandbox.google.kms import Keys, KeyUnusable
from wif_pipelines.sandbox.google.seed import seed_keys
from wif_pipelines_tests.sandbox.google.loopback import Loopback, loopback

HOST = "cloudkms.googleapis.com"
USER = "roles/cloudkms.cryptoKeyEncrypterDecrypter"
DAY = 86400
State: TypeAlias = kms_v1.CryptoKeyVersion.CryptoKeyVersionState


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Loopback]:
    with loopback(tmp_path, HOST) as running:
        yield running


@pytest.fixture
def location(cloud: Loopback) -> str:
    return f"projects/{cloud.kernel.world.project}/locations/{cloud.kernel.world.region}"


def client_of(cloud: Loopback, email: str, *roles: str) -> Any:
    from google.cloud.kms_v1.services.key_management_service import KeyManagementServiceClient, transports

    transport = transports.KeyManagementServiceRestTransport(
        host=f"http://127.0.0.1:{cloud.ports[HOST]}", credentials=AnonymousCredentials(), url_scheme="http"
    )
    transport._session.credentials = Credentials(cloud.token(email, *roles))
    return KeyManagementServiceClient(transport=transport)


@pytest.fixture
def admin(cloud: Loopback) -> Any:
    return client_of(cloud, "admin@x", "roles/cloudkms.admin")


@pytest.fixture
def user(cloud: Loopback) -> Any:
    return client_of(cloud, "user@x", USER)


@pytest.fixture
def ring(admin: Any, location: str) -> str:
    return str(admin.create_key_ring(parent=location, key_ring_id="ring", key_ring={}).name)


@pytest.fixture
def key(admin: Any, ring: str) -> str:
    return str(admin.create_crypto_key(parent=ring, crypto_key_id="key", crypto_key={"purpose": 1}).name)


def set_state(admin: Any, version: str, state: Any) -> Any:
    return admin.update_crypto_key_version(
        crypto_key_version={"name": version, "state": state}, update_mask=field_mask_pb2.FieldMask(paths=["state"])
    )


def test_a_ring_and_key_are_made_once_and_found_by_id_and_number(
    cloud: Loopback, admin: Any, location: str, key: str
) -> None:
    by_number = key.replace(cloud.kernel.world.project, cloud.kernel.world.project_number)
    found = admin.get_crypto_key(name=by_number)
    assert found.name == key == f"{location}/keyRings/ring/cryptoKeys/key"
    assert found.primary.name == f"{key}/cryptoKeyVersions/1"
    assert found.primary.state == State.ENABLED
    assert found.version_template.algorithm == 1
    with pytest.raises(exceptions.Conflict, match=r"KeyRing projects/.*/keyRings/ring already exists"):
        admin.create_key_ring(parent=location, key_ring_id="ring", key_ring={})
    with pytest.raises(exceptions.Conflict, match=r"CryptoKey projects/.*/cryptoKeys/key already exists"):
        admin.create_crypto_key(parent=f"{location}/keyRings/ring", crypto_key_id="key", crypto_key={"purpose": 1})


def test_what_is_not_there_is_named_in_the_refusal(admin: Any, location: str, key: str) -> None:
    with pytest.raises(exceptions.NotFound, match=r"CryptoKey projects/.*/cryptoKeys/other not found."):
        admin.get_crypto_key(name=key.replace("cryptoKeys/key", "cryptoKeys/other"))
    with pytest.raises(exceptions.NotFound, match=r"KeyRing .* not found."):
        admin.get_key_ring(name=f"{location}/keyRings/other")
    with pytest.raises(exceptions.NotFound, match=r"CryptoKeyVersion .*/7 not found."):
        admin.get_crypto_key_version(name=f"{key}/cryptoKeyVersions/7")
    with pytest.raises(exceptions.NotFound, match="'mars-west1'"):
        admin.create_key_ring(parent=location.replace("us-central1", "mars-west1"), key_ring_id="r", key_ring={})


def test_lists_come_in_pages(admin: Any, location: str, ring: str) -> None:
    for number in range(5):
        admin.create_crypto_key(parent=ring, crypto_key_id=f"k{number}", crypto_key={"purpose": 1})
    for _ in range(11):
        admin.create_crypto_key_version(parent=f"{ring}/cryptoKeys/k0", crypto_key_version={})
    pages = list(admin.list_crypto_keys(request={"parent": ring, "page_size": 2}).pages)
    assert [[found.name[-2:] for found in page.crypto_keys] for page in pages] == [["k0", "k1"], ["k2", "k3"], ["k4"]]
    versions = admin.list_crypto_key_versions(request={"parent": f"{ring}/cryptoKeys/k0", "page_size": 5})
    assert [int(version.name.rpartition("/")[2]) for version in versions] == list(range(1, 13))
    assert [found.name for found in admin.list_key_rings(parent=location)] == [ring]


def test_locations_are_listed_and_got(cloud: Loopback) -> None:
    token = cloud.token("viewer@x", "roles/cloudkms.viewer")
    project = f"v1/projects/{cloud.kernel.world.project}/locations"
    listed = cloud.call("GET", HOST, project, token).json()["locations"]
    assert {"us-central1", "europe-west4", "global"} <= {found["locationId"] for found in listed}
    got = cloud.call("GET", HOST, f"{project}/us-central1", token).json()
    assert got["name"].endswith("/locations/us-central1")
    assert got["metadata"]["hsmAvailable"] is True
    assert cloud.call("GET", HOST, f"{project}/mars-west1", token).status_code == 404


def test_what_is_encrypted_is_decrypted_and_changed_ciphertext_is_refused(admin: Any, user: Any, key: str) -> None:
    plaintext = b"a patient's row"
    sealed = user.encrypt(
        request={"name": key, "plaintext": plaintext, "plaintext_crc32c": google_crc32c.value(plaintext)}
    )
    assert sealed.name == f"{key}/cryptoKeyVersions/1"
    assert sealed.verified_plaintext_crc32c
    assert plaintext not in sealed.ciphertext
    assert google_crc32c.value(sealed.ciphertext) == sealed.ciphertext_crc32c
    assert sealed.ciphertext != user.encrypt(name=key, plaintext=plaintext).ciphertext
    opened = user.decrypt(name=key, ciphertext=sealed.ciphertext)
    assert (opened.plaintext, opened.used_primary) == (plaintext, True)
    changed = bytes([*sealed.ciphertext[:-1], sealed.ciphertext[-1] ^ 1])
    with pytest.raises(exceptions.BadRequest, match="the ciphertext is invalid"):
        user.decrypt(name=key, ciphertext=changed)
    admin.create_crypto_key(parent=key.rpartition("/cryptoKeys")[0], crypto_key_id="other", crypto_key={"purpose": 1})
    with pytest.raises(exceptions.BadRequest, match="verify that 'name' refers to the correct CryptoKey"):
        user.decrypt(name=key.replace("cryptoKeys/key", "cryptoKeys/other"), ciphertext=sealed.ciphertext)


def test_associated_data_checksums_and_size_are_checked(user: Any, key: str) -> None:
    sealed = user.encrypt(request={"name": key, "plaintext": b"x", "additional_authenticated_data": b"row 1"})
    with pytest.raises(exceptions.BadRequest, match="the ciphertext is invalid"):
        user.decrypt(name=key, ciphertext=sealed.ciphertext)
    request = {"name": key, "ciphertext": sealed.ciphertext, "additional_authenticated_data": b"row 1"}
    assert user.decrypt(request=request).plaintext == b"x"
    with pytest.raises(exceptions.BadRequest, match="checksum"):
        user.encrypt(request={"name": key, "plaintext": b"x", "plaintext_crc32c": 1})
    assert len(user.encrypt(name=key, plaintext=bytes(65536)).ciphertext) > 65536
    with pytest.raises(exceptions.BadRequest, match="64KiB"):
        user.encrypt(name=key, plaintext=bytes(65537))


def test_a_disabled_version_neither_encrypts_nor_decrypts_until_it_is_enabled(admin: Any, user: Any, key: str) -> None:
    sealed = user.encrypt(name=key, plaintext=b"x")
    assert set_state(admin, sealed.name, State.DISABLED).state == State.DISABLED
    uses: tuple[Callable[[], Any], ...] = (
        lambda: user.encrypt(name=key, plaintext=b"x"),
        lambda: user.decrypt(name=key, ciphertext=sealed.ciphertext),
    )
    for use in uses:
        with pytest.raises(exceptions.BadRequest) as refused:
            use()
        assert f"{sealed.name} is not enabled, current state is: DISABLED." in refused.value.message
        assert refused.value.response.json()["error"]["status"] == "FAILED_PRECONDITION"
    set_state(admin, sealed.name, State.ENABLED)
    assert user.decrypt(name=key, ciphertext=sealed.ciphertext).plaintext == b"x"


def test_old_versions_still_decrypt_after_rotation_by_hand(admin: Any, user: Any, key: str) -> None:
    old = user.encrypt(name=key, plaintext=b"x")
    version = admin.create_crypto_key_version(parent=key, crypto_key_version={})
    assert admin.get_crypto_key(name=key).primary.name == old.name
    changed = admin.update_crypto_key_primary_version(name=key, crypto_key_version_id="2")
    assert changed.primary.name == version.name == user.encrypt(name=key, plaintext=b"x").name
    opened = user.decrypt(name=key, ciphertext=old.ciphertext)
    assert (opened.plaintext, opened.used_primary) == (b"x", False)
    set_state(admin, old.name, State.DISABLED)
    with pytest.raises(exceptions.BadRequest, match="is not enabled"):
        admin.update_crypto_key_primary_version(name=key, crypto_key_version_id="1")


def test_a_key_rotates_when_its_time_has_come(cloud: Loopback, admin: Any, user: Any, ring: str) -> None:
    start = datetime.datetime.now(tz=datetime.UTC) + datetime.timedelta(days=2)
    rotation = {"rotation_period": duration_pb2.Duration(seconds=90 * DAY), "next_rotation_time": start}
    made = admin.create_crypto_key(parent=ring, crypto_key_id="r", crypto_key={"purpose": 1} | rotation)
    before = user.encrypt(name=made.name, plaintext=b"x")
    cloud.kernel.clock.advance(3 * DAY)
    assert user.encrypt(name=made.name, plaintext=b"x").name == f"{made.name}/cryptoKeyVersions/2"
    rotated = admin.get_crypto_key(name=made.name)
    assert rotated.next_rotation_time - start == datetime.timedelta(days=90)
    assert user.decrypt(name=made.name, ciphertext=before.ciphertext).plaintext == b"x"
    cloud.kernel.clock.advance(400 * DAY)
    admin = client_of(cloud, "admin@x")
    assert admin.get_crypto_key(name=made.name).primary.name == f"{made.name}/cryptoKeyVersions/3"
    assert len(list(admin.list_crypto_key_versions(parent=made.name))) == 3


def test_patching_sets_and_clears_what_the_mask_names(admin: Any, key: str) -> None:
    later = timestamp_pb2.Timestamp()
    later.FromDatetime(datetime.datetime.now(tz=datetime.UTC) + datetime.timedelta(days=30))
    fields = {"name": key, "rotation_period": duration_pb2.Duration(seconds=30 * DAY), "labels": {"team": "data"}}

    def patch(crypto_key: dict[str, Any], *paths: str) -> Any:
        mask = field_mask_pb2.FieldMask(paths=paths)
        return admin.update_crypto_key(crypto_key=crypto_key, update_mask=mask)

    with pytest.raises(exceptions.BadRequest, match="next_rotation_time must be set"):
        patch(fields, "rotation_period")
    changed = patch(fields | {"next_rotation_time": later}, "rotation_period", "next_rotation_time", "labels")
    assert changed.rotation_period == datetime.timedelta(days=30)
    assert dict(changed.labels) == {"team": "data"}
    cleared = patch({"name": key}, "rotation_period", "next_rotation_time")
    assert "rotation_period" not in cleared
    assert dict(cleared.labels) == {"team": "data"}
    with pytest.raises(exceptions.BadRequest, match="24 hours"):
        patch(
            {"name": key, "rotation_period": duration_pb2.Duration(seconds=60), "next_rotation_time": later},
            "rotation_period",
            "next_rotation_time",
        )
    with pytest.raises(exceptions.BadRequest, match="'purpose'"):
        patch({"name": key, "purpose": 5}, "purpose")


def test_a_destroyed_version_can_be_restored_until_its_time(cloud: Loopback, admin: Any, user: Any, key: str) -> None:
    sealed = user.encrypt(name=key, plaintext=b"x")
    assert admin.destroy_crypto_key_version(name=sealed.name).state == State.DESTROY_SCHEDULED
    with pytest.raises(exceptions.BadRequest, match="current state is: DESTROY_SCHEDULED"):
        user.decrypt(name=key, ciphertext=sealed.ciphertext)
    restored = admin.restore_crypto_key_version(name=sealed.name)
    assert (restored.state, "destroy_time" in restored) == (State.DISABLED, False)
    with pytest.raises(exceptions.BadRequest, match="is not scheduled for destruction"):
        admin.restore_crypto_key_version(name=sealed.name)
    admin.destroy_crypto_key_version(name=sealed.name)
    cloud.kernel.clock.advance(29 * DAY)
    assert admin.get_crypto_key_version(name=sealed.name).state == State.DESTROY_SCHEDULED
    cloud.kernel.clock.advance(2 * DAY)
    admin = client_of(cloud, "admin@x")
    assert admin.get_crypto_key_version(name=sealed.name).state == State.DESTROYED
    assert cloud.kernel.store.collection("kms.material").list() == []
    with pytest.raises(exceptions.BadRequest, match="current state is: DESTROYED"):
        client_of(cloud, "user@x").decrypt(name=key, ciphertext=sealed.ciphertext)


def test_keys_of_other_purposes_do_not_encrypt(admin: Any, user: Any, ring: str) -> None:
    template = {"algorithm": kms_v1.CryptoKeyVersion.CryptoKeyVersionAlgorithm.EC_SIGN_P256_SHA256}
    signer = {"purpose": kms_v1.CryptoKey.CryptoKeyPurpose.ASYMMETRIC_SIGN, "version_template": template}
    made = admin.create_crypto_key(parent=ring, crypto_key_id="signer", crypto_key=signer)
    assert made.version_template.algorithm == template["algorithm"]
    assert "primary" not in made
    with pytest.raises(exceptions.BadRequest, match="ENCRYPT_DECRYPT is needed"):
        user.encrypt(name=made.name, plaintext=b"x")
    with pytest.raises(exceptions.BadRequest, match="cannot be used with purpose"):
        admin.create_crypto_key(
            parent=ring, crypto_key_id="odd", crypto_key={"purpose": 1, "version_template": template}
        )


def test_policies_on_a_key_say_who_may_use_it(cloud: Loopback, admin: Any, key: str) -> None:
    stranger = client_of(cloud, "stranger@x")
    refusals: tuple[Callable[[], Any], ...] = (
        lambda: stranger.encrypt(name=key, plaintext=b"x"),
        lambda: admin.encrypt(name=key, plaintext=b"x"),
        lambda: stranger.encrypt(name=f"{key}-absent", plaintext=b"x"),
        lambda: stranger.get_crypto_key(name=key),
    )
    for refused in refusals:
        with pytest.raises(exceptions.Forbidden, match=r"denied on resource .* \(or it may not exist\)"):
            refused()
    policy = admin.get_iam_policy(iam_policy_pb2.GetIamPolicyRequest(resource=key))
    policy.bindings.append(policy_pb2.Binding(role=USER, members=["serviceAccount:stranger@x"]))
    admin.set_iam_policy(iam_policy_pb2.SetIamPolicyRequest(resource=key, policy=policy))
    assert stranger.encrypt(name=key, plaintext=b"x").name.startswith(key)
    asked = ["cloudkms.cryptoKeyVersions.useToEncrypt", "cloudkms.cryptoKeys.get"]
    tested = stranger.test_iam_permissions(iam_policy_pb2.TestIamPermissionsRequest(resource=key, permissions=asked))
    assert list(tested.permissions) == asked[:1]
    with pytest.raises(exceptions.Conflict, match="concurrent policy changes"):
        admin.set_iam_policy(iam_policy_pb2.SetIamPolicyRequest(resource=key, policy=policy))


def test_every_use_and_every_change_is_audited_without_the_data(
    cloud: Loopback, admin: Any, user: Any, key: str
) -> None:
    sealed = user.encrypt(name=key, plaintext=b"never in a log")
    user.decrypt(name=key, ciphertext=sealed.ciphertext)
    set_state(admin, sealed.name, State.DISABLED)
    with pytest.raises(exceptions.BadRequest):
        user.encrypt(name=key, plaintext=b"never in a log")
    entries = list(cloud.kernel.audit.read())
    seen = [(entry["logName"].rpartition("%2F")[2], entry["protoPayload"]["methodName"]) for entry in entries]
    assert seen == [
        ("activity", "CreateKeyRing"),
        ("activity", "CreateCryptoKey"),
        ("data_access", "Encrypt"),
        ("data_access", "Decrypt"),
        ("activity", "UpdateCryptoKeyVersion"),
        ("data_access", "Encrypt"),
    ]
    assert entries[2]["protoPayload"]["resourceName"] == sealed.name
    assert entries[2]["protoPayload"]["authenticationInfo"]["principalEmail"] == "user@x"
    assert entries[-1]["protoPayload"]["status"]["code"] == 9
    assert "never in a log" not in str(entries)


def test_keys_and_sealed_material_outlive_a_restart(tmp_path: Path) -> None:
    with loopback(tmp_path, HOST) as first:
        seed_keys(first.kernel, first.keys)
        name = first.kernel.world.kms_key
        sealed = client_of(first, "user@x", USER).encrypt(name=name, plaintext=b"x")
        first.kernel.policies.set(name, {"bindings": []})
    assert (tmp_path / "kms" / "root.key").stat().st_mode & 0o077 == 0
    with loopback(tmp_path, HOST) as second:
        seed_keys(second.kernel, second.keys)
        assert second.kernel.policies.get(name)["bindings"] == []
        assert client_of(second, "user@x").decrypt(name=name, ciphertext=sealed.ciphertext).plaintext == b"x"


def test_other_services_ask_for_the_seeded_key(cloud: Loopback) -> None:
    world, keys = cloud.kernel.world, cloud.keys
    seed_keys(cloud.kernel, keys)
    agent = service_account(world.storage_agent)
    version = keys.require(world.kms_key, agent, "encrypt")
    assert version == f"{world.kms_key}/cryptoKeyVersions/1"
    assert keys.require(version, service_account(world.vertex_agent), "decrypt") == version
    assert (keys.location(world.kms_key), keys.exists(world.kms_key)) == (world.region, True)
    assert (keys.vault.key(world.kms_key) or {})["rotationPeriod"] == f"{90 * DAY}s"
    assert not keys.exists(f"{world.kms_key}x")
    assert not keys.exists(f"{world.kms_key}/cryptoKeyVersions/2")
    assert not keys.exists("nonsense")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({}, "missing"),
        ({"state": "DISABLED"}, "disabled"),
        ({"state": "DESTROY_SCHEDULED", "destroyTime": "2999-01-01T00:00:00Z"}, "destroyed"),
    ],
)
def test_an_unusable_key_says_why(cloud: Loopback, change: dict[str, str], reason: str) -> None:
    world, keys = cloud.kernel.world, cloud.keys
    agent = service_account(world.storage_agent)
    if change:
        seed_keys(cloud.kernel, keys)
        keys.vault.change_version(world.kms_key, 1, change)
    for name in (world.kms_key, f"{world.kms_key}/cryptoKeyVersions/1"):
        with pytest.raises(KeyUnusable) as refused:
            keys.require(name, agent, "decrypt")
        assert refused.value.reason == reason
        assert world.kms_key in refused.value.message
    entry = next(iter(cloud.kernel.audit.read(newest_first=True)))
    assert entry["protoPayload"]["status"]["message"] == refused.value.message


def test_an_agent_without_a_grant_is_denied(cloud: Loopback) -> None:
    seed_keys(cloud.kernel, cloud.keys)
    keys: Keys = cloud.keys
    with pytest.raises(KeyUnusable) as refused:
        keys.require(cloud.kernel.world.kms_key, service_account(cloud.kernel.world.transfer_agent), "encrypt")
    assert refused.value.reason == "denied"


def test_enum_numbers_are_those_of_the_client() -> None:
    versions = kms_v1.CryptoKeyVersion
    for names, enum in (
        (KEY_STATES, versions.CryptoKeyVersionState),
        (KEY_ALGORITHMS, versions.CryptoKeyVersionAlgorithm),
    ):
        assert {name: int(enum[name]) for name in names} == names
