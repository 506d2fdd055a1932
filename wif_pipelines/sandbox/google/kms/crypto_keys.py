"""Keys and their versions: made, changed, rotated by hand, disabled, destroyed, restored.

States and transitions: https://cloud.google.com/kms/docs/key-states.
"""

from wif_pipelines.sandbox.google.call import Call, Handlers
from wif_pipelines.sandbox.google.errors import already_exists, bad_request, failed_precondition, not_found
from wif_pipelines.sandbox.google.kms.calls import Calls, Document, chain
from wif_pipelines.sandbox.google.kms.names import version_name
from wif_pipelines.sandbox.google.kms.rules import check_algorithm, check_id, check_rotation, masked, new_key
from wif_pipelines.sandbox.google.kms.vault import seconds

_CHANGEABLE = {"rotationPeriod", "nextRotationTime", "labels", "versionTemplate", "versionTemplate.algorithm"}


class CryptoKeys:
    """Serves the administration of keys and versions; no method of it sees key material."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._vault = calls.vault

    def handlers(self) -> Handlers:
        """By method id."""
        keys = "cloudkms.projects.locations.keyRings.cryptoKeys"
        versions = f"{keys}.cryptoKeyVersions"
        reads, administers = self._calls.reads, self._calls.administers
        return {
            f"{keys}.create": administers("CreateCryptoKey", self._create),
            f"{keys}.get": reads(self._get),
            f"{keys}.list": reads(self._list),
            f"{keys}.patch": administers("UpdateCryptoKey", self._patch),
            f"{keys}.updatePrimaryVersion": administers("UpdateCryptoKeyPrimaryVersion", self._update_primary),
            f"{versions}.create": administers("CreateCryptoKeyVersion", self._create_version),
            f"{versions}.get": reads(self._get_version),
            f"{versions}.list": reads(self._list_versions),
            f"{versions}.patch": administers("UpdateCryptoKeyVersion", self._patch_version),
            f"{versions}.destroy": administers("DestroyCryptoKeyVersion", self._destroy_version),
            f"{versions}.restore": administers("RestoreCryptoKeyVersion", self._restore_version),
        }

    def _create(self, call: Call) -> Document:
        ring = self._calls.name(call, "parent")
        call.require("cloudkms.cryptoKeys.create", *chain(ring))
        name = f"{ring}/cryptoKeys/{check_id(call.params.get('cryptoKeyId', ''), 'crypto_key_id')}"
        fields = new_key(call.body, self._calls.now())
        if self._vault.ring(ring) is None:
            raise not_found(f"KeyRing {ring} not found.")
        if self._vault.key(name):
            raise already_exists(f"CryptoKey {name} already exists.")
        skip = call.params.get("skipInitialVersionCreation", False) or fields.get("importOnly", False)
        return self._vault.create_key(name, fields, with_version=not skip)

    def _get(self, call: Call) -> Document:
        name = self._calls.name(call)
        call.require("cloudkms.cryptoKeys.get", *chain(name))
        return self._calls.key(name)

    def _list(self, call: Call) -> Document:
        ring = self._calls.name(call, "parent")
        call.require("cloudkms.cryptoKeys.list", *chain(ring))
        if self._vault.ring(ring) is None:
            raise not_found(f"KeyRing {ring} not found.")
        return self._calls.page(call, "cryptoKeys", lambda after, limit: self._vault.keys(ring, after, limit))

    def _patch(self, call: Call) -> Document:
        name = self._calls.name(call)
        call.require("cloudkms.cryptoKeys.update", *chain(name))
        current = self._calls.key(name)
        fields = [field.partition(".")[0] for field in masked(call.params.get("updateMask", ""), _CHANGEABLE)]
        changes = {field: call.body.get(field) for field in fields}
        if "versionTemplate" in changes:
            template = current["versionTemplate"] | (changes["versionTemplate"] or {})
            check_algorithm(current["purpose"], template["algorithm"])
            changes["versionTemplate"] = template
        if changes.keys() & {"rotationPeriod", "nextRotationTime"}:
            check_rotation(current | changes, self._calls.now())
        return self._vault.change_key(name, changes)

    def _update_primary(self, call: Call) -> Document:
        key = self._calls.name(call)
        call.require("cloudkms.cryptoKeys.update", *chain(key))
        current, number = self._calls.key(key), call.body.get("cryptoKeyVersionId", "")
        if current["purpose"] != "ENCRYPT_DECRYPT":
            raise bad_request(f"A CryptoKey of purpose {current['purpose']} has no primary version.")
        name = self._calls.keys.parse(version_name(key, int(number))) if number.isdigit() else None
        if name is None:
            raise not_found(f"CryptoKeyVersion {key}/cryptoKeyVersions/{number} not found.")
        version = self._calls.version(name)
        if version["state"] != "ENABLED":
            raise failed_precondition(f"{name.version} is not enabled, current state is: {version['state']}.")
        return self._vault.set_primary(key, int(number))

    def _create_version(self, call: Call) -> Document:
        key = self._calls.name(call, "parent")
        call.require("cloudkms.cryptoKeyVersions.create", *chain(key))
        if self._calls.key(key).get("importOnly"):
            raise failed_precondition(f"CryptoKey {key} is import-only: its versions can only be imported.")
        return self._vault.add_version(key)

    def _get_version(self, call: Call) -> Document:
        name = self._calls.version_name(call)
        call.require("cloudkms.cryptoKeyVersions.get", *chain(name.key))
        return self._calls.version(name)

    def _list_versions(self, call: Call) -> Document:
        key = self._calls.name(call, "parent")
        call.require("cloudkms.cryptoKeyVersions.list", *chain(key))
        self._calls.key(key)
        return self._calls.page(call, "cryptoKeyVersions", lambda after, limit: self._vault.versions(key, after, limit))

    def _patch_version(self, call: Call) -> Document:
        name = self._calls.version_name(call)
        call.require("cloudkms.cryptoKeyVersions.update", *chain(name.key))
        masked(call.params.get("updateMask", ""), {"state"})
        current, wanted = self._calls.version(name)["state"], call.body.get("state")
        if wanted not in {"ENABLED", "DISABLED"}:
            raise bad_request("The state can be changed to ENABLED or DISABLED only.", ("crypto_key_version.state", ""))
        if current not in {"ENABLED", "DISABLED"}:
            raise failed_precondition(f"{name.version} cannot become {wanted}, current state is: {current}.")
        return self._vault.change_version(name.key, name.number or 0, {"state": wanted})

    def _destroy_version(self, call: Call) -> Document:
        name = self._calls.version_name(call)
        call.require("cloudkms.cryptoKeyVersions.destroy", *chain(name.key))
        state = self._calls.version(name)["state"]
        if state not in {"ENABLED", "DISABLED"}:
            raise failed_precondition(f"{name.version} cannot be destroyed, current state is: {state}.")
        due = self._vault.in_seconds(seconds(self._calls.key(name.key)["destroyScheduledDuration"]))
        changes = {"state": "DESTROY_SCHEDULED", "destroyTime": due}
        return self._vault.change_version(name.key, name.number or 0, changes)

    def _restore_version(self, call: Call) -> Document:
        name = self._calls.version_name(call)
        call.require("cloudkms.cryptoKeyVersions.restore", *chain(name.key))
        state = self._calls.version(name)["state"]
        if state != "DESTROY_SCHEDULED":
            raise failed_precondition(f"{name.version} is not scheduled for destruction, current state is: {state}.")
        return self._vault.change_version(name.key, name.number or 0, {"state": "DISABLED", "destroyTime": None})
