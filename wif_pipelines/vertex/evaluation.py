"""How good a model is on held-out data, as its training wrote it beside the artefact.

Training code of any kind may write a ``metrics.json`` into ``AIP_MODEL_DIR``:

    {"labels": ["benign", "malignant"], "positive_label": "malignant", "accuracy": 0.97, "auc": 0.99,
     "roc": [{"false_positive_rate": 0.0, "true_positive_rate": 0.0, "threshold": 1.0}, ...],
     "confusion": [[70, 1], [2, 41]], "examples": {"training": 455, "heldout": 114}}

``confusion`` has a row for each true label and a column for each predicted one, in the order of ``labels``. Only
``accuracy`` is needed; what is missing is None or empty.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from wif_pipelines.errors import ConfigurationError, NotFoundError
from wif_pipelines.vertex.connection import REQUEST_TIMEOUT, VertexConnection

__all__ = ["METRICS_FILE", "Evaluation", "RocPoint", "parse_evaluation", "read_evaluation"]

METRICS_FILE = "metrics.json"


@dataclass(frozen=True)
class RocPoint:
    """A point of the ROC curve: rates at a threshold of the probability, all 0 to 1."""

    false_positive_rate: float
    true_positive_rate: float
    threshold: float


@dataclass(frozen=True)
class Evaluation:
    """Measured on data that training did not see.

    Attributes:
        accuracy: Share of right answers, 0 to 1.
        auc: Area under the ROC curve, or None.
        labels: The classes, in the order of `confusion`.
        positive_label: The class that the ROC curve is of, or None.
        roc: From (0, 0) to (1, 1).
        confusion: Counts; a row for each true label, a column for each predicted one.
        training_examples: How many were trained on, or None.
        heldout_examples: How many were measured on, or None.
        raw: The whole file.
    """

    accuracy: float
    auc: float | None = None
    labels: tuple[str, ...] = ()
    positive_label: str | None = None
    roc: tuple[RocPoint, ...] = ()
    confusion: tuple[tuple[int, ...], ...] = ()
    training_examples: int | None = None
    heldout_examples: int | None = None
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False)


def read_evaluation(connection: VertexConnection, model_dir: str) -> Evaluation | None:
    """Read the metrics file of a model; None when training wrote none.

    Args:
        connection: As whom to read.
        model_dir: ``gs://`` directory, such as `JobStatus.model_dir`.

    Raises:
        ConfigurationError: The file is there and cannot be understood.
        WifError: It cannot be read.
    """
    uri = f"{model_dir.rstrip('/')}/{METRICS_FILE}"
    bucket, _, path = uri.removeprefix("gs://").partition("/")

    def send() -> bytes:
        blob = connection.storage.bucket(bucket).blob(path)
        return bytes(blob.download_as_bytes(retry=None, timeout=REQUEST_TIMEOUT))

    try:
        content = connection.call(send, doing=f"reading {uri}")
    except NotFoundError:
        return None
    return parse_evaluation(content, source=uri)


def parse_evaluation(content: bytes, *, source: str) -> Evaluation:
    """Understand a metrics file.

    Args:
        content: The file.
        source: Where it is from, for the message.

    Raises:
        ConfigurationError: It is no JSON object of the form above.
    """
    try:
        return _evaluation(json.loads(content))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        message = f"The evaluation {source} cannot be understood: {type(error).__name__}: {error}"
        remedy = "Let the training code write the form that wif_pipelines.vertex.evaluation describes."
        raise ConfigurationError(message, remedy=remedy) from error


def _evaluation(raw: dict[str, Any]) -> Evaluation:
    examples = raw.get("examples", {})
    return Evaluation(
        accuracy=_rate(raw["accuracy"]),
        auc=None if raw.get("auc") is None else _rate(raw["auc"]),
        labels=tuple(str(label) for label in raw.get("labels", ())),
        positive_label=raw.get("positive_label"),
        roc=tuple(
            RocPoint(_rate(point["false_positive_rate"]), _rate(point["true_positive_rate"]), float(point["threshold"]))
            for point in raw.get("roc", ())
        ),
        confusion=tuple(tuple(int(count) for count in row) for row in raw.get("confusion", ())),
        training_examples=_count(examples.get("training")),
        heldout_examples=_count(examples.get("heldout")),
        raw=raw,
    )


def _rate(value: Any) -> float:
    rate = float(value)
    if not 0.0 <= rate <= 1.0:
        message = f"{rate} is not between 0 and 1"
        raise ValueError(message)
    return rate


def _count(value: Any) -> int | None:
    return None if value is None else int(value)
