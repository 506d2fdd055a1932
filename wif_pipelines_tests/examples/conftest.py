import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


@dataclass(frozen=True)
class Trained:
    """What one real run of the training process left behind."""

    data: Path
    model: Path
    checkpoints: Path
    output: str


def run(module: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run one of the example's commands as its container would."""
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", module, *arguments],
        env=process_environment(**environment),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def process_environment(**more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AIP_")}
    return {**kept, "PYTHONPATH": str(EXAMPLES), **more}


@pytest.fixture(scope="session")
def _example_importable() -> Iterator[None]:
    sys.path.insert(0, str(EXAMPLES))
    yield
    sys.path.remove(str(EXAMPLES))


@pytest.fixture(scope="session")
def data(_example_importable: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The clinics' exports as local files, without the large one's bulk."""
    from diagnostics.dataset import exports

    root = tmp_path_factory.mktemp("data")
    for export in exports(outline_points=4):
        path = root / export.key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(export.body)
    return root


@pytest.fixture(scope="session")
def trained(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    root = tmp_path_factory.mktemp("training")
    model, checkpoints = root / "model", root / "checkpoints"
    done = run(
        "diagnostics.trainer",
        AIP_TRAINING_DATA_URI=data.as_uri(),
        AIP_MODEL_DIR=str(model),
        AIP_CHECKPOINT_DIR=str(checkpoints),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return Trained(data, model, checkpoints, done.stdout)
