"""Container images as local commands: an image that nobody registered does not exist."""

import json
import re
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wif_pipelines.sandbox.world import World

_EXAMPLES = Path(__file__).parents[4] / "examples"
_VARIABLE = re.compile(r"\$\$|\$\(([A-Za-z_]\w*)\)")


@dataclass(frozen=True)
class Image:
    """What stands for an image on this machine.

    Attributes:
        command: Its entry point.
        args: Its default arguments (Docker's CMD).
        environment: Its variables.
        cwd: Where its process starts; None for an empty directory of its own.
    """

    command: Sequence[str]
    args: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    cwd: str | None = None

    def line(self, command: Sequence[str], args: Sequence[str], variables: Mapping[str, str]) -> list[str]:
        """The command line when a container spec overrides parts of it, with `$(VARIABLE)` replaced as the docs say.

        https://cloud.google.com/vertex-ai/docs/reference/rest/v1/ModelContainerSpec
        """
        defaults = () if command else self.args
        return [_expanded(part, variables) for part in (*(command or self.command), *(args or defaults))]


class Images:
    """The table: what this project's examples offer, and what was registered in `images.json`, which wins."""

    def __init__(self, directory: Path, world: World) -> None:
        self._path = directory / "images.json"
        self._seeded = _examples(world)

    def find(self, uri: str) -> Image | None:
        """The image of a URI; None when there is none."""
        entry = self._registered().get(uri)
        return _image(entry) if entry is not None else self._seeded.get(uri)

    def register(self, uri: str, entry: Mapping[str, Any]) -> None:
        """Let a URI stand for a command: {"command": [...], "args": [...], "cwd": ..., "environment": {...}}.

        Raises:
            ValueError: when the entry is of another form.
        """
        _image(entry)
        fresh = self._path.with_suffix(".new")
        fresh.write_text(json.dumps({**self._registered(), uri: dict(entry)}, indent=2) + "\n")
        fresh.replace(self._path)

    def _registered(self) -> dict[str, Any]:
        try:
            table: dict[str, Any] = json.loads(self._path.read_text())
        except FileNotFoundError:
            return {}
        return table


def _image(entry: Mapping[str, Any]) -> Image:
    unknown = set(entry) - {"command", "args", "cwd", "environment"}
    command, args, environment = entry.get("command"), entry.get("args", []), entry.get("environment", {})
    lists = all(isinstance(part, list) and all(isinstance(word, str) for word in part) for part in (command, args))
    if unknown or not lists or not command or not isinstance(environment, dict):
        text = "An image is {command: [...], args: [...], cwd: ..., environment: {...}} with at least a command."
        raise ValueError(text)
    return Image(command, args, {str(name): str(value) for name, value in environment.items()}, entry.get("cwd"))


def _examples(world: World) -> dict[str, Image]:
    """This project's own images, when its examples are here (an installed wheel has none)."""
    dockerfile = _EXAMPLES / "diagnostics" / "Dockerfile"
    if not dockerfile.exists():
        return {}
    entries = _entry_points(dockerfile.read_text())
    # The image listens on all addresses, for its container is its own; here that would open a port to the network.
    environment = {"PYTHONPATH": str(_EXAMPLES), "PYTHONUNBUFFERED": "1", "DIAGNOSTICS_HOST": "127.0.0.1"}
    targets = {world.training_image: "train", world.serving_image: "serve"}
    return {uri: Image(entries[target], (), environment) for uri, target in targets.items() if target in entries}


def _entry_points(dockerfile: str) -> dict[str, list[str]]:
    """Entry points of a Dockerfile by the targets that define them; `python` is this interpreter."""
    found: dict[str, list[str]] = {}
    target = ""
    for line in dockerfile.splitlines():
        words = shlex.split(line, comments=True) if not line.startswith("ENTRYPOINT") else ["ENTRYPOINT"]
        if words[:1] == ["FROM"] and len(words) == 4:
            target = words[3]
        elif words[:1] == ["ENTRYPOINT"]:
            command = json.loads(line.removeprefix("ENTRYPOINT"))
            found[target] = [sys.executable if word == "python" else word for word in command]
    return found


def _expanded(text: str, variables: Mapping[str, str]) -> str:
    def replaced(match: re.Match[str]) -> str:
        return "$" if match[1] is None else variables.get(match[1], match[0])

    return _VARIABLE.sub(replaced, text)
