"""Names: what is refused is refused for Google's reasons, and obstore changes none that it is given."""

from __future__ import annotations

import obstore
import pytest
from hypothesis import example, given
from obstore.store import MemoryStore

from wif_pipelines.ingestion.names import destination_name, needs_careful_client, refusal
from wif_pipelines_tests.ingestion.strategies import any_keys


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("", "nothing is left"),
        ("a\rb", "line feed"),
        ("a\nb", "line feed"),
        (".", "'.' and '..'"),
        ("..", "'.' and '..'"),
        (".well-known/acme-challenge/token", "reserves"),
        ("x" * 1025, "1025 bytes"),
        ("ü" * 513, "1026 bytes"),
        ("half\ud83d", "not valid Unicode"),
    ],
)
def test_refuses_with_a_reason(name: str, why: str) -> None:
    reason = refusal(name)
    assert reason is not None
    assert why in reason


@pytest.mark.parametrize(
    "name", ["a", "x" * 1024, "ü" * 512, "a/./b", "a//b", "tab\t", "./", "...", "well-known/", "😀"]
)
def test_lets_pass_what_cloud_storage_takes(name: str) -> None:
    assert refusal(name) is None


def test_a_sink_prefix_makes_dots_possible() -> None:
    assert refusal(destination_name(".", sink_prefix="landing/")) is None


def test_joins_prefixes() -> None:
    assert destination_name("exports/a.csv", source_prefix="exports/", sink_prefix="raw/") == "raw/a.csv"
    assert destination_name("exports-2/a.csv", source_prefix="exports", sink_prefix="raw") == "raw-2/a.csv"


@given(any_keys)
@example("a/./b")
@example("a/../b")
@example("a//b")
@example("/a")
@example("a/")
@example("a\tb")
@example("a\x7fb")
@example("100%25+&#?*[]{}|^`\\~ü☃")
def test_obstore_keeps_every_name_that_is_not_marked(name: str) -> None:
    if needs_careful_client(name):
        return
    store = MemoryStore()
    obstore.put(store, name, b"x")
    assert [each["path"] for page in obstore.list(store) for each in page] == [name]


@pytest.mark.parametrize("name", ["a/./b", "a/../b", "a//b", "/a", "a/", "a\tb", "a\x7fb", ".", ".."])
def test_marks_the_names_that_obstore_changes(name: str) -> None:
    assert needs_careful_client(name)
