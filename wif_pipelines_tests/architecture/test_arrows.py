"""Imports run one way, down: the rooms of the house and the arrows that are allowed between them."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import wif_pipelines

HOUSE = Path(wif_pipelines.__file__).parent
# A room may import the rooms that it names here, and those that they may import.
FLOORS: dict[str, set[str]] = {
    "errors": set(),
    "settings": set(),
    "wire": {"errors"},
    "identity": {"wire", "settings"},
    "compliance": {"identity"},
    "ingestion": {"compliance"},
    "vertex": {"compliance"},
    "orchestration": {"ingestion", "vertex"},
    "components": {"orchestration"},
    "defs": {"components"},
    "definitions": {"components", "defs"},
    "sandbox": set(),
    "demo": {"definitions", "sandbox"},
    "cli": {"demo"},
}
DAGSTER_ROOMS = {"orchestration", "components", "defs", "definitions", "demo"}
ENVIRONMENT_READERS = {"settings", "demo", "sandbox"}


def _files() -> Iterator[tuple[str, Path]]:
    for path in sorted(HOUSE.rglob("*.py")):
        room = path.relative_to(HOUSE).parts[0].removesuffix(".py")
        if room != "__init__":
            yield room, path


def _imports(path: Path) -> Iterator[tuple[str, int]]:
    """Every module that a file imports, wherever the import stands, type-only ones included."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from ((name.name, node.lineno) for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from ((f"{node.module}.{name.name}", node.lineno) for name in node.names)


def _allowed(room: str) -> set[str]:
    below = FLOORS[room]
    return below | {far for near in below for far in _allowed(near)}


def test_every_room_has_its_floor() -> None:
    assert {room for room, _ in _files()} <= set(FLOORS)


def test_arrows_run_down() -> None:
    wrong = [
        f"{path.relative_to(HOUSE)}:{line} imports {target}"
        for room, path in _files()
        for target, line in _imports(path)
        if target.startswith("wif_pipelines.")
        and (other := target.split(".")[1]) in FLOORS
        and other != room
        and other not in _allowed(room)
    ]
    assert not wrong, "\n".join(wrong)


def test_modules_do_not_import_in_circles() -> None:
    modules = {_module(path): path for _, path in _files()}
    arrows = {
        name: {_nearest(target, modules) for target, _ in _imports(path)} - {None, name}
        for name, path in modules.items()
    }
    assert not _circle(arrows)


def test_only_the_dagster_facing_rooms_import_dagster() -> None:
    wrong = [
        f"{path.relative_to(HOUSE)}:{line}"
        for room, path in _files()
        for target, line in _imports(path)
        if target.split(".")[0].startswith("dagster") and room not in DAGSTER_ROOMS
    ]
    assert not wrong


def test_one_place_reads_the_environment() -> None:
    wrong = [
        f"{path.relative_to(HOUSE)}:{node.lineno}"
        for room, path in _files()
        if room not in ENVIRONMENT_READERS
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and ast.unparse(node) in {"os.environ", "os.getenv", "os.putenv"}
    ]
    assert not wrong


def test_the_product_does_not_ask_whether_it_is_in_the_sandbox() -> None:
    wrong = [
        f"{path.relative_to(HOUSE)}"
        for room, path in _files()
        if room not in {"sandbox", "demo", "cli"} and "sandbox" in path.read_text().lower()
    ]
    assert not wrong


@pytest.mark.parametrize("word", ["utils", "helpers", "common", "manager", "core", "base"])
def test_names_say_what_things_are(word: str) -> None:
    assert not [path for _, path in _files() if path.stem == word or word in path.relative_to(HOUSE).parts]


def test_no_module_has_become_a_drawer() -> None:
    assert not {
        str(path.relative_to(HOUSE)): lines for _, path in _files() if (lines := path.read_text().count("\n")) > 500
    }


def _module(path: Path) -> str:
    parts = ("wif_pipelines", *path.relative_to(HOUSE).with_suffix("").parts)
    return ".".join(parts).removesuffix(".__init__")


def _nearest(target: str, modules: dict[str, Path]) -> str | None:
    """The module that an import names: itself, or the one that holds the imported name."""
    return target if target in modules else next((m for m in (target.rpartition(".")[0],) if m in modules), None)


def _circle(arrows: dict[str, set[str | None]]) -> list[str]:
    done: set[str] = set()

    def walk(name: str, path: list[str]) -> list[str]:
        if name in path:
            return [*path[path.index(name) :], name]
        if name in done:
            return []
        for target in sorted(arrows[name], key=str):
            if target and (found := walk(target, [*path, name])):
                return found
        done.add(name)
        return []

    return next((found for name in sorted(arrows) if (found := walk(name, []))), [])
