"""How an endpoint shares its requests out, as pure arithmetic.

A split maps the id of a deployed model to whole percents. Vertex AI takes one that sums to 100, or an empty one for an
endpoint that answers nobody; an id that is not listed gets nothing, so zeros are left out here.
https://cloud.google.com/vertex-ai/docs/reference/rest/v1/projects.locations.endpoints (trafficSplit)
"""

from collections.abc import Collection, Mapping

from wif_pipelines.errors import ConfigurationError

NEWCOMER = "0"
"""Stands for the model that the deploy request itself brings (DeployModelRequest.traffic_split)."""

Split = dict[str, int]


def checked(split: Mapping[str, int], *, deployed: Collection[str]) -> Split:
    """The split without its zeros.

    Args:
        split: What is wanted.
        deployed: Ids that can answer.

    Raises:
        ConfigurationError: A share is negative, the sum is not 100, or an id cannot answer.
    """
    wanted = {model: percent for model, percent in split.items() if percent}
    problem = ""
    if any(percent < 0 for percent in wanted.values()):
        problem = "it holds a negative share"
    elif sum(wanted.values()) != 100:
        problem = f"it sums to {sum(wanted.values())}, not to 100"
    elif strangers := sorted(set(wanted) - set(deployed)):
        problem = f"nothing that can answer is deployed as {', '.join(strangers)}"
    if problem:
        message = f"The traffic split {dict(split)} cannot be used: {problem}."
        raise ConfigurationError(message, remedy="Share 100 percent out among models that are deployed and healthy.")
    return wanted


def given_to(split: Mapping[str, int], model: str, percent: int) -> Split:
    """The split after `model` gets `percent`; the others share the rest in the proportions that they had.

    When no other has a share, `model` gets everything, whatever `percent` says: nobody else could answer.
    """
    others = {other: share for other, share in split.items() if other != model and share > 0}
    if not others:
        return {model: 100}
    return {**_scaled(others, 100 - percent), **({model: percent} if percent else {})}


def taken_from(split: Mapping[str, int], model: str) -> Split:
    """The split after `model` gets nothing; empty when no other has a share."""
    others = {other: share for other, share in split.items() if other != model and share > 0}
    return _scaled(others, 100) if others else {}


def _scaled(shares: Mapping[str, int], total: int) -> Split:
    """Whole percents in proportion, by the largest remainder; the sum is exactly `total`."""
    whole = sum(shares.values())
    exact = {model: share * total / whole for model, share in shares.items()}
    floors = {model: int(value) for model, value in exact.items()}
    by_remainder = sorted(shares, key=lambda model: (floors[model] - exact[model], model))
    for model in by_remainder[: total - sum(floors.values())]:
        floors[model] += 1
    return {model: percent for model, percent in floors.items() if percent}
