"""What to do about what Vertex AI says, recognised by its words.

The texts are those that the service is known to answer; an unknown text keeps the remedy that its HTTP status suggests.
"""

import re

_QUOTA = (
    "Ask for more of the quota that the text names (console: IAM & Admin > Quotas, in this region), wait for running "
    "jobs to end, or choose another machine type or region."
)
_NO_MACHINES = (
    "Google has no such machine free in this region now: try again later, or choose another machine type or region, or "
    "the scheduling FLEX_START."
)
_KEY = (
    "Check that the key's primary version is enabled and in this region, and grant "
    "roles/cloudkms.cryptoKeyEncrypterDecrypter on it to "
    "service-PROJECT_NUMBER@gcp-sa-aiplatform.iam.gserviceaccount.com."
)
_NO_KEY = "The organisation demands a customer-managed key here: set kms_key on the job, the model and the endpoint."
_STORAGE = "Grant the service account that the text names roles/storage.objectUser on that bucket."
_BUCKET_REGION = "Use a bucket in the region of the job: multi-region and dual-region buckets do not work here."
_SERVER = (
    "The serving container did not come up: read its logs, and start the image locally with AIP_HTTP_PORT, "
    "AIP_HEALTH_ROUTE, AIP_PREDICT_ROUTE and AIP_STORAGE_URI set."
)
_ACT_AS = "Grant the caller roles/iam.serviceAccountUser on the service account that the text names."
_CODE = "The training code failed: read the job's logs; what it wrote last says why."
_MACHINE = (
    "Choose a machine and accelerator pair that this region offers: "
    "https://cloud.google.com/vertex-ai/docs/training/configure-compute."
)

_REMEDIES = (
    (r"quota metrics exceed quota limits|quota exceeded", _QUOTA),
    (r"does not have enough resources|resources are insufficient|stockout", _NO_MACHINES),
    (r"CryptoKey\b.*\bcannot be used|access to the CryptoKey|CryptoKey\b.*\bnot (enabled|found)", _KEY),
    (r"gcp\.restrictNonCmekServices", _NO_KEY),
    (r"does not have `?\[?storage\.", _STORAGE),
    (r"must be in the same regional location as the service", _BUCKET_REGION),
    (r"Model server (exited|never became ready|terminated)", _SERVER),
    (r"iam\.serviceAccounts\.actAs", _ACT_AS),
    (r"replica .*exited with a non-zero status", _CODE),
    (r"Machine type .* is not supported|accelerator.*not supported", _MACHINE),
)
_KNOWN = tuple((re.compile(pattern, re.IGNORECASE | re.DOTALL), remedy) for pattern, remedy in _REMEDIES)


def remedy_for(text: str) -> str | None:
    """The remedy for what Vertex AI said, or None when its words are not known."""
    return next((remedy for pattern, remedy in _KNOWN if pattern.search(text)), None)
