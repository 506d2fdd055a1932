"""The specs as Vertex AI's own messages."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from wif_pipelines.errors import ConfigurationError
from wif_pipelines.vertex.specs import Accelerator, EndpointSpec, ModelSpec, TrainingSpec
from wif_pipelines.vertex.versions import ModelVersion

if TYPE_CHECKING:
    from google.cloud import aiplatform_v1

__all__ = ["custom_job", "deployed_model", "endpoint_resource", "model_resource"]


def custom_job(spec: TrainingSpec) -> "aiplatform_v1.CustomJob":
    """The request that the spec stands for."""
    from google.cloud.aiplatform_v1 import CustomJob

    job_spec: dict[str, Any] = {
        "worker_pool_specs": _worker_pools(spec),
        "base_output_directory": {"output_uri_prefix": spec.base_output_dir},
        "scheduling": {
            "timeout": spec.timeout,
            "strategy": spec.scheduling.value,
            "restart_job_on_worker_restart": spec.restart_on_worker_restart,
        },
        "service_account": spec.service_account or "",
        "network": spec.network or "",
    }
    named = {"display_name": spec.display_name, "labels": dict(spec.labels)}
    return CustomJob({**named, "job_spec": job_spec, **_encryption(spec.kms_key)})


def model_resource(spec: ModelSpec) -> "aiplatform_v1.Model":
    """The resource that the spec stands for."""
    from google.cloud.aiplatform_v1 import Model

    container = {
        "image_uri": spec.image_uri,
        "command": list(spec.command),
        "args": list(spec.args),
        "env": _environment(spec.env),
        "ports": [{"container_port": spec.port}],
        "predict_route": spec.predict_route,
        "health_route": spec.health_route,
    }
    model = {
        "display_name": spec.display_name,
        "description": spec.description,
        "version_description": spec.version_description,
        "version_aliases": list(spec.version_aliases),
        "container_spec": container,
        "artifact_uri": spec.artifact_uri,
        "labels": dict(spec.labels),
        **_encryption(spec.kms_key),
    }
    return Model(model)


def endpoint_resource(spec: EndpointSpec) -> "aiplatform_v1.Endpoint":
    """The resource that the spec stands for."""
    from google.cloud.aiplatform_v1 import Endpoint

    labels = dict(spec.labels)
    return Endpoint({"display_name": spec.display_name, "labels": labels, **_encryption(spec.kms_key)})


def deployed_model(spec: EndpointSpec, version: ModelVersion) -> "aiplatform_v1.DeployedModel":
    """The deployment that the spec stands for."""
    from google.cloud.aiplatform_v1 import DeployedModel

    return DeployedModel(
        {
            "model": version.versioned_name,
            "display_name": f"{version.model_id}-{version.version_id}",
            "dedicated_resources": {
                "machine_spec": _machine(spec.machine_type, spec.accelerator),
                "min_replica_count": spec.min_replicas,
                "max_replica_count": spec.max_replicas,
            },
            "service_account": spec.service_account or "",
            "enable_access_logging": spec.access_logging,
        }
    )


def _worker_pools(spec: TrainingSpec) -> list[dict[str, Any]]:
    """The first pool holds the one chief; further replicas are the second.

    https://cloud.google.com/vertex-ai/docs/training/distributed-training
    """
    pool = {
        "machine_spec": _machine(spec.machine_type, spec.accelerator),
        "disk_spec": {"boot_disk_type": "pd-ssd", "boot_disk_size_gb": spec.boot_disk_gb},
        "container_spec": {
            "image_uri": spec.image_uri,
            "command": list(spec.command),
            "args": list(spec.args),
            "env": _environment(spec.env),
        },
    }
    workers = spec.replica_count - 1
    return [{**pool, "replica_count": 1}, *([{**pool, "replica_count": workers}] if workers else [])]


def _machine(machine_type: str, accelerator: Accelerator | None) -> dict[str, Any]:
    """A MachineSpec.

    Raises:
        ConfigurationError: Vertex AI knows no such accelerator.
    """
    if accelerator is None:
        return {"machine_type": machine_type}
    from google.cloud.aiplatform_v1 import AcceleratorType

    if accelerator.type not in AcceleratorType.__members__:
        known = ", ".join(name for name in AcceleratorType.__members__ if name != "ACCELERATOR_TYPE_UNSPECIFIED")
        message = f"Vertex AI knows no accelerator {accelerator.type!r}."
        raise ConfigurationError(message, remedy=f"Use one of {known}.")
    return {
        "machine_type": machine_type,
        "accelerator_type": accelerator.type,
        "accelerator_count": accelerator.count,
    }


def _encryption(kms_key: str | None) -> dict[str, Any]:
    """Left out without a key of the customer's: an empty spec is not the same as none."""
    return {"encryption_spec": {"kms_key_name": kms_key}} if kms_key else {}


def _environment(environment: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in environment.items()]
