"""What Cloud KMS accepts of a caller: ids, purposes, rotation, update masks.

Sources: the API's description and https://cloud.google.com/kms/docs/reference/rest/v1/projects.locations.keyRings.cryptoKeys.
"""

import re
from typing import Any

from wif_pipelines.sandbox.google.errors import ApiError, bad_request
from wif_pipelines.sandbox.google.kms.vault import DAY, SYMMETRIC, moment, seconds

Document = dict[str, Any]
_ID = re.compile(r"[a-zA-Z0-9_-]{1,63}")
_HOUR = 3600
_LONGEST_PERIOD = 876_000 * _HOUR
_LONGEST_DESTRUCTION = 120 * DAY
_ALGORITHMS = {
    "ENCRYPT_DECRYPT": re.compile(SYMMETRIC),
    "RAW_ENCRYPT_DECRYPT": re.compile(r"AES_\d+_(GCM|CBC|CTR)"),
    "ASYMMETRIC_SIGN": re.compile(r"(RSA|EC|PQ)_SIGN_.+"),
    "ASYMMETRIC_DECRYPT": re.compile(r"RSA_DECRYPT_.+"),
    "MAC": re.compile(r"HMAC_.+"),
    "KEY_ENCAPSULATION": re.compile(r"(ML_)?KEM_.+"),
}
LOCATIONS = {
    "africa-south1": "Johannesburg",
    "asia": "Asia multi-region",
    "asia-east1": "Taiwan",
    "asia-northeast1": "Tokyo",
    "asia-south1": "Mumbai",
    "asia-southeast1": "Singapore",
    "australia-southeast1": "Sydney",
    "eu": "European Union multi-region",
    "europe": "Europe multi-region",
    "europe-north1": "Finland",
    "europe-southwest1": "Madrid",
    "europe-west1": "Belgium",
    "europe-west2": "London",
    "europe-west3": "Frankfurt",
    "europe-west4": "Netherlands",
    "europe-west6": "Zurich",
    "europe-west8": "Milan",
    "europe-west9": "Paris",
    "global": "Global",
    "me-west1": "Tel Aviv",
    "northamerica-northeast1": "Montreal",
    "northamerica-northeast2": "Toronto",
    "southamerica-east1": "Sao Paulo",
    "us": "United States multi-region",
    "us-central1": "Iowa",
    "us-east1": "South Carolina",
    "us-east4": "Northern Virginia",
    "us-east5": "Columbus",
    "us-south1": "Dallas",
    "us-west1": "Oregon",
    "us-west2": "Los Angeles",
    "us-west3": "Salt Lake City",
    "us-west4": "Las Vegas",
}


def check_location(location: str) -> None:
    """Refuse a location that Cloud KMS is not in.

    Raises:
        ApiError: 404.
    """
    if location not in LOCATIONS:
        text = (
            f"The request concerns location '{location}' but was sent to location 'global'. Either Cloud KMS is not "
            f"available in '{location}' or the request was misrouted."
        )
        raise ApiError(404, text)


def check_id(value: str, field: str) -> str:
    """An id that a caller chose for a ring or key.

    Raises:
        ApiError: 400.
    """
    if not _ID.fullmatch(value):
        text = f"Invalid {field}: it must match [a-zA-Z0-9_-]{{1,63}}."
        raise bad_request(text, (field, text))
    return value


def new_key(body: Document, now: float) -> Document:
    """The fields of a key that is to be created, with the algorithm and protection level that follow from its purpose.

    Args:
        body: A CryptoKey as sent.
        now: Seconds since the epoch.

    Raises:
        ApiError: 400 for what Cloud KMS refuses; 501 for protection that needs hardware.
    """
    purpose = body.get("purpose", "CRYPTO_KEY_PURPOSE_UNSPECIFIED")
    if purpose not in _ALGORITHMS:
        raise bad_request(
            "The CryptoKey purpose is not supported.", ("crypto_key.purpose", f"{purpose} is not supported.")
        )
    default = SYMMETRIC if purpose == "ENCRYPT_DECRYPT" else ""
    template = {"protectionLevel": "SOFTWARE", "algorithm": default} | body.get("versionTemplate", {})
    check_algorithm(purpose, template["algorithm"])
    if template["protectionLevel"] not in {"SOFTWARE", "HSM"}:
        raise ApiError(501, f"The local cloud keeps no keys with protection level {template['protectionLevel']}.")
    _check_destruction(body)
    check_rotation(body | {"purpose": purpose}, now)
    return body | {"versionTemplate": template}


def check_algorithm(purpose: str, algorithm: str) -> None:
    """Refuse an algorithm that does not serve the purpose.

    Raises:
        ApiError: 400.
    """
    if not _ALGORITHMS[purpose].fullmatch(algorithm):
        shown = algorithm or "CRYPTO_KEY_VERSION_ALGORITHM_UNSPECIFIED"
        text = f"The algorithm {shown} cannot be used with purpose {purpose}."
        raise bad_request(text, ("crypto_key.version_template.algorithm", text))


def check_rotation(key: Document, now: float) -> None:
    """Refuse a rotation that the key cannot have; both fields come together, or neither.

    Raises:
        ApiError: 400.
    """
    period, start = key.get("rotationPeriod"), key.get("nextRotationTime")
    if period is None and start is None:
        return
    if key["purpose"] != "ENCRYPT_DECRYPT":
        raise _bad("rotation_period", f"Automatic rotation is not supported for purpose {key['purpose']}.")
    if period is not None and not DAY <= seconds(period) <= _LONGEST_PERIOD:
        raise _bad(
            "rotation_period", "Invalid rotation period: it must be at least 24 hours and at most 876,000 hours."
        )
    if period is not None and start is None:
        raise _bad("next_rotation_time", "next_rotation_time must be set if rotation_period is set.")
    if start is not None and moment(start) <= now:
        raise _bad("next_rotation_time", "Invalid next rotation time: it must be in the future.")


def masked(mask: str, allowed: set[str]) -> list[str]:
    """The fields of an update mask, in camelCase.

    Raises:
        ApiError: 400, when it is empty or names a field that cannot be changed.
    """
    fields = [re.sub(r"_([a-z0-9])", lambda found: found[1].upper(), field) for field in mask.split(",") if field]
    if not fields:
        raise _bad("update_mask", "The update mask is required.")
    for field in fields:
        if field not in allowed:
            raise _bad("update_mask", f"The field '{field}' in the update mask is unknown or cannot be changed.")
    return fields


def _check_destruction(body: Document) -> None:
    period = body.get("destroyScheduledDuration")
    if period is not None and not DAY <= seconds(period) <= _LONGEST_DESTRUCTION:
        raise _bad("destroy_scheduled_duration", "The duration must be at least 24 hours and at most 120 days.")


def _bad(field: str, text: str) -> ApiError:
    return bad_request(text, (field, text))
