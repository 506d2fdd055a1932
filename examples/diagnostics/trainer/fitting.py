"""Choosing and fitting a classifier, and measuring it on data that it has not seen."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, confusion_matrix, roc_auc_score, roc_curve
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from diagnostics.columns import LABELS, POSITIVE
from diagnostics.tables import Table

STRENGTHS = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)
"""Inverse regularisation strengths to choose from."""


def search(
    table: Table, *, seed: int, known: dict[str, float], record: Callable[[dict[str, float]], None]
) -> dict[str, float]:
    """Cross-validated AUC of each candidate, by its strength.

    Args:
        table: The training data.
        seed: Of the folds.
        known: Scores that an earlier, interrupted run found; they are not measured again.
        record: Called with all scores after each new one.
    """
    scores = {strength: score for strength, score in known.items() if float(strength) in STRENGTHS}
    folds = StratifiedKFold(n_splits=5, shuffle=True, random_state=seed)
    for strength in STRENGTHS:
        if str(strength) in scores:
            continue
        measured = cross_val_score(
            _pipeline(strength), table.measures, _is_positive(table), cv=folds, scoring="roc_auc"
        )
        scores[str(strength)] = float(measured.mean())
        record(scores)
    return scores


def fitted(table: Table, scores: dict[str, float]) -> Pipeline:
    """The best candidate, fitted on all of the training data; its classes are in the order of `LABELS`."""
    best = max(scores, key=lambda strength: (scores[strength], -float(strength)))
    return _pipeline(float(best)).fit(table.measures, _is_positive(table))


def evaluation(classifier: Pipeline, training: Table, heldout: Table) -> dict[str, Any]:
    """What is written to ``metrics.json``: measured on the held-out data alone, ready for JSON."""
    truth = _is_positive(heldout)
    probabilities = classifier.predict_proba(heldout.measures)[:, 1]
    answers = probabilities >= 0.5
    false_positives, true_positives, thresholds = roc_curve(truth, probabilities)
    return {
        "labels": list(LABELS),
        "positive_label": POSITIVE,
        "accuracy": float(accuracy_score(truth, answers)),
        "auc": float(roc_auc_score(truth, probabilities)),
        "confusion": confusion_matrix(truth, answers, labels=[False, True]).tolist(),
        "roc": [
            # The curve starts above every probability, which scikit-learn calls infinite and JSON cannot say.
            {"false_positive_rate": float(false), "true_positive_rate": float(true), "threshold": min(float(cut), 1.0)}
            for false, true, cut in zip(false_positives, true_positives, thresholds, strict=True)
        ],
        "examples": {"training": len(training), "heldout": len(heldout)},
    }


def _pipeline(strength: float) -> Pipeline:
    return Pipeline(
        [("scale", StandardScaler()), ("classify", LogisticRegression(C=strength, max_iter=2000, solver="lbfgs"))]
    )


def _is_positive(table: Table) -> NDArray[np.bool_]:
    return np.asarray(table.diagnoses == POSITIVE, dtype=np.bool_)
