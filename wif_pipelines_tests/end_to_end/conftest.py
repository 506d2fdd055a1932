"""The main job, run as the demo runs it: in a process of its own, inside the session's local cloud."""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from wif_pipelines.demo import place
from wif_pipelines.demo.exports import write_exports
from wif_pipelines.sandbox.lifecycle import Sandbox

_RUN = "import sys; from wif_pipelines.demo.job import run_job; print('run', run_job(sys.argv[1], print))"


@dataclass(frozen=True)
class MainJob:
    """Runs jobs of the code location, and reads what they recorded."""

    variables: dict[str, str]
    home: Path

    def run(self, job: str = "ingest_and_train") -> tuple[str, str]:
        """Run a job to its end; its run id, and everything that it printed."""
        command = [sys.executable, "-c", _RUN, job]
        ran = subprocess.run(command, env=self.variables, capture_output=True, text=True, timeout=200, check=False)
        printed = ran.stdout + ran.stderr
        assert ran.returncode == 0, printed[-4000:]
        return ran.stdout.split()[-1], printed

    def facts(self, run_id: str) -> dict[str, dict[str, Any]]:
        """Metadata of what a run materialized, by the asset's last name."""
        with dg.DagsterInstance.from_config(str(self.home)) as instance:
            logs = instance.all_logs(run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION)
        made = [entry.asset_materialization for entry in logs]
        return {m.asset_key.path[-1]: {k: v.value for k, v in m.metadata.items()} for m in made if m is not None}


@pytest.fixture(scope="module")
def main_job(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> MainJob:
    """The code location inside the local cloud, with the clinics' exports in the source bucket."""
    import boto3

    home = place.dagster_home(tmp_path_factory.mktemp("dagster"))
    variables = place.environment(sandbox, home)
    with pytest.MonkeyPatch.context() as inside:
        for name, value in variables.items():
            inside.setenv(name, value)
        write_exports(boto3.Session().client("s3"), sandbox.world.source_bucket, place.examples())
    return MainJob(variables, home)
