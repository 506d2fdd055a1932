"""What a run did, as a table for people: read from the run's own events, as anybody can later."""

from typing import Any

import dagster as dg
from rich.console import Console
from rich.table import Table

_EXCHANGES = ("exchange ", "impersonation ")


def print_report(console: Console, run_id: str) -> None:
    """Print the table of a run of the main job, from the instance of `DAGSTER_HOME`."""
    with dg.DagsterInstance.get() as instance:
        facts = _materialized(instance, run_id)
        lines = [entry.user_message for entry in instance.all_logs(run_id) if entry.user_message.startswith(_EXCHANGES)]
    table = Table(title="What happened", show_header=False, title_justify="left", pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for label, value in [*_moved(facts), *_identity(lines), *_model(facts)]:
        table.add_row(label, value)
    for label, value in _keys(facts):
        table.add_row(label, value)
    console.print(table)


def _materialized(instance: dg.DagsterInstance, run_id: str) -> dict[str, dict[str, Any]]:
    """Metadata by the asset's last name."""
    found = {}
    for entry in instance.all_logs(run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION):
        made = entry.asset_materialization
        if made is not None:
            found[made.asset_key.path[-1]] = {name: value.value for name, value in made.metadata.items()}
    return found


def _moved(facts: dict[str, dict[str, Any]]) -> list[tuple[str, str]]:
    inventory, landing, dataset = facts["source_inventory"], facts["landing"], facts["verified_dataset"]
    return [
        ("source", f"{inventory['source']}: {inventory['objects']} objects, {_size(inventory['bytes'])}"),
        ("by proxy", f"{landing['proxy_objects']} objects, {_size(landing['proxy_bytes'])}"),
        ("by Storage Transfer", f"{landing['bulk_objects']} objects, {_size(landing['bulk_bytes'])}"),
        ("already there", f"{landing['unchanged_objects']} objects"),
        ("verified", f"{dataset['objects']} objects, {_size(dataset['bytes'])}, in {dataset['dataset']}"),
    ]


def _identity(lines: list[str]) -> list[tuple[str, str]]:
    exchanges = sum(line.startswith("exchange ") for line in lines)
    rows = [("token exchanges", f"{exchanges}; impersonations: {len(lines) - exchanges}; static keys: none")]
    return rows + [("who became whom", line.partition(": ")[2]) for line in dict.fromkeys(lines)]


def _model(facts: dict[str, dict[str, Any]]) -> list[tuple[str, str]]:
    job, model, endpoint, smoke = (
        facts[name] for name in ("training_job", "registered_model", "endpoint", "smoke_test_prediction")
    )
    answered = (
        f"{smoke['label']} with probability {smoke['probability']:.3f}; true label: {smoke['true_label']} "
        f"({smoke['right']} of {smoke['asked']} held-out cases right)"
    )
    rows = [
        ("training job", f"{job['job']}, {job['state']} after {job['seconds']:.1f} s"),
        ("model version", f"{model['model']}@{model['version']}"),
        ("endpoint", f"{endpoint['endpoint']}, traffic {endpoint['traffic']}"),
        ("prediction", answered),
    ]
    measured = [f"{name} {job[name]:.4f}" for name in ("accuracy", "auc") if name in job]
    return [*rows, ("on held-out data", ", ".join(measured))]


def _keys(facts: dict[str, dict[str, Any]]) -> list[tuple[str, str]]:
    artefacts = {
        "landed objects": "verified_dataset",
        "training job": "training_job",
        "model version": "registered_model",
        "endpoint": "endpoint",
    }
    return [(f"key of {label}", facts[name]["key"] or "NONE") for label, name in artefacts.items()]


def _size(count: float) -> str:
    return f"{count / 1e6:.1f} MB" if count >= 1e6 else f"{count / 1e3:.1f} kB"
