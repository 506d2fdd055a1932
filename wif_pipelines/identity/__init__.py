"""Who we are: where the workload lives, what proves it, whom it becomes on Google Cloud, and the record of that.

`WorkloadIdentity` is the way in. It gives one google-auth credential for every Google client (`clients`), and the
boto3 session for S3. `audit` tells who became whom.
"""

from wif_pipelines.identity import clients
from wif_pipelines.identity.audit import ExchangeRecord, listening, subscribe
from wif_pipelines.identity.aws import Caller
from wif_pipelines.identity.provider import ProviderName
from wif_pipelines.identity.sharing import forget
from wif_pipelines.identity.tokens import AccessToken
from wif_pipelines.identity.workload import CLOUD_PLATFORM, WorkloadIdentity

__all__ = [
    "CLOUD_PLATFORM",
    "AccessToken",
    "Caller",
    "ExchangeRecord",
    "ProviderName",
    "WorkloadIdentity",
    "clients",
    "forget",
    "listening",
    "subscribe",
]
