"""Vertex AI's clients in a sandbox, and containers to run there."""

import time
import uuid
from typing import Any

from wif_pipelines.sandbox.lifecycle import Sandbox
from wif_pipelines.sandbox.world import World

REGISTRY = "us-central1-docker.pkg.dev/sandbox-project/models"
DONE = {"JOB_STATE_SUCCEEDED", "JOB_STATE_FAILED", "JOB_STATE_CANCELLED"}
SERVER = """
import http.server, json, os, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.answer(200 if self.path == os.environ["AIP_HEALTH_ROUTE"] else 404, {})
    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if asked["instances"] == ["bad"]:
            return self.answer(422, {"error": "a bad instance"})
        told = {"tag": os.environ.get("TAG"), "uri": os.environ["AIP_STORAGE_URI"], "path": self.path}
        self.answer(200, {"predictions": [told for _ in asked["instances"]]})
    def answer(self, status, body):
        raw = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)
    def log_message(self, *arguments):
        pass
http.server.HTTPServer(("127.0.0.1", int(os.environ["AIP_HTTP_PORT"])), Handler).serve_forever()
"""


class Vertex:
    """Vertex AI's clients in one sandbox, and what most tests need of them."""

    def __init__(self, sandbox: Sandbox) -> None:
        import google.auth
        from google.cloud import aiplatform_v1 as v1
        from google.cloud import kms, storage

        self.sandbox = sandbox
        self.world: World = sandbox.world
        self.parent = f"projects/{self.world.project}/locations/{self.world.region}"
        credentials, _ = google.auth.default(scopes=["https://www.googleapis.com/auth/cloud-platform"])
        self.credentials = credentials
        options = {"api_endpoint": f"{self.world.region}-aiplatform.googleapis.com"}
        made: dict[str, Any] = {"credentials": credentials, "transport": "rest", "client_options": options}
        self.jobs = v1.JobServiceClient(**made)
        self.models = v1.ModelServiceClient(**made)
        self.endpoints = v1.EndpointServiceClient(**made)
        self.predictions = v1.PredictionServiceClient(**made)
        self.storage = storage.Client(project=self.world.project, credentials=credentials)
        self.kms = kms.KeyManagementServiceClient(credentials=credentials, transport="rest")

    def image(self, *command: str, **fields: Any) -> str:
        """Register an image of its own."""
        uri = f"{REGISTRY}/test-{uuid.uuid4().hex[:8]}:1"
        self.sandbox.register_image(uri, command, **fields)
        return uri

    def spec(self, image: str, **fields: Any) -> dict[str, Any]:
        """A custom job of one replica."""
        pool = {"machine_spec": {"machine_type": "n1-standard-4"}, "container_spec": {"image_uri": image}}
        spec = {"worker_pool_specs": [pool], "service_account": self.world.service_account}
        return {"display_name": "test", "job_spec": spec | fields.pop("job_spec", {}), **fields}

    def run(self, image: str, **fields: Any) -> Any:
        """Run a job to its end."""
        made = self.jobs.create_custom_job(parent=self.parent, custom_job=self.spec(image, **fields))
        return self.await_job(made.name)

    def await_job(self, name: str, states: set[str] = DONE) -> Any:
        """Poll until a job is in one of the states."""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            job = self.jobs.get_custom_job(name=name)
            if job.state.name in states:
                return job
            time.sleep(0.05)
        raise AssertionError(f"{name} is {job.state.name}")

    def log(self, job: str) -> str:
        """What a job's first replica wrote."""
        name = f"{job.rpartition('/')[2]}-workerpool0-0.log"
        return (self.sandbox.directory / "google" / "vertex" / "logs" / name).read_text()

    def upload(self, image: str, **fields: Any) -> Any:
        """Upload a version of a model."""
        place: dict[str, Any] = {key: fields.pop(key) for key in ("model_id", "parent_model") if key in fields}
        model = {"display_name": "test", "container_spec": {"image_uri": image}, **fields}
        request: dict[str, Any] = {"parent": self.parent, "model": model, **place}
        answer = self.models.upload_model(request).result(timeout=30)
        return self.models.get_model(name=f"{answer.model}@{answer.model_version_id}")

    def endpoint(self, **fields: Any) -> str:
        """Make an endpoint."""
        operation = self.endpoints.create_endpoint(parent=self.parent, endpoint={"display_name": "test", **fields})
        return str(operation.result(timeout=30).name)

    def deploy(self, endpoint: str, model: str, split: dict[str, int]) -> Any:
        """Deploy a model version."""
        machine = {"machine_spec": {"machine_type": "n1-standard-2"}, "min_replica_count": 1}
        wanted = {"model": model, "dedicated_resources": machine}
        operation = self.endpoints.deploy_model(endpoint=endpoint, deployed_model=wanted, traffic_split=split)
        return operation.result(timeout=60).deployed_model

    def ask(self, endpoint: str, *instances: Any) -> Any:
        """Ask for predictions."""
        from google.cloud.aiplatform_v1 import PredictRequest
        from google.protobuf.json_format import ParseDict
        from google.protobuf.struct_pb2 import Value

        request = PredictRequest(endpoint=endpoint)
        PredictRequest.pb(request).instances.extend(ParseDict(instance, Value()) for instance in instances)
        return self.predictions.predict(request)

    def retire(self, endpoint: str) -> None:
        """Undeploy everything and delete the endpoint."""
        for deployed in self.endpoints.get_endpoint(name=endpoint).deployed_models:
            self.endpoints.update_endpoint(
                endpoint={"name": endpoint, "traffic_split": {}}, update_mask={"paths": ["traffic_split"]}
            )
            self.endpoints.undeploy_model(endpoint=endpoint, deployed_model_id=deployed.id).result(timeout=30)
        self.endpoints.delete_endpoint(name=endpoint).result(timeout=30)
