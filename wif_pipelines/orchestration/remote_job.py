"""Follows work that goes on elsewhere: what to do when our own process is told to stop.

A worker gets the same signal whether a person pressed Terminate or a node was drained. Only the first is a wish that
the remote work ends; after the second, a retry attaches to it again.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import dagster as dg
from dagster._core.errors import DagsterExecutionInterruptedError


@contextmanager
def followed(context: dg.AssetExecutionContext, what: str, *, cancel: Callable[[], None]) -> Iterator[None]:
    """Run the block that waits for remote work; cancel that work only when a person cancelled the run.

    Args:
        context: Of the step.
        what: The remote work's name.
        cancel: Ends it.

    Raises:
        DagsterExecutionInterruptedError: The step was told to stop, by whomever.
    """
    try:
        yield
    except DagsterExecutionInterruptedError:
        run = context.instance.get_run_by_id(context.run.run_id)
        if run is not None and run.status == dg.DagsterRunStatus.CANCELING:
            context.log.info("A person cancelled the run: cancelling %s.", what)
            cancel()
        else:
            context.log.info("This worker is stopping; %s goes on, and a retry attaches to it.", what)
        raise


def observe(context: dg.AssetExecutionContext, **numbers: float) -> None:
    """Record progress on the asset: the UI plots numbers of observations over time."""
    context.log_event(dg.AssetObservation(asset_key=context.asset_key, metadata=dict(numbers)))
