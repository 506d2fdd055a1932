"""From a request's JSON to a response's, without HTTP."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from diagnostics.artefact import Artefact
from diagnostics.columns import BENIGN, MALIGNANT

MAX_INSTANCES = 10_000


class BadRequestError(ValueError):
    """The request cannot be answered; the message says what to correct."""


def answer(artefact: Artefact, request: Any) -> dict[str, Any]:
    """Answer ``{"instances": [...], "parameters": {"threshold": 0.5}}``.

    An instance is an object of the features by name, or an array of them in the order of the training tables.
    A sample counts as malignant from the threshold up; the probability is that of the label which is answered.

    Raises:
        BadRequestError: The request is not of this form.
    """
    if not isinstance(request, Mapping) or not isinstance(request.get("instances"), list):
        message = 'the body must be a JSON object with an array "instances"'
        raise BadRequestError(message)
    instances = request["instances"]
    if not 1 <= len(instances) <= MAX_INSTANCES:
        message = f"{len(instances)} instances; between 1 and {MAX_INSTANCES} are answered"
        raise BadRequestError(message)
    threshold = _threshold(request.get("parameters"))
    rows = [_row(instance, number, artefact.features) for number, instance in enumerate(instances)]
    malignant = artefact.classifier.predict_proba(np.array(rows))[:, artefact.labels.index(MALIGNANT)]
    return {"predictions": [_prediction(float(probability), threshold) for probability in malignant]}


def _prediction(malignant: float, threshold: float) -> dict[str, Any]:
    if malignant >= threshold:
        return {"label": MALIGNANT, "probability": malignant}
    return {"label": BENIGN, "probability": 1.0 - malignant}


def _threshold(parameters: Any) -> float:
    if parameters is None:
        return 0.5
    if not isinstance(parameters, Mapping) or set(parameters) - {"threshold"}:
        message = 'parameters must be an object with no other field than "threshold"'
        raise BadRequestError(message)
    threshold = parameters.get("threshold", 0.5)
    if not _is_number(threshold) or not 0.0 <= threshold <= 1.0:
        message = f"threshold {threshold!r} is not a number between 0 and 1"
        raise BadRequestError(message)
    return float(threshold)


def _row(instance: Any, number: int, features: Sequence[str]) -> list[float]:
    if isinstance(instance, Mapping):
        missing = [feature for feature in features if feature not in instance]
        if missing:
            message = f"instance {number}: {len(missing)} features are missing, such as {', '.join(missing[:3])}"
            raise BadRequestError(message)
        values = [instance[feature] for feature in features]
    elif isinstance(instance, list) and len(instance) == len(features):
        values = instance
    else:
        message = f"instance {number}: neither an object of features nor an array of {len(features)} numbers"
        raise BadRequestError(message)
    for feature, value in zip(features, values, strict=True):
        if not _is_number(value):
            message = f"instance {number}: {feature} is {value!r}, not a number"
            raise BadRequestError(message)
    return [float(value) for value in values]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
