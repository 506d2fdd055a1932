"""Resource names of Cloud KMS, taken apart."""

import re
from dataclasses import dataclass

_NAME = re.compile(
    r"(?P<ring>projects/(?P<project>[^/]+)/locations/(?P<location>[^/]+)/keyRings/[^/]+)"
    r"/cryptoKeys/[^/]+(?:/cryptoKeyVersions/(?P<version>[1-9]\d*))?"
)


@dataclass(frozen=True)
class KeyName:
    """A key, or one version of it.

    Attributes:
        key: Full name of the CryptoKey, by project id.
        ring: Full name of its key ring.
        location: Such as `us-central1`.
        number: The version's number; None when the name means the key.
    """

    key: str
    ring: str
    location: str
    number: int | None

    @property
    def version(self) -> str | None:
        """Full name of the version; None when the name means the key."""
        return None if self.number is None else version_name(self.key, self.number)


def parse(name: str, project: str, project_number: str) -> KeyName | None:
    """The parts of `projects/…/cryptoKeys/…[/cryptoKeyVersions/…]`, or None when it is no such name.

    Args:
        name: As a caller wrote it; the project may be given by number.
        project: Id of the one project that exists.
        project_number: Its number.
    """
    found = _NAME.fullmatch(by_id(name, project, project_number))
    if found is None:
        return None
    number = found["version"]
    key = found[0].partition("/cryptoKeyVersions/")[0]
    return KeyName(key, found["ring"], found["location"], int(number) if number else None)


def by_id(name: str, project: str, project_number: str) -> str:
    """The name with the project by id, however the caller gave it."""
    prefix = f"projects/{project_number}"
    return f"projects/{project}" + name.removeprefix(prefix) if f"{name}/".startswith(f"{prefix}/") else name


def version_name(key: str, number: int) -> str:
    """Full name of a key's version."""
    return f"{key}/cryptoKeyVersions/{number}"
