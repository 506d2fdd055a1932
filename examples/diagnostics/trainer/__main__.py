"""Read tables, train, measure, and write the model where Vertex AI asks for it.

Vertex AI tells a container by environment variables where to write (``AIP_MODEL_DIR``, ``AIP_CHECKPOINT_DIR``); each
has an argument here, which wins. Exit status: 0 done, 2 the arguments or the data cannot be used.
https://cloud.google.com/vertex-ai/docs/training/code-requirements
"""

import argparse
import json
import logging
import os
import sys
import time
from collections.abc import Sequence
from fnmatch import fnmatch

from diagnostics.artefact import METRICS_FILE, MODEL_FILE, packed
from diagnostics.storage import Directory, directory
from diagnostics.tables import BadDataError, Table, read_tables, refuse_overlap

LOG = logging.getLogger("diagnostics.trainer")

EXPORTS = "exports/*/clinic-*.csv"
HELDOUT = "heldout/*.csv"
CHECKPOINT = "search.json"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run; returns the exit status."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stdout)
    options = _parser().parse_args(arguments)
    try:
        train(options)
    except (BadDataError, FileNotFoundError, ValueError) as error:
        LOG.error("cannot train: %s", error)  # noqa: TRY400 - a person reads this; the message says what to correct
        return 2
    return 0


def train(options: argparse.Namespace) -> None:
    """All of it.

    Raises:
        BadDataError: The data cannot be used.
        ValueError: A place is not one that can be read or written.
    """
    if not options.data or not options.model_dir:
        message = "say where: --data (AIP_TRAINING_DATA_URI) and --model-dir (AIP_MODEL_DIR)"
        raise ValueError(message)
    started = time.monotonic()
    data, target = directory(options.data), directory(options.model_dir)
    training = _table(data, EXPORTS, "training data")
    heldout = _table(data, HELDOUT, "held-out data")
    refuse_overlap(training, heldout)

    # Imported after the data has been looked at: scikit-learn takes seconds, and bad data should be told at once.
    from diagnostics.trainer.fitting import evaluation, fitted

    scores = _scores(training, options)
    classifier = fitted(training, scores)
    metrics = {**evaluation(classifier, training, heldout), "cross_validated_auc": scores, "data": data.uri}
    # The model goes last: whoever sees it can rely on its metrics being there.
    target.write(METRICS_FILE, json.dumps(metrics, indent=1).encode(), "application/json")
    target.write(MODEL_FILE, packed(classifier), "application/octet-stream")
    LOG.info("held-out accuracy %.4f, AUC %.4f", metrics["accuracy"], metrics["auc"])
    LOG.info("done in %.1f s: %s", time.monotonic() - started, target.uri)


def _table(data: Directory, pattern: str, what: str) -> Table:
    names = [name for name in data.names() if fnmatch(name, pattern)]
    if not names:
        message = f"no {what}: nothing matches {pattern} under {data.uri}"
        raise BadDataError(message)
    table = read_tables(((name, data.read(name)) for name in names), what=what)
    LOG.info("%s: %d samples from %d files under %s", what, len(table), len(names), data.uri)
    return table


def _scores(training: Table, options: argparse.Namespace) -> dict[str, float]:
    """Search, going on from the checkpoint when there is one: a Spot machine may be taken away at any time."""
    from diagnostics.trainer.fitting import search

    checkpoints = directory(options.checkpoint_dir) if options.checkpoint_dir else None
    known: dict[str, float] = {}
    if checkpoints is not None:
        try:
            known = json.loads(checkpoints.read(CHECKPOINT))
            LOG.info("going on from a checkpoint with %d candidates measured", len(known))
        except FileNotFoundError:
            LOG.info("no checkpoint under %s: starting from the beginning", checkpoints.uri)

    def record(scores: dict[str, float]) -> None:
        strength, score = list(scores.items())[-1]
        LOG.info("candidate C=%s: cross-validated AUC %.4f", strength, score)
        if checkpoints is not None:
            checkpoints.write(CHECKPOINT, json.dumps(scores).encode(), "application/json")

    return search(training, seed=options.seed, known=known, record=record)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m diagnostics.trainer", description=__doc__.partition("\n")[0])
    places = {
        "--data": ("AIP_TRAINING_DATA_URI", "holds exports/ and heldout/"),
        "--model-dir": ("AIP_MODEL_DIR", "gets model.joblib and metrics.json"),
        "--checkpoint-dir": ("AIP_CHECKPOINT_DIR", "keeps what is found so far"),
    }
    for option, (variable, meaning) in places.items():
        parser.add_argument(
            option, default=os.environ.get(variable, ""), help=f"gs:// directory that {meaning} [{variable}]"
        )
    parser.add_argument("--seed", type=int, default=2026, help="of the cross-validation's folds")
    return parser


if __name__ == "__main__":
    sys.exit(main())
