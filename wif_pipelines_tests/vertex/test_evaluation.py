import json
from typing import Any

import pytest

from wif_pipelines.errors import ConfigurationError
from wif_pipelines.vertex.evaluation import RocPoint, parse_evaluation

METRICS: dict[str, Any] = {
    "labels": ["benign", "malignant"],
    "positive_label": "malignant",
    "accuracy": 0.975,
    "auc": 0.99,
    "roc": [{"false_positive_rate": 0.0, "true_positive_rate": 0.5, "threshold": 1.0}],
    "confusion": [[70, 1], [2, 41]],
    "examples": {"training": 455, "heldout": 114},
    "anything": "else",
}


def _parse(metrics: Any) -> Any:
    return parse_evaluation(json.dumps(metrics).encode(), source="gs://b/metrics.json")


def test_a_full_file_is_read() -> None:
    evaluation = _parse(METRICS)
    assert (evaluation.accuracy, evaluation.auc) == (0.975, 0.99)
    assert evaluation.roc == (RocPoint(0.0, 0.5, 1.0),)
    assert evaluation.confusion == ((70, 1), (2, 41))
    assert (evaluation.training_examples, evaluation.heldout_examples) == (455, 114)
    assert evaluation.raw["anything"] == "else"


def test_accuracy_is_enough() -> None:
    evaluation = _parse({"accuracy": 1})
    assert (evaluation.accuracy, evaluation.auc, evaluation.roc, evaluation.heldout_examples) == (1.0, None, (), None)


@pytest.mark.parametrize(
    "metrics", [{}, [], {"accuracy": "high"}, {"accuracy": 97.5}, {"accuracy": 0.9, "roc": [{}]}, {"accuracy": None}]
)
def test_what_cannot_be_understood_is_told_with_its_source(metrics: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"gs://b/metrics\.json cannot be understood"):
        _parse(metrics)


def test_what_is_not_json_is_told_too() -> None:
    with pytest.raises(ConfigurationError, match="cannot be understood"):
        parse_evaluation(b"{", source="gs://b/metrics.json")
