"""Reads JSON by an API description: refuses what Google's front end refuses, and hands services one spelling.

The front end's rules are those of proto3 JSON (https://protobuf.dev/programming-guides/json/): camelCase or the
original snake_case names, enums by name or number, int64 as string or number. Its texts were taken from real answers.
"""

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Any

from wif_pipelines.sandbox.google.descriptions import Description, Schema
from wif_pipelines.sandbox.google.enum_numbers import KEY_ALGORITHMS, KEY_STATES
from wif_pipelines.sandbox.google.errors import ApiError, bad_request

_INTEGERS = {"int32", "uint32", "int64", "uint64"}
_TYPE_NAMES = {
    "int32": "TYPE_INT32",
    "uint32": "TYPE_UINT32",
    "int64": "TYPE_INT64",
    "uint64": "TYPE_UINT64",
    "double": "TYPE_DOUBLE",
    "float": "TYPE_FLOAT",
    "byte": "TYPE_BYTES",
    "boolean": "TYPE_BOOL",
    "string": "TYPE_STRING",
}
_FORMATS = {
    "google-datetime": (
        "type.googleapis.com/google.protobuf.Timestamp",
        re.compile(r"\d{4}-\d\d-\d\dT.+(Z|[+-]\d\d:\d\d)"),
    ),
    "google-duration": ("type.googleapis.com/google.protobuf.Duration", re.compile(r"-?\d+(\.\d{1,9})?s")),
}
# A description lists an enum's names in order, not its numbers; where a published proto skips numbers, they are here.
_ENUM_NUMBERS = KEY_ALGORITHMS | {
    "ASYMMETRIC_SIGN": 5,
    "ASYMMETRIC_DECRYPT": 6,
    "RAW_ENCRYPT_DECRYPT": 7,
    "MAC": 9,
    "KEY_ENCAPSULATION": 10,
    "GOOGLE_SYMMETRIC_ENCRYPTION": 1,
    "NVIDIA_L4": 11,
    "TPU_V4_POD": 10,
    "NVIDIA_A100_80GB": 9,
    "NVIDIA_TESLA_A100": 8,
    "NVIDIA_TESLA_T4": 5,
    "NVIDIA_TESLA_V100": 3,
    "NVIDIA_TESLA_P4": 4,
    "NVIDIA_TESLA_P100": 2,
    "NVIDIA_TESLA_K80": 1,
    "TPU_V2": 6,
    "TPU_V3": 7,
    "NVIDIA_H100_80GB": 13,
    "TPU_V5_LITEPOD": 12,
}


class Reader:
    """Checks and normalises values against one API's schemas.

    Args:
        description: The API.
        answers: True to check what we answer: output-only fields are then kept, and nothing is required.
    """

    def __init__(self, description: Description, *, answers: bool = False) -> None:
        self._schemas = description.schemas
        self._service = description.name
        self._answers = answers

    def read(self, value: Any, schema: Schema, *, partial: bool = False) -> Any:
        """The value in canonical form: camelCase names, enum names, int64 as strings, output-only fields dropped.

        Args:
            value: Parsed JSON.
            schema: What it must be, as the description has it.
            partial: True for a PATCH, where required fields may be missing.

        Raises:
            ApiError: 400, with the front end's text and the field's path.
        """
        return self._value(value, schema, "", partial)

    def _value(self, value: Any, schema: Schema, path: str, partial: bool) -> Any:
        if "$ref" in schema:
            schema = self._schemas[schema["$ref"]]
        match schema.get("type"):
            case "any" | None:
                return value
            case "object":
                return self._object(value, schema, path, partial)
            case "array":
                if not isinstance(value, list):
                    raise _invalid(path, _proto_type(schema["items"]), value)
                return [self._value(v, schema["items"], f"{path}[{i}]", partial) for i, v in enumerate(value)]
            case _:
                return scalar(value, schema, path)

    def _object(self, value: Any, schema: Schema, path: str, partial: bool) -> Any:
        if not isinstance(value, dict):
            raise _invalid(path, schema.get("id", "Map"), value)
        if "properties" not in schema:
            items = schema.get("additionalProperties", {"type": "any"})
            removable = partial and self._service == "storage"
            return {
                k: None if v is None and removable else self._value(v, items, f"{path}[{k}]" if path else k, partial)
                for k, v in value.items()
            }
        known: Mapping[str, Schema] = schema["properties"]
        out: dict[str, Any] = {}
        for name, item in value.items():
            field = name if name in known else _camel_case(name)
            if field not in known:
                raise _unknown(name, path)
            if item is None and partial and self._service == "storage":
                out[field] = None  # Cloud Storage takes a PATCH by its body alone, where null means: remove
                continue
            if item is None or (known[field].get("readOnly") and not self._answers):
                continue
            out[field] = self._value(item, known[field], f"{path}.{name}" if path else name, partial)
        if not (partial or self._answers):
            self._require(out, known, path)
        return out

    def _require(self, value: dict[str, Any], known: Mapping[str, Schema], path: str) -> None:
        for name, schema in known.items():
            if name in value or not _is_required(schema):
                continue
            field = _snake_case(f"{path}.{name}" if path else name)
            if self._service == "aiplatform":
                text = f"List of found errors:\t1.Field: {field}; Message: Required field is not set.\t"
                raise bad_request(text, (field, "Required field is not set."))
            raise bad_request("Request contains an invalid argument.", (field, "Required field is not set."))


