"""Names of buckets and objects, and where buckets are.

https://cloud.google.com/storage/docs/buckets#naming, https://cloud.google.com/storage/docs/objects#naming and
https://cloud.google.com/storage/docs/locations.
"""

import re

from wif_pipelines.sandbox.google.errors import ApiError

_BUCKET = re.compile(r"(?!goog)(?!\d+\.\d+\.\d+\.\d+$)[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]")
_REGION = re.compile(r"[A-Z]+-[A-Z]+\d+")
_MULTI_REGIONS = {"US", "EU", "ASIA"}
_DUAL_REGIONS = {"ASIA1", "EUR4", "EUR5", "EUR7", "EUR8", "NAM4"}
_STORAGE_CLASSES = {"STANDARD", "NEARLINE", "COLDLINE", "ARCHIVE", "MULTI_REGIONAL", "REGIONAL"}


def check_bucket_name(name: str) -> None:
    """Refuse what cannot name a bucket.

    Raises:
        ApiError: 400.
    """
    labels = name.split(".")
    too_long = any(len(label) > 63 for label in labels) or ("." not in name and len(name) > 63)
    if not _BUCKET.fullmatch(name) or too_long or "" in labels or "google" in name:
        raise ApiError(400, f"Invalid bucket name: '{name}'", reason="invalid")


def check_object_name(name: str) -> None:
    """Refuse what cannot name an object.

    Raises:
        ApiError: 400.
    """
    if not name:
        raise ApiError(400, "Required", reason="required")
    if len(name.encode(errors="surrogatepass")) > 1024:
        text = "The specified object name is longer than the maximum length of 1024 bytes when encoded in UTF-8."
        raise ApiError(400, text, reason="invalid")
    if name in (".", "..") or "\r" in name or "\n" in name or name.startswith(".well-known/acme-challenge/"):
        raise ApiError(400, f"Invalid object name: '{name}'".encode("unicode_escape").decode(), reason="invalid")


def location_type(location: str) -> str:
    """`region`, `dual-region` or `multi-region` of an upper-case location.

    Raises:
        ApiError: 400.
    """
    if location in _MULTI_REGIONS:
        return "multi-region"
    if location in _DUAL_REGIONS:
        return "dual-region"
    if _REGION.fullmatch(location):
        return "region"
    raise ApiError(400, "The specified location constraint is not valid.", reason="invalid")


def check_storage_class(name: str) -> None:
    """Refuse an unknown storage class.

    Raises:
        ApiError: 400.
    """
    if name not in _STORAGE_CLASSES:
        raise ApiError(400, "Invalid argument.", reason="invalid")
