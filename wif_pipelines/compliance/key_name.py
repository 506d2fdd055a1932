"""The full name of a KMS key, taken apart."""

import re
from dataclasses import dataclass

from wif_pipelines.errors import ConfigurationError

_NAME = re.compile(
    r"projects/(?P<project>[^/]+)/locations/(?P<location>[^/]+)/keyRings/(?P<ring>[^/]+)/cryptoKeys/(?P<key>[^/]+)"
)


@dataclass(frozen=True)
class KeyName:
    """A key of Cloud KMS; artefacts name the key, and KMS picks its primary version.

    Attributes:
        project: The project's id or number.
        location: A region, a multi-region or ``global``.
        ring: The key ring.
        key: The key.
    """

    project: str
    location: str
    ring: str
    key: str

    @classmethod
    def parse(cls, text: str) -> "KeyName":
        """Read a key's full name.

        Raises:
            ConfigurationError: It is something else, such as the name of one version.
        """
        match = _NAME.fullmatch(text)
        if match is None:
            hint = "names one version; artefacts take the key itself" if "/cryptoKeyVersions/" in text else "is no key"
            raise ConfigurationError(
                f"{text!r} {hint}.",
                remedy="A key is named projects/PROJECT/locations/REGION/keyRings/RING/cryptoKeys/KEY.",
            )
        return cls(*match.group("project", "location", "ring", "key"))

    def __str__(self) -> str:
        """The full name."""
        return f"projects/{self.project}/locations/{self.location}/keyRings/{self.ring}/cryptoKeys/{self.key}"

    @property
    def options(self) -> str:
        """What `gcloud kms keys` takes after the key's short name to find its ring."""
        return f"--keyring {self.ring} --location {self.location} --project {self.project}"
