"""Where data and keys lie: in the region that the work is done in, and nowhere else.

https://cloud.google.com/vertex-ai/docs/general/cmek, https://cloud.google.com/storage/docs/locations
"""

from collections.abc import Sequence
from dataclasses import dataclass

from wif_pipelines.compliance.cloud import Cloud
from wif_pipelines.compliance.encryption import look_at_bucket, missing_bucket
from wif_pipelines.compliance.key_name import KeyName
from wif_pipelines.compliance.policy import Finding, unreadable
from wif_pipelines.errors import AccessDeniedError, NotFoundError


@dataclass(frozen=True)
class KeyInRegion:
    """The key lies in the region of what it encrypts; Vertex AI and regional buckets take no other.

    Attributes:
        key: The key's full name.
        region: The region of what it is to encrypt.
    """

    key: KeyName
    region: str

    def examine(self, cloud: Cloud) -> Sequence[Finding]:  # noqa: ARG002 - the name says it all
        """One finding at most; asks nobody, because a key's name tells its location."""
        if self.key.location == self.region:
            return []
        return [
            Finding(
                "key-other-region",
                str(self.key),
                f"The key {self.key} is in {self.key.location}, and what it is to encrypt is in {self.region}.",
                f"Use a key of {self.region}: gcloud kms keys list --location {self.region} "
                f"--keyring {self.key.ring} --project {self.key.project}",
            )
        ]


@dataclass(frozen=True)
class BucketInRegion:
    """The bucket lies in exactly this region; training refuses the data of multi-region buckets.

    Attributes:
        bucket: The bucket's name.
        region: The region.
    """

    bucket: str
    region: str

    def examine(self, cloud: Cloud) -> Sequence[Finding]:
        """One finding at most."""
        try:
            state = cloud.bucket(self.bucket)
        except NotFoundError:
            return [missing_bucket(self.bucket, self.region)]
        except AccessDeniedError as error:
            return [unreadable("bucket-unreadable", f"gs://{self.bucket}", error, look_at_bucket(self.bucket))]
        if state.regional and state.location == self.region:
            return []
        kind = "the region" if state.regional else "the multi-region"
        return [
            Finding(
                "bucket-other-region",
                self.bucket,
                f"gs://{self.bucket} lies in {kind} {state.location}, not in the region {self.region}.",
                "A bucket keeps its location, so use another: "
                f"gcloud storage buckets create gs://NAME --location={self.region} --uniform-bucket-level-access",
            )
        ]
