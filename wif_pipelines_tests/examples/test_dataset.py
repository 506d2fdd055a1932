import csv
import hashlib
import io
from collections import Counter
from pathlib import Path

import pytest


@pytest.fixture
def dataset(_example_importable):
    from diagnostics import dataset

    return dataset


def _rows(body: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(body.decode())))


def test_exports_hold_every_sample_exactly_once(data: Path) -> None:
    seen = Counter(
        row["sample_id"]
        for path in [*data.glob("exports/*/clinic-*.csv"), *data.glob("heldout/*.csv")]
        for row in _rows(path.read_bytes())
    )
    assert len(seen) == 569
    assert set(seen.values()) == {1}


def test_heldout_has_the_same_mix_of_diagnoses(data: Path) -> None:
    rows = _rows((data / "heldout/diagnoses.csv").read_bytes())
    assert Counter(row["diagnosis"] for row in rows) == {"benign": 72, "malignant": 42}


def test_values_are_the_published_ones(data: Path) -> None:
    from sklearn.datasets import load_breast_cancer

    published = load_breast_cancer()
    for row in _rows((data / "heldout/diagnoses.csv").read_bytes()):
        number = int(row["sample_id"].removeprefix("WDBC-")) - 1
        assert [float(row[name]) for name in list(row)[1:-1]] == published.data[number].tolist()
        assert row["diagnosis"] == published.target_names[published.target[number]]


def test_defaults_give_a_few_dozen_tables_and_one_object_above_the_bulk_threshold(dataset) -> None:
    found = {export.key: len(export.body) for export in dataset.exports()}
    tables = [key for key in found if key.startswith("exports/2026-W")]
    assert len(tables) == 36
    assert tables[0] == "exports/2026-W01/clinic-a.csv"
    assert [key for key, size in found.items() if size > 8 * 1024 * 1024] == [dataset.OUTLINES_KEY]


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(dataset) -> None:
    def digest(seed: int) -> str:
        bodies = b"".join(export.body for export in dataset.exports(seed=seed, outline_points=4))
        return hashlib.sha256(bodies).hexdigest()

    assert digest(1) == digest(1)
    assert digest(1) != digest(2)


def test_outlines_have_the_published_mean_radius(dataset) -> None:
    samples = dataset.samples()[:3]
    radii: dict[str, list[float]] = {}
    for row in _rows(dataset.outlines(samples, seed=3, nuclei=20, points=60)):
        edge = [float(distance) for distance in row["outline"].split()]
        assert len(edge) == 60
        radii.setdefault(row["sample_id"], []).append(sum(edge) / len(edge))
    for sample in samples:
        mean = sum(radii[sample.id]) / len(radii[sample.id])
        assert mean == pytest.approx(sample.measures[0], abs=1e-3)


def test_weeks_are_iso_weeks_over_the_turn_of_the_year(dataset) -> None:
    assert dataset.week_name(0) == "2026-W01"
    assert dataset.week_name(52) == "2026-W53"
    assert dataset.week_name(53) == "2027-W01"
