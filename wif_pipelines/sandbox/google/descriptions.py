"""Google's published API descriptions: which method a request means, and what it may say.

The descriptions (discovery documents) are the files that google-api-python-client ships; their format is described at
https://developers.google.com/discovery/v1/reference/apis. Nothing here is written from memory of the services.
"""

import functools
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any
from urllib.parse import unquote

Schema = Mapping[str, Any]

# Vertex AI serves its operations at /ui/ as well (google.cloud.aiplatform polls there); it is no other method.
_ALIASES = ((re.compile(r"^/ui/"), "/v1/"),)
_UPLOAD_PREFIXES = ("/upload/", "/resumable/upload/")


@dataclass(frozen=True)
class Method:
    """One RPC of a service.

    Attributes:
        id: Google's name, such as `storagetransfer.transferJobs.create`.
        verb: HTTP method.
        pattern: Matches the raw (still escaped) path; groups are the path parameters.
        parameters: Path and query parameters by name, in the description's own terms.
        body: Schema of the request's JSON body, or None.
        answer: Schema of the response's JSON body, or None.
        uploads: Whether the body may be media at the upload paths.
    """

    id: str
    verb: str
    pattern: re.Pattern[str]
    parameters: Mapping[str, Schema]
    body: Schema | None
    answer: Schema | None
    uploads: bool

    @property
    def custom_verb(self) -> str:
        """What follows the last colon of the path (`deployModel`), or nothing."""
        return _custom_verb(self.pattern.pattern.replace("\\:", ":"))


@dataclass(frozen=True)
class Match:
    """A request's method with its path parameters, unescaped; `upload` is true at the media upload paths."""

    method: Method
    path_params: dict[str, str]
    upload: bool


class Description:
    """One version of one API."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self.name: str = document["name"]
        self.title: str = document["title"]
        self.schemas: Mapping[str, Schema] = document.get("schemas", {})
        self.global_parameters: Mapping[str, Schema] = document.get("parameters", {})
        self._by_verb: dict[tuple[str, str], list[Method]] = {}
        for method in _methods(document, document["servicePath"]):
            self._by_verb.setdefault((method.verb, method.custom_verb), []).append(method)

    def find(self, verb: str, path: str) -> Match | None:
        """The method that `verb` and the raw `path` (without query) mean, or None."""
        upload = path.startswith(_UPLOAD_PREFIXES)
        for prefix in reversed(_UPLOAD_PREFIXES):
            path = path.removeprefix(prefix.rstrip("/")) if upload else path
        custom = _custom_verb(path)
        candidates = self._by_verb.get((verb, custom), ()) or self._by_verb.get((verb, ""), ())
        for method in candidates:
            if (upload <= method.uploads) and (found := method.pattern.fullmatch(path)):
                return Match(method, {_field(k): unquote(v) for k, v in found.groupdict().items()}, upload)
        return None


@functools.cache
def load(name: str, version: str) -> Description:
    """The description of an API, for example ("storage", "v1").

    Raises:
        FileNotFoundError: google-api-python-client ships no such description.
    """
    folder = resources.files("googleapiclient") / "discovery_cache" / "documents"
    return Description(json.loads((folder / f"{name}.{version}.json").read_bytes()))


def canonical_path(path: str) -> str:
    """The path under which the description knows a request."""
    for pattern, replacement in _ALIASES:
        path = pattern.sub(replacement, path)
    return path


def _methods(node: Mapping[str, Any], service_path: str) -> Iterator[Method]:
    for described in node.get("methods", {}).values():
        parameters = described.get("parameters", {})
        yield Method(
            id=described["id"],
            verb=described["httpMethod"],
            pattern=re.compile(_path_pattern(service_path + described["path"], parameters)),
            parameters=parameters,
            body=described.get("request"),
            answer=described.get("response"),
            uploads="mediaUpload" in described,
        )
    for resource in node.get("resources", {}).values():
        yield from _methods(resource, service_path)


def _path_pattern(template: str, parameters: Mapping[str, Schema]) -> str:
    """`v1/{+name}:cancel` as a regular expression over the raw path."""
    out = ["/"]
    for literal, plus, name in re.findall(r"([^{]*)(?:\{(\+?)([^}]+)\})?", template):
        out.append(re.escape(literal))
        if name:
            described = parameters.get(name, {}).get("pattern", "^.+$" if plus else "^[^/]+$")
            out.append(f"(?P<{_group(name)}>{described.removeprefix('^').removesuffix('$')})")
    return "".join(out)


def _group(field: str) -> str:
    return field.replace(".", "__dot__").replace("$", "__dollar__")


def _field(group: str) -> str:
    return group.replace("__dot__", ".").replace("__dollar__", "$")


def _custom_verb(path: str) -> str:
    found = re.search(r":([A-Za-z]+)$", path)
    return found[1] if found else ""
