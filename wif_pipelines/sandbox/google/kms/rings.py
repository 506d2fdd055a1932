"""Locations, key rings, and the policies on rings and keys."""

from wif_pipelines.sandbox.google.access.policies import Policies
from wif_pipelines.sandbox.google.call import Call, Handlers
from wif_pipelines.sandbox.google.errors import already_exists, not_found
from wif_pipelines.sandbox.google.kms.calls import Calls, Document, chain
from wif_pipelines.sandbox.google.kms.rules import LOCATIONS, check_id, check_location

_LOCATION_METADATA = "type.googleapis.com/google.cloud.kms.v1.LocationMetadata"


class Rings:
    """Serves locations, key rings and IAM."""

    def __init__(self, calls: Calls, policies: Policies) -> None:
        self._calls = calls
        self._policies = policies

    def handlers(self) -> Handlers:
        """By method id."""
        rings = "cloudkms.projects.locations.keyRings"
        reads, administers = self._calls.reads, self._calls.administers
        served: Handlers = {
            "cloudkms.projects.locations.list": reads(self._list_locations),
            "cloudkms.projects.locations.get": reads(self._get_location),
            f"{rings}.create": administers("CreateKeyRing", self._create),
            f"{rings}.get": reads(self._get),
            f"{rings}.list": reads(self._list),
        }
        for resource in (rings, f"{rings}.cryptoKeys"):
            served |= {
                f"{resource}.getIamPolicy": reads(self._get_policy),
                f"{resource}.setIamPolicy": administers("SetIamPolicy", self._set_policy),
                f"{resource}.testIamPermissions": reads(self._test_permissions),
            }
        return served

    def _list_locations(self, call: Call) -> Document:
        project = self._calls.name(call)
        call.require("cloudkms.locations.list", project)
        listed = [(location, _location(project, location)) for location in LOCATIONS]
        return self._calls.page(
            call, "locations", lambda after, limit: [found for found in listed if found[0] > after][:limit]
        )

    def _get_location(self, call: Call) -> Document:
        name = self._calls.name(call)
        call.require("cloudkms.locations.get", *chain(name))
        project, _, location = name.partition("/locations/")
        check_location(location)
        return _location(project, location)

    def _create(self, call: Call) -> Document:
        parent = self._calls.name(call, "parent")
        call.require("cloudkms.keyRings.create", *chain(parent))
        check_location(parent.rpartition("/")[2])
        name = f"{parent}/keyRings/{check_id(call.params.get('keyRingId', ''), 'key_ring_id')}"
        if self._calls.vault.ring(name):
            raise already_exists(f"KeyRing {name} already exists.")
        return self._calls.vault.create_ring(name)

    def _get(self, call: Call) -> Document:
        name = self._calls.name(call)
        call.require("cloudkms.keyRings.get", *chain(name))
        ring = self._calls.vault.ring(name)
        if ring is None:
            raise not_found(f"KeyRing {name} not found.")
        return ring

    def _list(self, call: Call) -> Document:
        parent = self._calls.name(call, "parent")
        call.require("cloudkms.keyRings.list", *chain(parent))
        check_location(parent.rpartition("/")[2])
        return self._calls.page(call, "keyRings", lambda after, limit: self._calls.vault.rings(parent, after, limit))

    def _get_policy(self, call: Call) -> Document:
        name, kind = self._governed(call)
        call.require(f"cloudkms.{kind}.getIamPolicy", *chain(name))
        self._exists(name)
        return self._policies.get(name)

    def _set_policy(self, call: Call) -> Document:
        name, kind = self._governed(call)
        call.require(f"cloudkms.{kind}.setIamPolicy", *chain(name))
        self._exists(name)
        return self._policies.set(name, call.body.get("policy", {}))

    def _test_permissions(self, call: Call) -> Document:
        """Asks for no permission, and says nothing of what does not exist, as the real one."""
        name, _ = self._governed(call)
        asked = call.body.get("permissions", [])
        held = [permission for permission in asked if self._policies.allows(call.principal, permission, chain(name))]
        return {"permissions": held} if held else {}

    def _governed(self, call: Call) -> tuple[str, str]:
        name = self._calls.name(call, "resource")
        return name, "cryptoKeys" if "/cryptoKeys/" in name else "keyRings"

    def _exists(self, name: str) -> None:
        if "/cryptoKeys/" in name:
            self._calls.key(name)
        elif self._calls.vault.ring(name) is None:
            raise not_found(f"KeyRing {name} not found.")


def _location(project: str, location: str) -> Document:
    return {
        "name": f"{project}/locations/{location}",
        "locationId": location,
        "displayName": LOCATIONS[location],
        "labels": {"cloud.googleapis.com/region": location},
        "metadata": {"@type": _LOCATION_METADATA, "hsmAvailable": location != "global", "ekmAvailable": False},
    }
