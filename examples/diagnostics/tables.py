"""Reading the clinics' tables, and refusing what is not fit to learn from."""

import csv
import io
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from diagnostics.columns import DIAGNOSIS, FEATURES, LABELS, SAMPLE


class BadDataError(ValueError):
    """The data cannot be used; the message names the file, the row and what is wrong."""


@dataclass(frozen=True)
class Table:
    """Samples that can be learned from.

    Attributes:
        ids: One for each sample, each once.
        measures: A row for each sample, a column for each of `FEATURES`.
        diagnoses: One of `LABELS` for each sample.
    """

    ids: tuple[str, ...]
    measures: NDArray[np.float64]
    diagnoses: NDArray[np.str_]

    def __len__(self) -> int:
        """How many samples."""
        return len(self.ids)


def read_tables(files: Iterable[tuple[str, bytes]], *, what: str) -> Table:
    """One table of all files.

    Args:
        files: Names and contents.
        what: What they are, for the messages, as in "training data".

    Raises:
        BadDataError: A file is no such table, a sample occurs twice, or a diagnosis never occurs.
    """
    seen: dict[str, str] = {}
    rows: list[tuple[list[float], str]] = []
    for name, content in files:
        for sample, measures, diagnosis in _rows(name, content):
            if sample in seen:
                message = f"{name}: sample {sample} is there twice, first in {seen[sample]}"
                raise BadDataError(message)
            seen[sample] = name
            rows.append((measures, diagnosis))
    missing = [label for label in LABELS if label not in {diagnosis for _, diagnosis in rows}]
    if missing:
        message = f"the {what} ({len(rows)} samples) holds no sample that is {' or '.join(missing)}"
        raise BadDataError(message)
    return Table(
        ids=tuple(seen),
        measures=np.array([measures for measures, _ in rows], dtype=np.float64),
        diagnoses=np.array([diagnosis for _, diagnosis in rows]),
    )


def refuse_overlap(training: Table, heldout: Table) -> None:
    """Held-out samples must not have been trained on.

    Raises:
        BadDataError: Some were.
    """
    shared = sorted(set(training.ids) & set(heldout.ids))
    if shared:
        message = f"{len(shared)} held-out samples are in the training data too: {', '.join(shared[:5])}"
        raise BadDataError(message)


def _rows(name: str, content: bytes) -> Iterator[tuple[str, list[float], str]]:
    try:
        reader = csv.DictReader(io.StringIO(content.decode()))
    except UnicodeDecodeError as error:
        message = f"{name}: not UTF-8 text"
        raise BadDataError(message) from error
    missing = sorted({SAMPLE, DIAGNOSIS, *FEATURES} - set(reader.fieldnames or ()))
    if missing:
        message = f"{name}: {len(missing)} columns are missing, such as {', '.join(missing[:3])}"
        raise BadDataError(message)
    for number, row in enumerate(reader, start=2):
        place = f"{name}, line {number}"
        if row[DIAGNOSIS] not in LABELS:
            message = f"{place}: diagnosis {row[DIAGNOSIS]!r} is not one of {', '.join(LABELS)}"
            raise BadDataError(message)
        yield row[SAMPLE], _measures([row[feature] for feature in FEATURES], place), row[DIAGNOSIS]


def _measures(texts: Sequence[str | None], place: str) -> list[float]:
    values = []
    for feature, text in zip(FEATURES, texts, strict=True):
        try:
            value = float(text or "")
        except ValueError:
            value = math.nan
        if not math.isfinite(value) or value < 0:
            message = f"{place}: {feature} is {text!r}, not a number from zero up"
            raise BadDataError(message)
        values.append(value)
    return values
