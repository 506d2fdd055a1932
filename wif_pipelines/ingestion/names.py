"""From an S3 key to a Cloud Storage name: what may pass, what is refused, and which keys need the careful client.

Refusals come before anything starts, by name and with what to do. Cloud Storage's rules:
https://cloud.google.com/storage/docs/objects#naming
"""

from __future__ import annotations

import re

MAX_NAME_BYTES = 1024
RESERVED_PREFIX = ".well-known/acme-challenge/"

_REWRITTEN = re.compile(r"[\x00-\x1f\x7f]|//|^/|/$|(^|/)\.\.?(/|$)")


def destination_name(key: str, *, source_prefix: str = "", sink_prefix: str = "") -> str:
    """Join the sink's prefix and the part of the key after the source's prefix.

    Both prefixes are plain text, as in both clouds: give them their trailing `/` when folders are meant. A key equal to
    the source prefix (its folder's marker) keeps only the sink prefix, which may be empty and is then refused by
    `refusal`.
    """
    return sink_prefix + key.removeprefix(source_prefix)


def refusal(name: str) -> str | None:
    """Say why Cloud Storage cannot hold an object of this name and what to do, or `None` when it can."""
    try:
        encoded = name.encode("utf-8")
    except UnicodeEncodeError:
        return "the name is not valid Unicode; copy the object to a key of valid UTF-8"
    if not encoded:
        return "nothing is left of the name after the source prefix; shorten the source prefix or set a sink prefix"
    if len(encoded) > MAX_NAME_BYTES:
        return f"the name has {len(encoded)} bytes of UTF-8, of {MAX_NAME_BYTES}; shorten the key or the sink prefix"
    return _forbidden_text(name)


def _forbidden_text(name: str) -> str | None:
    if "\r" in name or "\n" in name:
        return "the name contains a carriage return or line feed; copy the object to a key without it"
    if name in {".", ".."}:
        return "Cloud Storage does not allow the names '.' and '..'; rename the object or set a sink prefix"
    if name.startswith(RESERVED_PREFIX):
        return f"Cloud Storage reserves names that begin with {RESERVED_PREFIX}; set a sink prefix"
    return None


def needs_careful_client(name: str) -> bool:
    """Whether obstore would rewrite or reject this path; boto3 and google-cloud-storage carry it unchanged.

    obstore normalises paths: empty, `.` and `..` segments, a leading or trailing `/`, and control characters.
    """
    return _REWRITTEN.search(name) is not None
