"""One project, region and credential, and the clients that speak for them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

from wif_pipelines.errors import AccessDeniedError, RemoteError
from wif_pipelines.identity import CLOUD_PLATFORM, clients
from wif_pipelines.vertex import rules
from wif_pipelines.vertex.remedies import remedy_for
from wif_pipelines.wire import SYSTEM, Backoff, Clock, retrying
from wif_pipelines.wire.google_errors import is_transient, translated

if TYPE_CHECKING:
    from google.auth.credentials import Credentials
    from google.auth.transport.requests import AuthorizedSession
    from google.cloud import aiplatform_v1, storage

T = TypeVar("T")

REQUEST_TIMEOUT = 60.0
"""Seconds that one request may take; the generated clients would give up after 5."""


@dataclass(frozen=True)
class VertexConnection:
    """Vertex AI in one project and region, as seen by one credential.

    Making one sends nothing. The clients are made on first use and kept; they may be shared between threads.

    Attributes:
        project: Project id. Google answers with the project's number in resource names.
        region: Such as ``us-central1``.
        credentials: A `google.auth` credential; refreshed by the clients as needed, never logged.
        backoff: How often a request that may be repeated is repeated.
        clock: Whose time polling waits in.
    """

    project: str
    region: str
    credentials: "Credentials" = field(repr=False)
    backoff: Backoff = field(default_factory=Backoff)
    clock: Clock = SYSTEM

    def __post_init__(self) -> None:
        """Refuse a region that is none.

        Raises:
            ConfigurationError: The region is misspelt.
        """
        rules.refuse("connection to Vertex AI", rules.region_problems(self.region))

    @property
    def parent(self) -> str:
        """What jobs, models and endpoints are created under."""
        return f"projects/{self.project}/locations/{self.region}"

    @property
    def host(self) -> str:
        """The region's own address of the API."""
        return f"{self.region}-aiplatform.{self.credentials.universe_domain}"

    @cached_property
    def jobs(self) -> "aiplatform_v1.JobServiceClient":
        """The client for training jobs."""
        return clients.job_client(self.credentials, self.region)

    @cached_property
    def models(self) -> "aiplatform_v1.ModelServiceClient":
        """The client for the model registry."""
        return clients.model_client(self.credentials, self.region)

    @cached_property
    def endpoints(self) -> "aiplatform_v1.EndpointServiceClient":
        """The client that makes endpoints and deploys to them."""
        return clients.endpoint_client(self.credentials, self.region)

    @cached_property
    def predictions(self) -> "aiplatform_v1.PredictionServiceClient":
        """The client that asks endpoints."""
        return clients.prediction_client(self.credentials, self.region)

    @cached_property
    def storage(self) -> "storage.Client":
        """The Cloud Storage client, for what training wrote."""
        return clients.storage_client(self.credentials, self.project)

    @cached_property
    def session(self) -> "AuthorizedSession":
        """An authorised session of `requests`, for the few calls that the clients do not offer as documented."""
        from google.auth.credentials import with_scopes_if_required
        from google.auth.transport.requests import AuthorizedSession

        return AuthorizedSession(with_scopes_if_required(self.credentials, [CLOUD_PLATFORM]))

    def call(self, send: Callable[[], T], *, doing: str, repeatable: bool = True) -> T:
        """Send a request and tell a refusal in our words.

        Args:
            send: Sends it once.
            doing: What is being done; it follows "While".
            repeatable: Whether it may be sent again after a transient failure.

        Raises:
            AccessDeniedError: We may not do this.
            RemoteError: The service refused or did not answer; its subclasses tell which.
        """
        with explained(doing):
            if not repeatable:
                return send()
            return retrying(send, on=is_transient, backoff=self.backoff, clock=self.clock)


@contextmanager
def explained(doing: str) -> Iterator[None]:
    """As `wire.google_errors.translated`, with the remedy that Vertex AI's own words suggest where they are known.

    Raises:
        WifError: For every exception of Google's libraries.
    """
    try:
        with translated(doing):
            yield
    except (AccessDeniedError, RemoteError) as error:
        error.remedy = remedy_for(error.message) or error.remedy
        raise
