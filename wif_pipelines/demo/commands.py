"""`wif demo` and `wif ui`."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import click
from rich.console import Console

from wif_pipelines.demo import place
from wif_pipelines.sandbox.lifecycle import Sandbox

_directory = click.option(
    "--directory",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(".sandbox"),
    show_default=True,
    help="Where the local cloud keeps its state.",
)
_instance = click.option(
    "--instance",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(".dagster"),
    show_default=True,
    help="Where the Dagster instance of the demo is kept.",
)
_PIPED_WIDTH = 140
_AFTERWARDS = """
Next:
  make ui      the same local cloud in the Dagster UI, with this run in it, ready to launch more
  make demo    again: nothing that is there is moved twice, and the model gets a new version
A real account: set the WIF_* variables to its names (see README.md) and start `dagster dev -w workspace.yaml`.
"""


@click.command()
@_directory
@_instance
def demo(directory: Path, instance: Path) -> None:
    """Run the main job in the local cloud: S3, Cloud Storage, training, a served model. Then say what happened."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = _PIPED_WIDTH
    started = time.monotonic()

    def tell(line: str) -> None:
        console.print(f"[dim]{time.monotonic() - started:6.1f} s[/]  {line}")

    tell("starting the local cloud")
    with place.local_cloud(directory) as sandbox:
        place.enter(place.environment(sandbox, place.dagster_home(instance)))
        _fill(sandbox, tell)
        from wif_pipelines.demo.job import run_job
        from wif_pipelines.demo.report import print_report

        tell("loading the pipelines")
        run_id = run_job("ingest_and_train", tell)
        tell(f"run {run_id} succeeded")
        print_report(console, run_id)
    console.print(_AFTERWARDS.rstrip())


@click.command()
@_directory
@_instance
@click.option("--port", default=3000, show_default=True, help="Of the UI, on 127.0.0.1.")
def ui(directory: Path, instance: Path, port: int) -> None:
    """Serve the Dagster UI on the local cloud until Ctrl-C; its runs are ready to launch."""
    with place.local_cloud(directory) as sandbox:
        variables = place.environment(sandbox, place.dagster_home(instance))
        place.enter(variables)
        _fill(sandbox, click.echo)
        click.echo(f"The Dagster UI comes up on http://127.0.0.1:{port} (Ctrl-C ends it).")
        dagster_dev = [sys.executable, "-m", "dagster", "dev", "-w", str(place.workspace())]
        for number in (signal.SIGINT, signal.SIGTERM):  # a shell that starts us in the background has us ignore SIGINT
            signal.signal(number, signal.default_int_handler)
        served = subprocess.Popen(  # noqa: S603 - our own interpreter and arguments
            [*dagster_dev, "-h", "127.0.0.1", "-p", str(port)], env=variables, start_new_session=True
        )
        try:
            sys.exit(served.wait())
        except KeyboardInterrupt:
            _end(served)


def _end(served: "subprocess.Popen[bytes]") -> None:
    """Stop Dagster and all that it started: asked first, then its whole session at once."""
    served.send_signal(signal.SIGINT)
    try:
        served.wait(timeout=30)
    except subprocess.TimeoutExpired:
        os.killpg(served.pid, signal.SIGKILL)
        served.wait(timeout=10)


def _fill(sandbox: Sandbox, tell: Callable[[str], object]) -> None:
    import boto3

    from wif_pipelines.demo.exports import write_exports

    written, there = write_exports(boto3.Session().client("s3"), sandbox.world.source_bucket, place.examples())
    tell(f"the clinics' exports are in s3://{sandbox.world.source_bucket}: {there} objects, {written} of them new")
