import json
import shutil
from pathlib import Path

import pytest

from wif_pipelines.vertex.evaluation import parse_evaluation
from wif_pipelines_tests.examples.conftest import Trained, run


def test_trains_a_model_that_is_right_on_heldout_data(trained: Trained) -> None:
    evaluation = parse_evaluation((trained.model / "metrics.json").read_bytes(), source="metrics.json")
    assert evaluation.accuracy > 0.95
    assert evaluation.auc is not None
    assert evaluation.auc > 0.98
    assert (evaluation.training_examples, evaluation.heldout_examples) == (455, 114)
    assert sum(map(sum, evaluation.confusion)) == 114
    right = evaluation.confusion[0][0] + evaluation.confusion[1][1]
    assert right / 114 == pytest.approx(evaluation.accuracy)


def test_roc_curve_runs_from_corner_to_corner(trained: Trained) -> None:
    roc = parse_evaluation((trained.model / "metrics.json").read_bytes(), source="metrics.json").roc
    assert (roc[0].false_positive_rate, roc[0].true_positive_rate) == (0.0, 0.0)
    assert (roc[-1].false_positive_rate, roc[-1].true_positive_rate) == (1.0, 1.0)
    assert [point.threshold for point in roc] == sorted((point.threshold for point in roc), reverse=True)


def test_tells_what_it_does(trained: Trained) -> None:
    assert "training data: 455 samples from 36 files" in trained.output
    assert "held-out accuracy 0.9" in trained.output


def test_goes_on_from_a_checkpoint(trained: Trained, tmp_path: Path) -> None:
    scores = json.loads((trained.checkpoints / "search.json").read_text())
    partial = dict(list(scores.items())[:-2])
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints/search.json").write_text(json.dumps(partial))
    done = run(
        "diagnostics.trainer",
        "--data", str(trained.data),
        "--model-dir", str(tmp_path / "model"),
        "--checkpoint-dir", str(tmp_path / "checkpoints"),
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("cross-validated AUC") == 2
    assert json.loads((tmp_path / "checkpoints/search.json").read_text()) == scores
    assert (tmp_path / "model/metrics.json").read_bytes() == (trained.model / "metrics.json").read_bytes()


def _broken(data: Path, tmp_path: Path) -> Path:
    copy = tmp_path / "data"
    shutil.copytree(data, copy)
    return copy


def _replace(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def _refusal(data: Path, tmp_path: Path) -> str:
    done = run("diagnostics.trainer", "--data", str(data), "--model-dir", str(tmp_path / "model"))
    assert done.returncode == 2, done.stdout + done.stderr
    assert not (tmp_path / "model").exists()
    assert "Traceback" not in done.stdout + done.stderr
    return done.stdout.splitlines()[-1]


def test_refuses_a_place_without_tables(tmp_path: Path) -> None:
    said = _refusal(tmp_path, tmp_path)
    assert "no training data: nothing matches exports/*/clinic-*.csv" in said


def test_refuses_heldout_samples_that_were_trained_on(data: Path, tmp_path: Path) -> None:
    copy = _broken(data, tmp_path)
    heldout = (copy / "heldout/diagnoses.csv").read_text().splitlines()
    table = copy / "exports/2026-W01/clinic-a.csv"
    table.write_text(table.read_text() + heldout[1] + "\n")
    assert "1 held-out samples are in the training data too" in _refusal(copy, tmp_path)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("mean_radius", "radius", "1 columns are missing, such as mean_radius"),
        ("\nWDBC-", "\nWDBC-0000,", "clinic-b.csv, line 2: diagnosis"),
        (",benign", ",healthy", "diagnosis 'healthy' is not one of benign, malignant"),
    ],
)
def test_refuses_a_broken_table_by_name(data: Path, tmp_path: Path, old: str, new: str, said: str) -> None:
    copy = _broken(data, tmp_path)
    _replace(copy / "exports/2026-W02/clinic-b.csv", old, new)
    message = _refusal(copy, tmp_path)
    assert "exports/2026-W02/clinic-b.csv" in message
    assert said in message


def test_refuses_a_place_that_is_none(tmp_path: Path) -> None:
    done = run("diagnostics.trainer", "--data", "s3://bucket/data", "--model-dir", str(tmp_path))
    assert done.returncode == 2
    assert "neither gs://bucket/path nor file:///path" in done.stdout
