import pytest

from wif_pipelines.errors import AccessDeniedError, RemoteError, UnavailableError
from wif_pipelines.vertex.connection import explained
from wif_pipelines.vertex.remedies import remedy_for

QUOTA = (
    "The following quota metrics exceed quota limits: aiplatform.googleapis.com/custom_model_training_nvidia_t4_gpus"
)
KEY = (
    "Provided CryptoKey projects/p/locations/r/keyRings/k/cryptoKeys/c cannot be used in Vertex AI service. Please "
    "make sure the CryptoKey is enabled and Vertex AI service account "
    "`service-1@gcp-sa-aiplatform.iam.gserviceaccount.com` has Encryption and Decryption access to the CryptoKey."
)
STORAGE = (
    "Service account `x@p.iam.gserviceaccount.com` does not have `[storage.objects.get]` IAM permission(s) to the "
    "directory gs://b"
)
LOCATION = (
    "The Cloud Storage bucket of `gs://b` is in location `us`. It must be in the same regional location as the service "
    "location us-central1"
)
SERVER = "Model server exited unexpectedly. Model server logs can be found at https://console.cloud.google.com/x"


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        (QUOTA, "Ask for more of the quota"),
        (KEY, "roles/cloudkms.cryptoKeyEncrypterDecrypter"),
        ("Constraint `constraints/gcp.restrictNonCmekServices` violated for p", "set kms_key"),
        (STORAGE, "roles/storage.objectUser"),
        (LOCATION, "multi-region"),
        (SERVER, "AIP_STORAGE_URI"),
        ("The replica workerpool0-0 exited with a non-zero status of 2.", "training code failed"),
        ("Permission 'iam.serviceAccounts.actAs' denied on service account x", "roles/iam.serviceAccountUser"),
    ],
)
def test_known_texts_have_their_remedy(text: str, remedy: str) -> None:
    found = remedy_for(text)
    assert found is not None
    assert remedy in found


def test_unknown_texts_have_none() -> None:
    assert remedy_for("Something new.") is None


def test_the_services_words_decide_the_remedy_and_its_status_the_error() -> None:
    from google.api_core.exceptions import BadRequest, Forbidden, TooManyRequests

    with pytest.raises(UnavailableError) as quota, explained("launching"):
        raise TooManyRequests(QUOTA)
    assert "Ask for more of the quota" in quota.value.remedy
    assert quota.value.status == 429
    with pytest.raises(AccessDeniedError) as denied, explained("launching"):
        raise Forbidden("Permission 'aiplatform.customJobs.create' denied on resource '//x' (or it may not exist).")
    assert "aiplatform.customJobs.create" in denied.value.remedy
    with pytest.raises(RemoteError, match="While launching, the service answered 400: odd"), explained("launching"):
        raise BadRequest("odd")
