from hypothesis import given
from hypothesis import strategies as st

from wif_pipelines.vertex.rules import label_problems, label_value


@given(st.text(max_size=200))
def test_any_text_becomes_a_label_value(text: str) -> None:
    value = label_value(text)
    assert list(label_problems({"key": value})) == []
    assert label_value(text) == value


@given(st.text(max_size=80), st.text(max_size=80))
def test_different_texts_stay_different(one: str, other: str) -> None:
    assert (label_value(one) == label_value(other)) == (one == other)


def test_a_label_value_is_left_alone_and_another_stays_readable() -> None:
    assert label_value("0b7c2e6c-8f0e") == "0b7c2e6c-8f0e"
    assert label_value("clinic/2026-W01 A").startswith("clinic-2026-w01-a-")
