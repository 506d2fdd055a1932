"""The full name of a workload identity provider, which is also the audience of every exchange.

https://cloud.google.com/iam/docs/workload-identity-federation-with-other-clouds
"""

import re
from dataclasses import dataclass

from wif_pipelines.errors import ConfigurationError

_SHAPE = "//iam.googleapis.com/projects/PROJECT_NUMBER/locations/global/workloadIdentityPools/POOL/providers/PROVIDER"
_NAME = re.compile(
    r"(?:https?:)?(?://iam\.googleapis\.com/)?"
    r"projects/(?P<project>[^/]+)/locations/global/workloadIdentityPools/(?P<pool>[^/]+)/providers/(?P<provider>[^/]+)"
)
_ID = re.compile(r"(?!gcp-)[a-z0-9-]{4,32}")


@dataclass(frozen=True)
class ProviderName:
    """A provider of a workload identity pool.

    Attributes:
        project_number: Of the project that holds the pool; Google accepts no project id here.
        pool: The pool's id.
        provider: The provider's id.
    """

    project_number: str
    pool: str
    provider: str

    @classmethod
    def parse(cls, text: str) -> "ProviderName":
        """Read a provider's name, with or without ``https:`` or the service's host in front.

        Raises:
            ConfigurationError: The text is something else; the remedy says what it looks like and how to get it right.
        """
        match = _NAME.fullmatch(text.strip())
        if match is None:
            raise ConfigurationError(_misshapen(text), remedy=f"Give the provider's full name: {_SHAPE}")
        project, pool, provider = match.group("project", "pool", "provider")
        if not project.isdigit():
            raise ConfigurationError(
                f"The audience names the project by its id, {project!r}; Google's token service takes only the number.",
                remedy=f"gcloud projects describe {project} --format='value(projectNumber)'",
            )
        for kind, value in (("pool", pool), ("provider", provider)):
            if not _ID.fullmatch(value):
                raise ConfigurationError(
                    f"{value!r} cannot be the id of a workload identity {kind}.",
                    remedy="An id has 4 to 32 of a-z, 0-9 and '-', and does not begin with 'gcp-'.",
                )
        return cls(project, pool, provider)

    @property
    def pool_name(self) -> str:
        """The pool as IAM bindings name it, without ``//iam.googleapis.com/``."""
        return f"projects/{self.project_number}/locations/global/workloadIdentityPools/{self.pool}"

    @property
    def audience(self) -> str:
        """The audience of an exchange: the full resource name."""
        return f"//iam.googleapis.com/{self.pool_name}/providers/{self.provider}"


def _misshapen(text: str) -> str:
    if not text.strip():
        return "The audience is empty."
    if text.startswith(("principal:", "principalSet:")):
        return f"{text!r} is a principal, for IAM bindings; an audience names the provider that vouches for it."
    if "workforcePools" in text:
        return f"{text!r} is a workforce pool, which is for people; workloads use a workload identity pool."
    if "workloadIdentityPools" in text and "/providers/" not in text:
        return f"{text!r} names a pool; an audience names one provider of it."
    return f"{text!r} is no workload identity provider."
