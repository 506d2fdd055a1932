"""The code location: every pipeline under defs/, on one set of resources."""

import warnings
from pathlib import Path

import dagster as dg

from wif_pipelines.orchestration.resources import from_environment


@dg.definitions
def defs() -> dg.Definitions:
    """Load defs/ and bind the resources; touches no network and reads no variable.

    `dg.load_from_defs_folder` would also import every package that registers components, to list their types in the UI:
    dagster-gcp and dagster-aws alone cost three times the rest, in every code server, run and step.
    """
    tree = dg.ComponentTree.for_project(path_within_project=Path(__file__).parent)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.BetaWarning)  # of Dagster's own components, which we cannot mend
        loaded = tree.build_defs_at_path(tree.defs_module_path)
    # A run is one process on the machine or pod that its launcher chose: its steps share one credential and one client.
    shared = dg.Definitions(resources=from_environment(), executor=dg.in_process_executor, component_tree=tree)
    return dg.Definitions.merge(loaded, shared)
