import subprocess
import sys

import pytest

from wif_pipelines.identity import WorkloadIdentity, clients


def test_every_client_speaks_rest_as_whom_it_was_given(federated: WorkloadIdentity) -> None:
    credential = federated.google_credentials()
    for client in (clients.kms_client(credential), clients.transfer_client(credential)):
        assert client.transport.kind == "rest"
        assert client.transport._credentials is credential
    storage = clients.storage_client(credential, "a-project")
    assert (storage.project, storage._credentials) == ("a-project", credential)


@pytest.mark.parametrize("make", ["job_client", "model_client", "endpoint_client", "prediction_client"])
def test_vertex_is_regional(make: str, federated: WorkloadIdentity) -> None:
    client = getattr(clients, make)(federated.google_credentials(), "europe-west4")
    assert client.transport._host == "https://europe-west4-aiplatform.googleapis.com"
    assert client.transport.kind == "rest"


def test_another_universe_is_reached_by_its_own_names(federated: WorkloadIdentity) -> None:
    identity = WorkloadIdentity(**{**vars(federated), "universe_domain": "example-cloud.goog"})
    credential = identity.google_credentials()
    assert clients.job_client(credential, "r1").transport._host == "https://r1-aiplatform.example-cloud.goog"
    assert clients.kms_client(credential).transport._host == "https://cloudkms.example-cloud.goog"
    assert clients.storage_client(credential, "p").universe_domain == "example-cloud.goog"


def test_importing_identity_imports_no_sdk() -> None:
    code = (
        "import sys; before = set(sys.modules); import wif_pipelines.identity, wif_pipelines.compliance; "
        "heavy = ('google.auth', 'google.api_core', 'google.cloud.', 'boto', 'obstore', 'requests', 'dagster'); "
        "print([name for name in set(sys.modules) - before if name.startswith(heavy)])"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "[]"
