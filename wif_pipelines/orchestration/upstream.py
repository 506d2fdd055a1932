"""What an earlier asset said of itself: small facts travel as metadata on its materialization, never as data.

A fact therefore survives the process, the pod and the run, is what the UI shows, and needs no IO manager.
"""

from typing import Any

import dagster as dg

from wif_pipelines.errors import ConfigurationError


def metadata_of(context: dg.AssetExecutionContext, key: dg.AssetKey) -> dict[str, Any]:
    """The metadata of an asset's latest materialization, as plain values.

    Raises:
        ConfigurationError: It was never materialized.
    """
    event = context.instance.get_latest_materialization_event(key)
    if event is None or event.asset_materialization is None:
        raise ConfigurationError(
            f"{key.to_user_string()} has not been materialized, and {context.asset_key.to_user_string()} builds on it.",
            remedy=f"Materialize {key.to_user_string()} first, or launch the job that makes everything.",
        )
    return {name: value.value for name, value in event.asset_materialization.metadata.items()}


def attempt_id(context: dg.AssetExecutionContext) -> str:
    """What stays the same while one piece of work is tried again: the run, or the run that a retry resumes.

    A remote job is labelled with it, so that a retry finds the job that the dead worker left running, while a new run
    starts a new one.
    """
    run = context.run
    is_retry = "dagster/is_resume_retry" in run.tags or "dagster/retry_number" in run.tags
    return str((run.root_run_id if is_retry else None) or run.run_id)
