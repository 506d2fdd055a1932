"""Where the demo happens: the local cloud, the Dagster instance, and the variables that join them."""

import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from wif_pipelines.errors import ConfigurationError
from wif_pipelines.sandbox.lifecycle import Sandbox, SandboxNotRunningError
from wif_pipelines.sandbox.world import World

_ROOT = Path(__file__).parents[2]


@contextmanager
def local_cloud(directory: Path) -> Iterator[Sandbox]:
    """The sandbox of a directory: the running one, or one that is started and is stopped again; its state stays."""
    try:
        running = Sandbox.attach(directory)
    except SandboxNotRunningError:
        with Sandbox(directory) as started:
            yield started
    else:
        yield running


def examples() -> Path:
    """The folder of example packages.

    Raises:
        ConfigurationError: This is no checkout.
    """
    folder = _ROOT / "examples"
    if not (folder / "diagnostics").is_dir():
        raise ConfigurationError(
            "The demo's data and containers are not here: they stand in examples/ of the repository.",
            remedy="Run the demo from a checkout of the repository.",
        )
    return folder


def workspace() -> Path:
    """The repository's workspace.yaml."""
    return _ROOT / "workspace.yaml"


def dagster_home(directory: Path) -> Path:
    """The Dagster instance of the demo: made, with the repository's dagster.yaml, when it is not there."""
    home = directory.resolve()
    home.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(_ROOT / "dagster.yaml", home / "dagster.yaml")
    return home


def pipeline_variables(world: World) -> dict[str, str]:
    """The variables by which the code location finds its places; for a real account, set these to its names."""
    return {
        "WIF_AUDIENCE": world.audience,
        "WIF_SERVICE_ACCOUNT": world.service_account,
        "WIF_AWS_ROLE_ARN": world.workload_role_arn,
        "WIF_PROJECT": world.project,
        "WIF_REGION": world.region,
        "WIF_SOURCE_BUCKET": world.source_bucket,
        "WIF_LANDING_BUCKET": world.landing_bucket,
        "WIF_ARTIFACT_BUCKET": world.artifact_bucket,
        "WIF_KMS_KEY": world.kms_key,
        "WIF_TRANSFER_ROLE_ARN": world.transfer_role_arn,
        "WIF_TRAINING_IMAGE": world.training_image,
        "WIF_SERVING_IMAGE": world.serving_image,
    }


def environment(sandbox: Sandbox, home: Path) -> dict[str, str]:
    """Everything that a process needs to be inside the local cloud and the demo's Dagster instance."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "GOOGLE_", "WIF_"))}
    path = os.pathsep.join([str(Path(sys.executable).parent), inherited.get("PATH", "")])
    return {
        **inherited,
        **sandbox.environment(session_name="demo"),
        **pipeline_variables(sandbox.world),
        "PATH": path,
        "DAGSTER_HOME": str(home),
    }


def enter(variables: Mapping[str, str]) -> None:
    """Put this process inside: for a process that does nothing else."""
    for name in [name for name in os.environ if name.startswith(("AWS_", "GOOGLE_", "WIF_"))]:
        del os.environ[name]
    os.environ.update(variables)
