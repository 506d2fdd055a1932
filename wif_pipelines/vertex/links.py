"""Where a person looks at a thing: addresses in the Google Cloud console and its log explorer."""

from urllib.parse import quote

_CONSOLE = "https://console.cloud.google.com"


def job_url(*, project: str, region: str, job_id: str) -> str:
    """The console's page of a custom training job."""
    return f"{_CONSOLE}/vertex-ai/locations/{region}/training/{job_id}?project={project}"


def job_logs_url(*, project: str, job_id: str) -> str:
    """Everything that a custom training job logged: resource type ``ml_job``.

    https://cloud.google.com/vertex-ai/docs/training/monitor-training#access_logs
    """
    return _logs(project, f'resource.type="ml_job"\nresource.labels.job_id="{job_id}"')


def model_url(*, project: str, region: str, model_id: str, version: str) -> str:
    """The console's page of a model version."""
    return f"{_CONSOLE}/vertex-ai/models/locations/{region}/models/{model_id}/versions/{version}?project={project}"


def endpoint_url(*, project: str, region: str, endpoint_id: str) -> str:
    """The console's page of an endpoint."""
    return f"{_CONSOLE}/vertex-ai/online-prediction/locations/{region}/endpoints/{endpoint_id}?project={project}"


def endpoint_logs_url(*, project: str, endpoint_id: str) -> str:
    """Everything that an endpoint's containers logged: resource type ``aiplatform.googleapis.com/Endpoint``.

    https://cloud.google.com/vertex-ai/docs/predictions/online-prediction-logging
    """
    resource = 'resource.type="aiplatform.googleapis.com/Endpoint"'
    return _logs(project, f'{resource}\nresource.labels.endpoint_id="{endpoint_id}"')


def directory_url(gcs_uri: str) -> str:
    """The console's listing of a ``gs://`` directory."""
    return f"{_CONSOLE}/storage/browser/{gcs_uri.removeprefix('gs://').rstrip('/')}"


def _logs(project: str, query: str) -> str:
    return f"{_CONSOLE}/logs/query;query={quote(query, safe='')}?project={project}"
