"""Which API a request means: hosts, versions, and how each authenticates."""

import re
from dataclasses import dataclass

from wif_pipelines.sandbox.google.descriptions import Description, Match, canonical_path, load


@dataclass(frozen=True)
class Api:
    """One Google API.

    Attributes:
        name: As in Google's descriptions.
        host: Matches the hosts that serve it (regional ones too).
        versions: Versions served, the first the default.
        authenticated: Whether a bearer token is needed (the token exchange needs none).
        lenient: Whether unknown query parameters are passed over, as Cloud Storage does.
    """

    name: str
    host: re.Pattern[str]
    versions: tuple[str, ...] = ("v1",)
    authenticated: bool = True
    lenient: bool = False

    @property
    def service(self) -> str:
        """The name under which Service Usage enables it."""
        return "storage.googleapis.com" if self.name == "storage" else f"{self.name}.googleapis.com"

    def find(self, verb: str, path: str) -> tuple[Description, Match] | None:
        """The method behind a raw path, with the description it stands in."""
        for version in self.versions:
            description = load(self.name, version)
            if found := description.find(verb, canonical_path(path)):
                return description, found
        return None


def _host(name: str) -> re.Pattern[str]:
    return re.compile(rf"(?:[a-z0-9-]+-)?{name}(?:\.[a-z0-9-]+\.rep)?\.googleapis\.com")


APIS = (
    Api("storage", re.compile(r"(?:(?:.+\.)?storage|www)\.googleapis\.com"), lenient=True),
    Api("sts", _host("sts"), authenticated=False),
    Api("iam", _host("iam")),
    Api("iamcredentials", _host("iamcredentials")),
    Api("cloudkms", _host("cloudkms")),
    Api("storagetransfer", _host("storagetransfer")),
    Api("aiplatform", _host("aiplatform"), versions=("v1", "v1beta1")),
    Api("logging", _host("logging"), versions=("v2",)),
    Api("serviceusage", _host("serviceusage")),
    Api("cloudresourcemanager", _host("cloudresourcemanager"), versions=("v3", "v1")),
    Api("pubsub", _host("pubsub")),
)


def api_of(host: str) -> Api | None:
    """The API that a host name serves, or None."""
    return next((api for api in APIS if api.host.fullmatch(host)), None)
