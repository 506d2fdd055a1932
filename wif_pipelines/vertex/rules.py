"""What Vertex AI accepts as a name, label, alias or place, so that a mistake is told before anything is launched.

Each function yields one sentence per problem and nothing when all is well; `refuse` turns them into one error.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta

from wif_pipelines.compliance import KeyName
from wif_pipelines.errors import ConfigurationError

_LABEL = re.compile(r"[\w-]{0,64}")
_MODEL_ID = re.compile(r"[a-z_][a-z0-9_-]{0,62}")
_ENDPOINT_ID = re.compile(r"[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?|[1-9][0-9]{0,8}")
_ALIAS = re.compile(r"[a-z][a-zA-Z0-9-]{0,126}[a-z0-9]")
_REGION = re.compile(r"[a-z]+(?:-[a-z]+)+[0-9]+")
_BUCKET = re.compile(r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]")
_IMAGE = re.compile(r"[a-z0-9.-]+(?::[0-9]+)?(?:/[a-z0-9._-]+)+(?::[\w.-]{1,128}|@sha256:[0-9a-f]{64})?")
_ACCOUNT = re.compile(r"[^@\s/]+@[^@\s/]+\.[^@\s/]+")
_ENVIRONMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_RESERVED = frozenset(
    {
        *("AIP_MODEL_DIR", "AIP_CHECKPOINT_DIR", "AIP_TENSORBOARD_LOG_DIR", "CLUSTER_SPEC", "TF_CONFIG"),
        *("AIP_HTTP_PORT", "AIP_HEALTH_ROUTE", "AIP_PREDICT_ROUTE", "AIP_STORAGE_URI"),
    }
)

MAX_TIMEOUT = timedelta(days=7)


def refuse(what: str, problems: Iterable[str]) -> None:
    """Raise one error that lists the problems, or return when there is none.

    Args:
        what: The spec concerned, as in "training spec 'diagnostics'".
        problems: One sentence each.

    Raises:
        ConfigurationError: When there is at least one problem. Nothing was sent to Google.
    """
    found = list(problems)
    if found:
        listed = "\n".join(f"  - {problem}" for problem in found)
        message = f"The {what} cannot be launched as it stands:\n{listed}"
        raise ConfigurationError(message, remedy="Correct the values named above; nothing was started.")


def display_name_problems(name: str) -> Iterator[str]:
    """Display names hold 1 to 128 characters."""
    if not 1 <= len(name) <= 128:
        yield f"display_name has {len(name)} characters; Vertex AI takes 1 to 128"


def label_problems(labels: Mapping[str, str]) -> Iterator[str]:
    """Keys and values: at most 64 characters of lower-case letters, digits, `_` and `-`; keys start with a letter.

    https://cloud.google.com/vertex-ai/docs/reference/rest/v1/projects.locations.customJobs (labels)
    """
    if len(labels) > 64:
        yield f"{len(labels)} labels; a resource holds at most 64"
    for key, value in labels.items():
        if not key or not key[0].isalpha() or not _is_label(key):
            yield f"label key {key!r}: at most 64 lower-case letters, digits, '_' or '-', starting with a letter"
        if not _is_label(value):
            yield f"value {value!r} of label {key!r}: at most 64 lower-case letters, digits, '_' or '-'"


def label_value(text: str) -> str:
    """The text as a label value: itself when it is one; otherwise lower-cased, replaced and kept distinct by a hash.

    The same text always gives the same value, and different texts give different values.
    """
    if _is_label(text):
        return text
    digest = hashlib.sha256(text.encode()).hexdigest()[:10]
    readable = re.sub(r"[^a-z0-9_-]+", "-", text.lower())[:50].strip("-")
    return f"{readable}-{digest}"


def model_id_problems(model_id: str) -> Iterator[str]:
    """`[a-z0-9_-]`, at most 63 characters, not starting with a digit or hyphen (UploadModelRequest.model_id)."""
    if not _MODEL_ID.fullmatch(model_id):
        yield f"model_id {model_id!r}: at most 63 of a-z, 0-9, '_' and '-', starting with a letter or '_'"


def endpoint_id_problems(endpoint_id: str) -> Iterator[str]:
    """A letter first and up to 63 of `[a-z0-9-]`, or up to 9 digits (CreateEndpointRequest.endpoint_id)."""
    if not _ENDPOINT_ID.fullmatch(endpoint_id):
        yield (
            f"endpoint_id {endpoint_id!r}: up to 63 of a-z, 0-9 and '-' from a letter to a letter or digit, "
            "or up to 9 digits without leading zeros"
        )


def alias_problems(aliases: Iterable[str]) -> Iterator[str]:
    """2 to 128 characters, `[a-z][a-zA-Z0-9-]{0,126}[a-z0-9]`, each once."""
    seen: set[str] = set()
    for alias in aliases:
        if not _ALIAS.fullmatch(alias):
            yield f"version alias {alias!r}: 2 to 128 letters, digits or '-', from a-z to a-z or 0-9"
        if alias in seen:
            yield f"version alias {alias!r} is named twice"
        seen.add(alias)


def region_problems(region: str) -> Iterator[str]:
    """One region such as `europe-west4`: Vertex AI has no multi-regions and no zones here."""
    if not _REGION.fullmatch(region):
        yield f"region {region!r} is not a Google Cloud region such as us-central1"


def gcs_problems(field: str, uri: str) -> Iterator[str]:
    """A `gs://bucket` URI, with or without a path. Does not look whether the bucket exists."""
    scheme, _, rest = uri.partition("://")
    bucket = rest.split("/", 1)[0]
    if scheme != "gs" or not _BUCKET.fullmatch(bucket):
        yield f"{field} {uri!r} is not of the form gs://bucket/path"


def key_problems(key: str | None, region: str | None = None) -> Iterator[str]:
    """A full CryptoKey name (not a version), in the resource's own region when that is given.

    https://cloud.google.com/vertex-ai/docs/general/cmek
    """
    if key is None:
        return
    try:
        location = KeyName.parse(key).location
    except ConfigurationError as error:
        yield f"kms_key {error.message} {error.remedy}"
        return
    if region is not None and location != region:
        yield f"kms_key is in {location}, but Vertex AI needs a key of the resource's own region, {region}"


def image_problems(field: str, image: str) -> Iterator[str]:
    """A registry path with an optional tag or digest. Does not look whether the image exists."""
    if not _IMAGE.fullmatch(image):
        yield f"{field} {image!r} is not a container image such as europe-docker.pkg.dev/project/repository/name:tag"


def account_problems(account: str | None) -> Iterator[str]:
    """A service account's e-mail address, or None."""
    if account is not None and not _ACCOUNT.fullmatch(account):
        yield f"service_account {account!r} is not an e-mail address such as trainer@project.iam.gserviceaccount.com"


def environment_problems(environment: Mapping[str, str]) -> Iterator[str]:
    """Names are C identifiers, at most 100; some belong to Vertex AI itself.

    https://cloud.google.com/vertex-ai/docs/training/code-requirements#environment-variables
    https://cloud.google.com/vertex-ai/docs/predictions/custom-container-requirements#aip-variables
    """
    if len(environment) > 100:
        yield f"{len(environment)} environment variables; a container takes at most 100"
    for name in environment:
        if not _ENVIRONMENT.fullmatch(name):
            yield f"environment variable {name!r} is not a name"
        elif name in _RESERVED:
            yield f"environment variable {name} is set by Vertex AI itself"


def replica_problems(minimum: int, maximum: int) -> Iterator[str]:
    """At least one replica, and not fewer at most than at least."""
    if minimum < 1:
        yield f"min_replicas is {minimum}; a deployment keeps at least 1"
    if maximum < minimum:
        yield f"max_replicas {maximum} is below min_replicas {minimum}"


def _is_label(text: str) -> bool:
    """International letters are allowed, so lower case is what the character's own case says."""
    return bool(_LABEL.fullmatch(text)) and text == text.lower()
