"""The code location: every pipeline under defs/, on one set of resources."""

from pathlib import Path

import dagster as dg

from wif_pipelines.orchestration.resources import from_environment


@dg.definitions
def defs() -> dg.Definitions:
    """Load defs/ and bind the resources; touches no network and reads no variable."""
    loaded = dg.load_from_defs_folder(path_within_project=Path(__file__).parent)
    # A run is one process on the machine or pod that its launcher chose: its steps share one credential and one client.
    shared = dg.Definitions(resources=from_environment(), executor=dg.in_process_executor)
    return dg.Definitions.merge(loaded, shared)
