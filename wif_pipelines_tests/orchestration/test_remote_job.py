"""A remote job ends with the run only when a person cancelled the run."""

import dagster as dg
import pytest
from dagster._core.errors import DagsterExecutionInterruptedError

from wif_pipelines.orchestration.remote_job import followed


@pytest.mark.parametrize(
    ("status", "cancelled"), [(dg.DagsterRunStatus.CANCELING, True), (dg.DagsterRunStatus.STARTED, False)]
)
def test_who_stopped_the_worker_decides(status: dg.DagsterRunStatus, cancelled: bool) -> None:
    ended: list[str] = []

    @dg.asset
    def waiting(context: dg.AssetExecutionContext) -> None:
        instance = context.instance
        event = dg.DagsterEvent(
            event_type_value=("PIPELINE_CANCELING" if status == dg.DagsterRunStatus.CANCELING else "PIPELINE_START"),
            job_name=context.job_name,
        )
        instance.report_dagster_event(event, run_id=context.run.run_id)
        with followed(context, "the job", cancel=lambda: ended.append("the job")):
            raise DagsterExecutionInterruptedError

    with dg.DagsterInstance.ephemeral() as instance, pytest.raises(DagsterExecutionInterruptedError):
        dg.materialize([waiting], instance=instance)
    assert bool(ended) is cancelled
