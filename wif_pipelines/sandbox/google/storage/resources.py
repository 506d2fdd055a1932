"""Objects as the JSON API shows them, and what a caller may say of them."""

import base64
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from wif_pipelines.sandbox.google.errors import ApiError
from wif_pipelines.sandbox.google.storage.naming import check_storage_class
from wif_pipelines.sandbox.google.storage.record import ObjectRecord, Preconditions

HOST = "https://storage.googleapis.com"
_WRITABLE = (
    "cacheControl",
    "contentDisposition",
    "contentEncoding",
    "contentLanguage",
    "customTime",
    "eventBasedHold",
    "temporaryHold",
    "storageClass",
)


def object_resource(record: ObjectRecord) -> dict[str, Any]:
    """The JSON API's object resource."""
    path = f"storage/v1/b/{record.bucket}/o/{quote(record.name, safe='')}"
    generation = str(record.generation)
    resource: dict[str, Any] = {
        "kind": "storage#object",
        "id": f"{record.bucket}/{record.name}/{generation}",
        "selfLink": f"{HOST.replace('storage', 'www')}/{path}",
        "mediaLink": f"{HOST}/download/{path}?generation={generation}&alt=media",
        "name": record.name,
        "bucket": record.bucket,
        "generation": generation,
        "metageneration": str(record.metageneration),
        "size": str(record.size),
        "crc32c": record.crc32c,
        "etag": etag(record),
        "timeCreated": record.created,
        "updated": record.updated,
        "timeStorageClassUpdated": record.created,
        "timeFinalized": record.created,
        **record.attributes,
    }
    optional = {
        "contentType": record.content_type,
        "md5Hash": record.md5,
        "componentCount": record.component_count,
        "kmsKeyName": record.kms_key,
        "metadata": dict(record.metadata) or None,
        "timeDeleted": record.deleted,
    }
    return resource | {name: value for name, value in optional.items() if value is not None}


def etag(record: ObjectRecord) -> str:
    """What changes with each generation and metageneration: both numbers, as a protocol buffer in base64."""
    message = b"\x08" + _varint(record.generation) + b"\x10" + _varint(record.metageneration)
    return base64.b64encode(message).decode()


def written_fields(resource: Mapping[str, Any]) -> dict[str, Any]:
    """What `Objects.writer` takes, from an object resource that a caller sent; null fields are absent ones.

    Raises:
        ApiError: 400 for an unknown storage class.
    """
    attributes = {name: resource[name] for name in _WRITABLE if resource.get(name) is not None}
    check_storage_class(attributes.get("storageClass", "STANDARD"))
    return {
        "content_type": resource.get("contentType"),
        "metadata": {name: value for name, value in (resource.get("metadata") or {}).items() if value is not None},
        "attributes": attributes,
    }


def patched_fields(record: ObjectRecord, patch: Mapping[str, Any]) -> dict[str, Any]:
    """The metadata of `record` after a PATCH, where null removes.

    Raises:
        ApiError: 400.
    """
    changes: dict[str, Any] = {}
    if "contentType" in patch:
        changes["content_type"] = patch["contentType"]
    if "metadata" in patch:
        merged = {**record.metadata, **patch["metadata"]} if patch["metadata"] is not None else {}
        changes["metadata"] = {name: value for name, value in merged.items() if value is not None}
    attributes = {**record.attributes, **{name: patch[name] for name in _WRITABLE if name in patch}}
    changes["attributes"] = {name: value for name, value in attributes.items() if value is not None}
    check_storage_class(changes["attributes"].setdefault("storageClass", "STANDARD"))
    return changes


def preconditions(params: Mapping[str, Any], prefix: str = "if") -> Preconditions:
    """From query parameters; `prefix` is `ifSource` for those of a copy's source."""
    names = ("GenerationMatch", "GenerationNotMatch", "MetagenerationMatch", "MetagenerationNotMatch")
    values = (params.get(prefix + name) for name in names)
    return Preconditions(*(None if value is None else int(value) for value in values))


def generation_of(params: Mapping[str, Any], name: str = "generation") -> int | None:
    """A generation parameter as a number.

    Raises:
        ApiError: 400.
    """
    value = params.get(name)
    if value is None:
        return None
    if not str(value).isdigit():
        raise ApiError(400, f"Invalid value for {name}.", reason="invalid")
    return int(value)


def _varint(number: int) -> bytes:
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])
