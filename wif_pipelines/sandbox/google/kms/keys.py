"""What the other services ask of a key before they write or read under it."""

from typing import Any, Literal

from wif_pipelines.sandbox.google.access.policies import ancestors
from wif_pipelines.sandbox.google.access.principal import Principal
from wif_pipelines.sandbox.google.audit import DATA
from wif_pipelines.sandbox.google.errors import RPC_CODES
from wif_pipelines.sandbox.google.kernel import Kernel
from wif_pipelines.sandbox.google.kms.names import KeyName, parse
from wif_pipelines.sandbox.google.kms.vault import DAY, Vault

Use = Literal["encrypt", "decrypt"]
Reason = Literal["missing", "disabled", "destroyed", "denied"]

SERVICE = "cloudkms.googleapis.com"
PERMISSIONS: dict[Use, str] = {
    "encrypt": "cloudkms.cryptoKeyVersions.useToEncrypt",
    "decrypt": "cloudkms.cryptoKeyVersions.useToDecrypt",
}
_STATUS: dict[Reason, str] = {
    "missing": "NOT_FOUND",
    "denied": "PERMISSION_DENIED",
    "disabled": "FAILED_PRECONDITION",
    "destroyed": "FAILED_PRECONDITION",
}


class KeyUnusable(Exception):  # noqa: N818 - what is unusable is the key; an error is what a service makes of it
    """A key that cannot be used now; the asking service puts it in its own words.

    Attributes:
        key: The key or version that was asked for.
        reason: `missing`, `disabled` (or of no version that encrypts), `destroyed` (or scheduled to be), `denied`.
        message: Cloud KMS's own text.
        status: Its google.rpc.Code.
    """

    def __init__(self, reason: Reason, key: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.key = key
        self.message = message
        self.status = _STATUS[reason]


class Keys:
    """The keys of the project. Safe from the event loop and from worker threads."""

    def __init__(self, kernel: Kernel) -> None:
        self.vault = Vault(kernel)
        self._kernel = kernel

    def require(self, key_name: str, agent: Principal, use: Use) -> str:
        """Check that `agent` may use a key now; every use, refused or not, is audited.

        Args:
            key_name: A key, or one version of it; the project by id or number.
            agent: Who uses it: a service agent, or the caller.
            use: `encrypt` needs the primary version, unless a version is named; `decrypt` likewise.

        Returns:
            Full name of the version that is used.

        Raises:
            KeyUnusable: The key or version is missing, not enabled, or not granted to `agent`.
        """
        try:
            version = self._usable(key_name, agent, use)
        except KeyUnusable as error:
            self._audit(key_name, agent, use, {"code": RPC_CODES[error.status], "message": error.message})
            raise
        self._audit(version, agent, use)
        return version

    def location(self, key_name: str) -> str:
        """Where a key is, for example `us-central1`.

        Raises:
            KeyUnusable: `missing`, when this is no name of a key.
        """
        return self._parsed(key_name).location

    def exists(self, key_name: str) -> bool:
        """Whether there is such a key (or version, when one is named)."""
        name = self.parse(key_name)
        if name is None or self.vault.key(name.key) is None:
            return False
        return name.number is None or self.vault.version(name.key, name.number) is not None

    def parse(self, key_name: str) -> KeyName | None:
        """The parts of a key's or version's name; None when it is no such name."""
        return parse(key_name, self._kernel.world.project, self._kernel.world.project_number)

    def ensure(self, key_name: str, *, rotation_days: int | None = None) -> bool:
        """Create a symmetric key, and its ring, unless it is there; returns whether it was created."""
        name = self._parsed(key_name)
        with self._kernel.store.transaction():
            if self.vault.key(name.key) is not None:
                return False
            if self.vault.ring(name.ring) is None:
                self.vault.create_ring(name.ring)
            rotation = (
                {
                    "rotationPeriod": f"{rotation_days * DAY}s",
                    "nextRotationTime": self.vault.in_seconds(rotation_days * DAY),
                }
                if rotation_days
                else {}
            )
            self.vault.create_key(name.key, rotation)
        return True

    def _parsed(self, key_name: str) -> KeyName:
        name = self.parse(key_name)
        if name is None:
            raise KeyUnusable("missing", key_name, f"CryptoKey {key_name} not found.")
        return name

    def _usable(self, key_name: str, agent: Principal, use: Use) -> str:
        name = self._parsed(key_name)
        key = self.vault.key(name.key)
        if key is None:
            raise KeyUnusable("missing", name.key, f"CryptoKey {name.key} not found.")
        if not self._kernel.policies.allows(agent, PERMISSIONS[use], ancestors(name.key)):
            text = f"Permission '{PERMISSIONS[use]}' denied on resource '{name.key}' (or it may not exist)."
            raise KeyUnusable("denied", name.key, text)
        version = key.get("primary") if name.number is None else self.vault.version(name.key, name.number)
        return _enabled(version, name, key)

    def _audit(self, resource: str, agent: Principal, use: Use, status: dict[str, Any] | None = None) -> None:
        self._kernel.audit.write(
            service=SERVICE, method=use.title(), resource=resource, principal=agent, log=DATA, status=status
        )


def _enabled(version: dict[str, Any] | None, name: KeyName, key: dict[str, Any]) -> str:
    """The version's name, if it can be used."""
    if key["purpose"] != "ENCRYPT_DECRYPT":
        text = f"{name.key} has purpose {key['purpose']}; a CryptoKey of purpose ENCRYPT_DECRYPT is needed."
        raise KeyUnusable("disabled", name.key, text)
    if version is None and name.version:
        raise KeyUnusable("missing", name.version, f"CryptoKeyVersion {name.version} not found.")
    if version is None:
        raise KeyUnusable("disabled", name.key, f"CryptoKey {name.key} has no primary CryptoKeyVersion.")
    if version["state"] != "ENABLED":
        text = f"{version['name']} is not enabled, current state is: {version['state']}."
        raise KeyUnusable("destroyed" if version["state"].startswith("DESTROY") else "disabled", version["name"], text)
    return str(version["name"])
