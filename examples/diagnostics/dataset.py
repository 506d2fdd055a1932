"""The Wisconsin diagnostic breast-cancer set as weekly exports of three clinics.

The 569 samples, their 30 measures and their diagnoses are real (they ship with scikit-learn: W. Street, W. Wolberg and
O. Mangasarian, 1993, https://archive.ics.uci.edu/dataset/17). Which clinic sent them in which week is made up. So are
the outlines of single nuclei in the one large file: the original images are not public, so outlines are drawn whose
mean radius in each sample is the published one. The same arguments always give the same bytes.
"""

import csv
import io
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
from numpy.typing import NDArray

from diagnostics.columns import BENIGN, DIAGNOSIS, FEATURES, MALIGNANT, SAMPLE

HELDOUT_KEY = "heldout/diagnoses.csv"
OUTLINES_KEY = "exports/archive/nucleus-outlines-2026-Q1.csv"
FIRST_WEEK = date.fromisocalendar(2026, 1, 1)


@dataclass(frozen=True)
class Export:
    """One object to be stored.

    Attributes:
        key: Its key, without a leading slash.
        body: Its content.
        content_type: Its media type.
    """

    key: str
    body: bytes
    content_type: str = "text/csv"


@dataclass(frozen=True)
class Sample:
    """One patient's image, measured."""

    id: str
    measures: tuple[float, ...]
    diagnosis: str


def exports(
    *,
    seed: int = 2026,
    weeks: int = 12,
    clinics: Sequence[str] = ("a", "b", "c"),
    heldout_fraction: float = 0.2,
    nuclei: int = 20,
    outline_points: int = 180,
) -> Iterator[Export]:
    """Everything that the clinics export in a quarter, one object at a time.

    With the defaults: 36 tables ``exports/2026-W01/clinic-a.csv`` of 12 or 13 samples, one file of outlines of about
    11 MiB, and ``heldout/diagnoses.csv`` with a fifth of the samples, which no export holds.

    Args:
        seed: Decides which samples are held out, where the others go, and the outlines.
        weeks: How many weeks from 2026-W01.
        clinics: The clinics' letters.
        heldout_fraction: Share of the samples to hold out, in the same mix of diagnoses.
        nuclei: Outlines for each exported sample.
        outline_points: Points of each outline; the large file grows with it.
    """
    training, heldout = split(samples(), seed=seed, heldout_fraction=heldout_fraction)
    tables = weeks * len(clinics)
    for number in range(tables):
        week, clinic = divmod(number, len(clinics))
        yield Export(f"exports/{week_name(week)}/clinic-{clinics[clinic]}.csv", table(training[number::tables]))
    yield Export(HELDOUT_KEY, table(heldout))
    yield Export(OUTLINES_KEY, outlines(training, seed=seed, nuclei=nuclei, points=outline_points))


def samples() -> list[Sample]:
    """The 569 samples, in their published order."""
    from sklearn.datasets import load_breast_cancer

    bunch = load_breast_cancer()
    diagnoses = {0: MALIGNANT, 1: BENIGN}  # scikit-learn's order: target_names is [malignant, benign]
    return [
        Sample(f"WDBC-{number:04d}", tuple(float(value) for value in row), diagnoses[int(target)])
        for number, (row, target) in enumerate(zip(bunch.data, bunch.target, strict=True), start=1)
    ]


def split(everything: Sequence[Sample], *, seed: int, heldout_fraction: float) -> tuple[list[Sample], list[Sample]]:
    """Training and held-out samples, both shuffled, in the same mix of diagnoses."""
    from sklearn.model_selection import train_test_split

    training, heldout = train_test_split(
        list(everything),
        test_size=heldout_fraction,
        stratify=[sample.diagnosis for sample in everything],
        random_state=seed,
    )
    return list(training), list(heldout)


def week_name(number: int) -> str:
    """ISO name of the week so many weeks after the first, such as ``2026-W03``."""
    year, week, _ = (FIRST_WEEK + timedelta(weeks=number)).isocalendar()
    return f"{year}-W{week:02d}"


def table(rows: Sequence[Sample]) -> bytes:
    """The samples as CSV; numbers in full, so that reading gives the same values."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([SAMPLE, *FEATURES, DIAGNOSIS])
    writer.writerows([row.id, *(repr(value) for value in row.measures), row.diagnosis] for row in rows)
    return text.getvalue().encode()


def outlines(rows: Sequence[Sample], *, seed: int, nuclei: int, points: int) -> bytes:
    """Outlines of nuclei as CSV: distances from the centre to the edge at equal angles, in the set's unit of length."""
    generator = np.random.default_rng(seed)
    lines = [f"{SAMPLE},nucleus,mean_radius,outline\n"]
    distances = " ".join(["%.3f"] * points)  # one format for a whole outline is the quicker way
    for sample in rows:
        for number, edge in enumerate(_edges(sample, generator, nuclei, points), start=1):
            lines.append(f"{sample.id},{number},{edge.mean():.4f},{distances % tuple(edge.tolist())}\n")
    return "".join(lines).encode()


def _edges(sample: Sample, generator: np.random.Generator, nuclei: int, points: int) -> NDArray[np.float64]:
    """One row a nucleus; the mean over all is the sample's published mean radius.

    Nuclei differ in size as the published standard error of the radius says, and their edges are as rough as the
    published smoothness (the local variation of the radius) says.
    """
    measures = dict(zip(FEATURES, sample.measures, strict=True))
    radius = measures["mean_radius"]
    sizes = generator.normal(radius, measures["error_radius"] * math.sqrt(nuclei), nuclei).clip(0.3 * radius)
    sizes *= radius / sizes.mean()
    angles = np.linspace(0.0, 2 * math.pi, points, endpoint=False)
    waves = generator.normal(0.0, 1.0, (nuclei, 4, 1)) * np.cos(
        np.arange(2, 6).reshape(1, 4, 1) * angles + generator.uniform(0, 2 * math.pi, (nuclei, 4, 1))
    )
    roughness = 1.0 + measures["mean_smoothness"] * 0.5 * waves.sum(axis=1).clip(-4, 4)
    roughness /= roughness.mean(axis=1, keepdims=True)
    return np.asarray(sizes[:, None] * roughness, dtype=np.float64)
