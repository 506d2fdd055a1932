"""What the environment says: the only place in the product that reads it.

Only what no argument can carry is here, because another program set it: the platform's region, and a credential file
that somebody may have left in the environment. Everything else is configuration and comes as arguments.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Settings:
    """The environment's answers; an empty variable counts as absent.

    Attributes:
        aws_region: ``AWS_REGION``, then ``AWS_DEFAULT_REGION``. botocore alone ignores the first, which is the one that
            Lambda, ECS and EKS set.
        google_application_credentials: Where ``GOOGLE_APPLICATION_CREDENTIALS`` points.
    """

    aws_region: str | None = None
    google_application_credentials: Path | None = None

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> "Settings":
        """Read now, not at import: a test or a launcher may have changed the environment since."""
        credentials = environ.get("GOOGLE_APPLICATION_CREDENTIALS", "")
        return cls(
            aws_region=environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION") or None,
            google_application_credentials=Path(credentials) if credentials else None,
        )
