"""Key rings, keys and versions as they stand, with what time does to them: rotation and destruction.

Rules: https://cloud.google.com/kms/docs/key-states and https://cloud.google.com/kms/docs/key-rotation. Time is applied
when something is looked at, so nothing has to run in the background.
"""

import datetime
from typing import Any

from wif_pipelines.sandbox.google.clock import timestamp
from wif_pipelines.sandbox.google.errors import bad_request
from wif_pipelines.sandbox.google.kernel import Kernel
from wif_pipelines.sandbox.google.kms.material import Material
from wif_pipelines.sandbox.google.kms.names import version_name

Document = dict[str, Any]
SYMMETRIC = "GOOGLE_SYMMETRIC_ENCRYPTION"
DAY = 86400


class Vault:
    """What Cloud KMS holds. Names are full resource names by project id; arguments are taken as already checked."""

    def __init__(self, kernel: Kernel) -> None:
        self._store = kernel.store
        self._clock = kernel.clock
        self._rings = kernel.store.collection("kms.keyRings")
        self._keys = kernel.store.collection("kms.cryptoKeys")
        self._versions = kernel.store.collection("kms.cryptoKeyVersions")
        self.material = Material(kernel.directory / "kms", kernel.store)

    def ring(self, name: str) -> Document | None:
        """A KeyRing resource, or None."""
        return self._rings.get(name)

    def rings(self, location: str, after: str, limit: int) -> list[tuple[str, Document]]:
        """Key rings of a location in order of name."""
        return self._rings.list(f"{location}/keyRings/", after=after, limit=limit)

    def create_ring(self, name: str) -> Document:
        """A new, empty key ring."""
        return self._rings.put(name, {"name": name, "createTime": self._clock.now()})

    def key(self, name: str) -> Document | None:
        """A CryptoKey resource, rotated if its time has come; None when there is none."""
        with self._store.transaction():
            document = self._keys.get(name)
            return None if document is None else self._resource(self._rotated(document))

    def keys(self, ring: str, after: str, limit: int) -> list[tuple[str, Document]]:
        """Keys of a ring in order of name."""
        with self._store.transaction():
            found = self._keys.list(f"{ring}/cryptoKeys/", after=after, limit=limit)
            return [(name, self._resource(self._rotated(document))) for name, document in found]

    def create_key(self, name: str, fields: Document, *, with_version: bool = True) -> Document:
        """A new key; its first version is made, and is primary, unless `with_version` is false."""
        defaults = {
            "purpose": "ENCRYPT_DECRYPT",
            "destroyScheduledDuration": f"{30 * DAY}s",
            "versionTemplate": {"protectionLevel": "SOFTWARE", "algorithm": SYMMETRIC},
        }
        document = defaults | fields | {"name": name, "createTime": self._clock.now(), "newest": 0}
        with self._store.transaction():
            self._keys.put(name, document)
            if with_version:
                self.add_version(name, primary=fields.get("purpose", "ENCRYPT_DECRYPT") == "ENCRYPT_DECRYPT")
        return self._existing(name)

    def change_key(self, name: str, fields: Document) -> Document:
        """Set fields of a key; a field that is None is cleared."""
        with self._store.transaction():
            document = (self._keys.get(name) or {}) | fields
            self._keys.put(name, {field: value for field, value in document.items() if value is not None})
        return self._existing(name)

    def set_primary(self, name: str, number: int) -> Document:
        """Make a version the one that encrypts."""
        return self.change_key(name, {"primaryNumber": number})

    def add_version(self, key: str, *, primary: bool = False) -> Document:
        """A new, enabled version of an existing key."""
        with self._store.transaction():
            document = self._keys.get(key) or {}
            number = document["newest"] + 1
            name, now = version_name(key, number), self._clock.now()
            if document["purpose"] == "ENCRYPT_DECRYPT":
                self.material.make(name)
            version = {"name": name, "state": "ENABLED", "createTime": now, "generateTime": now}
            self._versions.put(_sortable(key, number), version | document["versionTemplate"])
            self._keys.put(key, document | {"newest": number} | ({"primaryNumber": number} if primary else {}))
        return self.version(key, number) or {}

    def version(self, key: str, number: int) -> Document | None:
        """A CryptoKeyVersion resource, destroyed if its time has come; None when there is none."""
        with self._store.transaction():
            document = self._versions.get(_sortable(key, number))
            return None if document is None else self._aged(key, number, document)

    def versions(self, key: str, after: str, limit: int) -> list[tuple[str, Document]]:
        """(sort key, version) of a key, oldest first."""
        with self._store.transaction():
            self.key(key)
            found = self._versions.list(f"{key}/", after=after, limit=limit)
            return [(name, self._aged(key, int(name.rpartition("/")[2]), document)) for name, document in found]

    def change_version(self, key: str, number: int, fields: Document) -> Document:
        """Set fields of a version; a field that is None is cleared."""
        with self._store.transaction():
            document = (self._versions.get(_sortable(key, number)) or {}) | fields
            kept = {field: value for field, value in document.items() if value is not None}
            return self._versions.put(_sortable(key, number), kept)

    def in_seconds(self, delay: float) -> str:
        """The time `delay` seconds from now, as resources write it."""
        return timestamp(self._clock.time() + delay)

    def _existing(self, name: str) -> Document:
        document = self.key(name)
        if document is None:
            raise RuntimeError(f"{name} vanished while it was being changed")
        return document

    def _rotated(self, document: Document) -> Document:
        due = document.get("nextRotationTime")
        if due is None or "rotationPeriod" not in document or moment(due) > self._clock.time():
            return document
        name, period = document["name"], seconds(document["rotationPeriod"])
        missed = (self._clock.time() - moment(due)) // period
        self.add_version(name, primary=True)
        document = (self._keys.get(name) or {}) | {"nextRotationTime": timestamp(moment(due) + (missed + 1) * period)}
        return self._keys.put(name, document)

    def _aged(self, key: str, number: int, document: Document) -> Document:
        due = document.get("destroyTime")
        if document["state"] != "DESTROY_SCHEDULED" or due is None or moment(due) > self._clock.time():
            return document
        self.material.shred(document["name"])
        return self.change_version(
            key, number, {"state": "DESTROYED", "destroyTime": None, "destroyEventTime": self._clock.now()}
        )

    def _resource(self, document: Document) -> Document:
        number = document.get("primaryNumber")
        shown = {field: value for field, value in document.items() if field not in {"newest", "primaryNumber"}}
        return shown | ({"primary": self.version(document["name"], number)} if number else {})


def seconds(duration: str) -> float:
    """Seconds of a google.protobuf.Duration such as `86400s`."""
    return float(duration.removesuffix("s"))


def moment(time: str) -> float:
    """Seconds since the epoch of an RFC 3339 time.

    Raises:
        ApiError: 400 for a day or hour that does not exist; the front end has checked no more than the form.
    """
    try:
        return datetime.datetime.fromisoformat(time).timestamp()
    except ValueError:
        raise bad_request(f'Invalid value (type.googleapis.com/google.protobuf.Timestamp), "{time}"') from None


def _sortable(key: str, number: int) -> str:
    """Where a version is kept: numbers padded, so that 10 comes behind 9."""
    return f"{key}/{number:010d}"