def scalar(value: Any, schema: Schema, path: str) -> Any:
    """One string, number, boolean or enum in canonical form.

    Raises:
        ApiError: 400 with the front end's text.
    """
    kind, form = schema["type"], schema.get("format", "")
    if "enum" in schema:
        return _enum(value, schema, path)
    if form in _INTEGERS:
        return _integer(value, form, path)
    if kind in ("number", "integer"):
        return _number(value, form or "double", path)
    if kind == "boolean":
        return _boolean(value, path)
    if not isinstance(value, str):
        raise _invalid(path, "TYPE_STRING", value)
    if form == "byte":
        _bytes(value, path)
    elif form in _FORMATS and not _FORMATS[form][1].fullmatch(value):
        raise _invalid(path, _FORMATS[form][0], value, "Illegal format")
    return value


def _enum(value: Any, schema: Schema, path: str) -> str:
    names: list[str] = schema["enum"]
    if isinstance(value, str) and value in names:
        return value
    number = int(value) if isinstance(value, int) or (isinstance(value, str) and value.isdigit()) else None
    numbers = KEY_STATES if "PENDING_GENERATION" in names else _ENUM_NUMBERS
    for index, name in enumerate(names):
        if number is not None and numbers.get(name, index) == number:
            return name
    raise _invalid(path, "TYPE_ENUM", value)


def _integer(value: Any, form: str, path: str) -> int | str:
    if isinstance(value, bool) or not re.fullmatch(r"-?\d+(\.0+)?", str(value)):
        raise _invalid(path, _TYPE_NAMES[form], value)
    number = int(float(value)) if "." in str(value) else int(value)
    bits = int(form[-2:])
    low, high = (0, 2**bits) if form.startswith("u") else (-(2 ** (bits - 1)), 2 ** (bits - 1))
    if not low <= number < high:
        raise _invalid(path, _TYPE_NAMES[form], value)
    return str(number) if bits == 64 else number


def _number(value: Any, form: str, path: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise _invalid(path, _TYPE_NAMES.get(form, "TYPE_DOUBLE"), value)
    try:
        return float(value) if not isinstance(value, int) else value
    except ValueError:
        raise _invalid(path, _TYPE_NAMES.get(form, "TYPE_DOUBLE"), value) from None


def _boolean(value: Any, path: str) -> bool:
    if isinstance(value, bool):
        return value
    if value in ("true", "True", "false", "False"):  # clients write query parameters either way
        return bool(value in ("true", "True"))
    raise _invalid(path, "TYPE_BOOL", value)


def _bytes(value: str, path: str) -> None:
    try:
        base64.b64decode(value.replace("-", "+").replace("_", "/") + "=" * (-len(value) % 4), validate=True)
    except binascii.Error:
        raise _invalid(path, "TYPE_BYTES", value, "Base64 decoding failed for") from None


def _is_required(schema: Schema) -> bool:
    """Whether an absent field is refused; an absent number or boolean is proto3's default, and so cannot be told."""
    if schema.get("readOnly") or schema.get("type") in ("integer", "number", "boolean") or "format" in schema:
        return False
    return bool(re.match(r"required\b(?! if| for| when| only)", schema.get("description", ""), re.IGNORECASE))


def _invalid(path: str, proto_type: str, value: Any, words: str = "") -> ApiError:
    shown = (
        f'"{value}"'
        if isinstance(value, str)
        else ("Starting an object on a scalar field" if isinstance(value, dict) else value)
    )
    where = f" at '{_snake_case(path)}'" if path else ""
    text = f"Invalid value{where} ({proto_type}), {words + ' ' if words else ''}{shown}"
    return bad_request(text, (_snake_case(path), text))


def _unknown(name: str, path: str) -> ApiError:
    where = f" at '{_snake_case(path)}'" if path else ""
    text = f'Invalid JSON payload received. Unknown name "{name}"{where}: Cannot find field.'
    return bad_request(text, (_snake_case(path), text))


def _proto_type(schema: Schema) -> str:
    return str(schema.get("$ref") or _TYPE_NAMES.get(schema.get("format", schema.get("type", "")), "TYPE_STRING"))


def _camel_case(name: str) -> str:
    return re.sub(r"_([a-z0-9])", lambda found: found[1].upper(), name)


def _snake_case(path: str) -> str:
    return re.sub(r"(?<=[a-z0-9])([A-Z])", lambda found: "_" + found[1].lower(), path)
