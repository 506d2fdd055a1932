"""The trained model as a file: what the trainer writes and the server reads.

scikit-learn takes seconds to import and is imported when it is needed, so that bad data is refused and health checks
are answered before.
"""

import io
import logging
from dataclasses import dataclass
from typing import Any

from diagnostics.columns import FEATURES, LABELS

MODEL_FILE = "model.joblib"
METRICS_FILE = "metrics.json"

LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Artefact:
    """A fitted classifier with what must be known to use it.

    Attributes:
        classifier: A scikit-learn pipeline with ``predict_proba``.
        features: The columns that it was fitted on, in order.
        labels: The classes, in the order of its probabilities.
        sklearn_version: Of the scikit-learn that fitted it.
    """

    classifier: Any
    features: tuple[str, ...]
    labels: tuple[str, ...]
    sklearn_version: str


def packed(classifier: Any) -> bytes:
    """The file's content for a classifier that was fitted on `FEATURES` and `LABELS`."""
    import joblib
    import sklearn

    artefact = Artefact(classifier, FEATURES, LABELS, sklearn.__version__)
    buffer = io.BytesIO()
    joblib.dump(vars(artefact), buffer)
    return buffer.getvalue()


def unpacked(content: bytes) -> Artefact:
    """The model of a file's content.

    A joblib file is a pickle: it runs code when it is read. Read only what your own training wrote.
    """
    import joblib
    import sklearn

    artefact = Artefact(**joblib.load(io.BytesIO(content)))
    if artefact.sklearn_version != sklearn.__version__:
        LOG.warning("fitted with scikit-learn %s, served with %s", artefact.sklearn_version, sklearn.__version__)
    return artefact
