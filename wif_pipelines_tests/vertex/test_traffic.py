from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wif_pipelines.errors import ConfigurationError
from wif_pipelines.vertex import traffic


@st.composite
def splits(draw: st.DrawFn) -> dict[str, int]:
    """Splits as an endpoint may have them: summing to 100, or empty."""
    cuts = sorted(draw(st.sets(st.integers(1, 99), max_size=5)))
    if not cuts:
        return draw(st.sampled_from([{}, {"1": 100}]))
    edges = [0, *cuts, 100]
    return {str(number): upper - lower for number, (lower, upper) in enumerate(pairwise(edges), 1)}


@given(splits(), st.integers(0, 100), st.sampled_from(["0", "1", "2", "9"]))
def test_giving_always_sums_to_100_and_gives_what_was_asked(split: dict[str, int], percent: int, model: str) -> None:
    after = traffic.given_to(split, model, percent)
    assert sum(after.values()) == 100
    assert all(share > 0 for share in after.values())
    assert set(after) <= {*split, model}
    if set(split) - {model}:
        assert after.get(model, 0) == percent
    else:
        assert after == {model: 100}


@given(splits(), st.sampled_from(["1", "2", "9"]))
def test_taking_sums_to_100_or_leaves_nothing(split: dict[str, int], model: str) -> None:
    after = traffic.taken_from(split, model)
    assert model not in after
    assert sum(after.values()) == (100 if set(split) - {model} else 0)


@given(splits(), st.integers(1, 99))
def test_the_others_keep_their_order(split: dict[str, int], percent: int) -> None:
    after = traffic.given_to(split, "new", percent)
    by_share = sorted(split, key=lambda model: split[model])
    for smaller, larger in pairwise(by_share):
        if split[smaller] < split[larger]:
            assert after.get(smaller, 0) <= after.get(larger, 0)


def test_examples() -> None:
    assert traffic.given_to({"1": 100}, "0", 10) == {"1": 90, "0": 10}
    assert traffic.given_to({"1": 100}, "0", 100) == {"0": 100}
    assert traffic.given_to({"1": 33, "2": 33, "3": 34}, "0", 50) == {"1": 17, "2": 16, "3": 17, "0": 50}
    assert traffic.given_to({"1": 0}, "0", 5) == {"0": 100}
    assert traffic.taken_from({"1": 90, "2": 10}, "2") == {"1": 100}


@pytest.mark.parametrize(
    ("split", "said"),
    [
        ({"1": 50}, "sums to 50, not to 100"),
        ({}, "sums to 0"),
        ({"1": 150, "2": -50}, "negative share"),
        ({"1": 90, "3": 10}, "deployed as 3"),
    ],
)
def test_a_wrong_split_is_refused(split: dict[str, int], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        traffic.checked(split, deployed={"1", "2"})


def test_a_right_split_loses_its_zeros() -> None:
    assert traffic.checked({"1": 100, "2": 0, "gone": 0}, deployed={"1", "2"}) == {"1": 100}
