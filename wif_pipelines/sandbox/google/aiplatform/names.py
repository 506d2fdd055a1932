"""Resource names: callers write the project's id or number, the service answers with the number."""

import re
import secrets
from dataclasses import dataclass

from wif_pipelines.sandbox.google.access.policies import ancestors
from wif_pipelines.sandbox.google.call import Call
from wif_pipelines.sandbox.google.errors import ApiError, bad_request
from wif_pipelines.sandbox.world import World

_NAME = re.compile(r"projects/(?P<project>[^/]+)/locations/(?P<region>[^/]+)(?:/(?P<rest>.+))?")
_REGION = re.compile(r"[a-z]+(?:-[a-z]+)+\d+")
_HOST = re.compile(r"(?P<region>[a-z0-9-]+)-aiplatform\.googleapis\.com")
_GLOBAL_HOST_REGION = "us-central1"


@dataclass(frozen=True)
class Name:
    """One resource, or the location that holds it.

    Attributes:
        project: The project's id, as policies spell it.
        number: The project's number, as answers spell it.
        region: The location.
        rest: What follows the location; empty for the location itself. A model's version is no part of it.
        version: What follows `@`: a version's number or an alias.
    """

    project: str
    number: str
    region: str
    rest: str = ""
    version: str = ""

    def __str__(self) -> str:
        """As answers spell it, without the version."""
        return f"{self.location}/{self.rest}" if self.rest else self.location

    @property
    def location(self) -> str:
        """The location that holds it."""
        return f"projects/{self.number}/locations/{self.region}"

    @property
    def id(self) -> str:
        """The last part."""
        return self.rest.rpartition("/")[2]

    @property
    def chain(self) -> tuple[str, ...]:
        """The resource and everything above it that can carry a policy."""
        own = f"projects/{self.project}/locations/{self.region}"
        return ancestors(f"{own}/{self.rest}" if self.rest else own)

    def child(self, collection: str, child_id: str) -> "Name":
        """A resource below this one."""
        rest = f"{self.rest}/{collection}/{child_id}".lstrip("/")
        return Name(self.project, self.number, self.region, rest)


class Names:
    """Reads names in the world's terms."""

    def __init__(self, world: World) -> None:
        self._world = world

    def parse(self, name: str) -> Name:
        """Take a name apart.

        Raises:
            ApiError: 400, when it is not one of Vertex AI's.
        """
        found = _NAME.fullmatch(name)
        if not found or not _REGION.fullmatch(found["region"]):
            raise bad_request(f"Invalid resource name: {name}.", ("name", "Invalid resource name."))
        ours = found["project"] in (self._world.project, self._world.project_number)
        project, number = (self._world.project, self._world.project_number) if ours else (found["project"],) * 2
        rest, _, version = (found["rest"] or "").partition("@")
        return Name(project, number, found["region"], rest, version)

    def of(self, call: Call) -> Name:
        """The resource (or parent) that a call names, at the host that is responsible for it.

        Raises:
            ApiError: 400, when it is asked at the host of another region.
        """
        text = call.params.get("name") or call.params.get("parent") or call.params["endpoint"]
        name = self.parse(text)
        host = call.request.url.host or ""
        found = _HOST.fullmatch(host)
        served = found["region"] if found else _GLOBAL_HOST_REGION
        if served != name.region:
            told = (
                f"The location of the resource `{text}` is `{name.region}`, which is not served by `{host}`. "
                f"Please use the endpoint `{name.region}-aiplatform.googleapis.com`."
            )
            raise ApiError(400, told)
        return name


def new_id() -> str:
    """A numeric id of 19 digits, as the service gives them."""
    return str(10**18 + secrets.randbelow(9 * 10**18))


def new_etag() -> str:
    """An opaque mark of one state of a resource."""
    return "AMEw9y" + secrets.token_urlsafe(24)
