"""Clients of Google's services that are handed their credential, never left to find one.

All speak REST, which passes proxies and shows in their logs; `google.auth.default` is asked for nothing, because on
a federated workload it would ask Resource Manager for the project and may not be told. A client is made in milliseconds
once its library is imported (aiplatform: a second), touches no network, and may be shared between threads.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from google.auth.credentials import Credentials
    from google.cloud import aiplatform_v1, kms, storage, storage_transfer


def storage_client(credentials: "Credentials", project: str) -> "storage.Client":
    """Cloud Storage; the project is where buckets are listed and made."""
    from google.cloud import storage

    return storage.Client(project=project, credentials=credentials, client_options=_options(credentials))


def kms_client(credentials: "Credentials") -> "kms.KeyManagementServiceClient":
    """Cloud KMS."""
    from google.cloud import kms

    return kms.KeyManagementServiceClient(
        credentials=credentials, transport="rest", client_options=_options(credentials)
    )


def transfer_client(credentials: "Credentials") -> "storage_transfer.StorageTransferServiceClient":
    """Storage Transfer Service."""
    from google.cloud import storage_transfer

    return storage_transfer.StorageTransferServiceClient(
        credentials=credentials, transport="rest", client_options=_options(credentials)
    )


def job_client(credentials: "Credentials", region: str) -> "aiplatform_v1.JobServiceClient":
    """Vertex AI's training jobs in a region."""
    from google.cloud import aiplatform_v1

    return aiplatform_v1.JobServiceClient(**_regional(credentials, region))


def model_client(credentials: "Credentials", region: str) -> "aiplatform_v1.ModelServiceClient":
    """Vertex AI's model registry in a region."""
    from google.cloud import aiplatform_v1

    return aiplatform_v1.ModelServiceClient(**_regional(credentials, region))


def endpoint_client(credentials: "Credentials", region: str) -> "aiplatform_v1.EndpointServiceClient":
    """Vertex AI's endpoints in a region: making them and deploying to them."""
    from google.cloud import aiplatform_v1

    return aiplatform_v1.EndpointServiceClient(**_regional(credentials, region))


def prediction_client(credentials: "Credentials", region: str) -> "aiplatform_v1.PredictionServiceClient":
    """Vertex AI's endpoints in a region: asking them."""
    from google.cloud import aiplatform_v1

    return aiplatform_v1.PredictionServiceClient(**_regional(credentials, region))


def _regional(credentials: "Credentials", region: str) -> dict[str, Any]:
    endpoint = f"{region}-aiplatform.{credentials.universe_domain}"
    options = {**_options(credentials), "api_endpoint": endpoint}
    return {"credentials": credentials, "transport": "rest", "client_options": options}


def _options(credentials: "Credentials") -> dict[str, str]:
    return {"universe_domain": credentials.universe_domain}
