"""Resource names of Vertex AI, taken apart, and its times and keys made comparable.

A caller writes the project's id, Google answers with its number, so names are compared by what follows the project.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from wif_pipelines.errors import ConfigurationError

_NAME = re.compile(
    r"projects/(?P<project>[^/]+)/locations/(?P<region>[^/]+)/(?P<collection>[A-Za-z]+)/(?P<id>[^/@]+)(?:@(?P<version>[^/]+))?"
)


@dataclass(frozen=True)
class ResourceName:
    """``projects/P/locations/R/COLLECTION/ID`` with an optional ``@VERSION``.

    Attributes:
        project: Id or number, as it was written.
        region: Location of the resource.
        collection: Such as ``customJobs``, ``models`` or ``endpoints``.
        id: Final part, without the version.
        version: Version id or alias of a model, or None.
    """

    project: str
    region: str
    collection: str
    id: str
    version: str | None = None

    @classmethod
    def parse(cls, name: str) -> "ResourceName":
        """Take a name apart.

        Raises:
            ConfigurationError: When it is not of this form.
        """
        match = _NAME.fullmatch(name)
        if not match:
            message = f"{name!r} is not a Vertex AI resource name."
            raise ConfigurationError(message, remedy="Use the form projects/P/locations/R/COLLECTION/ID.")
        return cls(**match.groupdict())

    def __str__(self) -> str:
        """The name put together again."""
        version = f"@{self.version}" if self.version else ""
        return f"projects/{self.project}/locations/{self.region}/{self.collection}/{self.id}{version}"

    @property
    def unversioned(self) -> str:
        """The name without the version."""
        return f"projects/{self.project}/locations/{self.region}/{self.collection}/{self.id}"


def same_key(left: str | None, right: str | None) -> bool:
    """Whether two CryptoKey names mean the same key, even if one of them names a version of it."""
    return _key(left) == _key(right)


def _key(name: str | None) -> str:
    return (name or "").partition("/cryptoKeyVersions/")[0]


def plain_time(time: datetime | None) -> datetime | None:
    """A time of Google's libraries as a plain one in UTC, which can be pickled and compared without them."""
    return datetime.fromtimestamp(time.timestamp(), UTC) if time else None
