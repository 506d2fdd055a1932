"""Vertex AI over the wire, with the real clients: what runs, what is kept, what is refused."""

import json
import sys
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from wif_pipelines.sandbox.lifecycle import Sandbox
from wif_pipelines_tests.sandbox.google.vertex_clients import REGISTRY, SERVER, Vertex


@pytest.fixture
def vertex(sandbox: Sandbox, sandbox_environment: dict[str, str]) -> Vertex:
    return Vertex(sandbox)


@pytest.fixture
def output(vertex: Vertex) -> str:
    return f"gs://{vertex.world.artifact_bucket}/aiplatform-tests/{uuid.uuid4().hex[:8]}"


@pytest.fixture
def serving_image(vertex: Vertex) -> str:
    return vertex.image(sys.executable, "-c", SERVER)


@pytest.fixture
def artefacts(vertex: Vertex, output: str) -> str:
    bucket, _, path = output.removeprefix("gs://").partition("/")
    vertex.storage.bucket(bucket).blob(f"{path}/model.txt").upload_from_string("a model")
    return output


@pytest.fixture
def endpoint(vertex: Vertex) -> Iterator[str]:
    name = vertex.endpoint()
    yield name
    vertex.retire(name)


@pytest.fixture
def refused() -> Callable[..., Any]:
    """Expect Google's refusal with this status and text."""
    from google.api_core.exceptions import GoogleAPICallError

    return lambda match: pytest.raises(GoogleAPICallError, match=match)


class TestJobs:
    def test_a_container_finds_what_vertex_promises(self, vertex: Vertex, output: str) -> None:
        code = "import json, os; print(json.dumps(dict(os.environ)))"
        image = vertex.image(sys.executable, "-c", code)
        job = vertex.run(image, job_spec={"base_output_directory": {"output_uri_prefix": output}})
        assert job.state.name == "JOB_STATE_SUCCEEDED"
        assert job.start_time <= job.end_time
        found = json.loads(vertex.log(job.name))
        assert found["AIP_MODEL_DIR"] == f"{output}/model/"
        assert found["AIP_CHECKPOINT_DIR"] == f"{output}/checkpoints/"
        assert found["AIP_TENSORBOARD_LOG_DIR"] == f"{output}/logs/"
        assert found["CLOUD_ML_JOB_ID"] == job.name.rpartition("/")[2]
        assert json.loads(found["CLUSTER_SPEC"])["task"] == {"type": "workerpool0", "index": 0, "cloud": "google"}
        assert not [name for name in found if name.startswith(("AWS_ACCESS", "AWS_S", "GOOGLE_"))]
        assert len(job.name.rpartition("/")[2]) == 19
        assert job.name.startswith(f"projects/{vertex.world.project_number}/")

    def test_a_container_is_its_service_account(self, vertex: Vertex) -> None:
        code = (
            "import google.auth, google.auth.transport.requests as transport\n"
            "c, p = google.auth.default(scopes=['https://www.googleapis.com/auth/cloud-platform'])\n"
            "c.refresh(transport.Request()); print(c.service_account_email, p); print('ya29.c.' + 'x' * 40)"
        )
        job = vertex.run(vertex.image(sys.executable, "-c", code))
        assert job.state.name == "JOB_STATE_SUCCEEDED"
        email, _, project = vertex.log(job.name).splitlines()[0].partition(" ")
        assert email == vertex.world.service_account
        assert project != vertex.world.project
        assert "xxxx" not in vertex.log(job.name)

    def test_command_args_and_env_override_the_image(self, vertex: Vertex) -> None:
        image = vertex.image(sys.executable, args=["-c", "print('default')"])
        assert vertex.log(vertex.run(image).name) == "default\n"
        spec = vertex.spec(image)
        container = spec["job_spec"]["worker_pool_specs"][0]["container_spec"]
        container |= {"args": ["-c", "print('$(WHO)')"], "env": [{"name": "WHO", "value": "me"}]}
        made = vertex.jobs.create_custom_job(parent=vertex.parent, custom_job=spec)
        assert vertex.await_job(made.name).state.name == "JOB_STATE_SUCCEEDED"
        assert vertex.log(made.name) == "me\n"

    def test_a_failing_container_fails_the_job(self, vertex: Vertex) -> None:
        job = vertex.run(vertex.image(sys.executable, "-c", "import sys; print('why', file=sys.stderr); sys.exit(3)"))
        assert job.state.name == "JOB_STATE_FAILED"
        assert "The replica workerpool0-0 exited with a non-zero status of 3." in job.error.message
        assert vertex.log(job.name) == "why\n"

    def test_an_unknown_image_fails_the_job(self, vertex: Vertex) -> None:
        job = vertex.run(f"{REGISTRY}/nobody:1")
        assert job.state.name == "JOB_STATE_FAILED"
        assert job.error.message == f"Image {REGISTRY}/nobody:1 not found."

    def test_a_job_is_cancelled_with_its_processes(self, vertex: Vertex, refused: Callable[..., Any]) -> None:
        code = "import os, time; print(os.getpid(), flush=True); time.sleep(100)"
        spec = vertex.spec(vertex.image(sys.executable, "-c", code))
        name = vertex.jobs.create_custom_job(parent=vertex.parent, custom_job=spec).name
        vertex.await_job(name, {"JOB_STATE_RUNNING"})
        with refused("non-terminal"):
            vertex.jobs.delete_custom_job(name=name)
        vertex.jobs.cancel_custom_job(name=name)
        assert vertex.await_job(name).state.name == "JOB_STATE_CANCELLED"
        marks = list((vertex.sandbox.directory / "google" / "vertex" / "processes").iterdir())
        assert not [mark for mark in marks if mark.stem in vertex.log(name)]
        with refused("cannot be cancelled"):
            vertex.jobs.cancel_custom_job(name=name)
        vertex.jobs.delete_custom_job(name=name).result(timeout=10)
        with refused("404 .*The CustomJob does not exist"):
            vertex.jobs.get_custom_job(name=name)

    def test_a_job_ends_when_its_time_is_over(self, vertex: Vertex) -> None:
        image = vertex.image(sys.executable, "-c", "import time; time.sleep(100)")
        job = vertex.run(image, job_spec={"scheduling": {"timeout": {"seconds": 1}}})
        assert job.state.name == "JOB_STATE_FAILED"
        assert "maximum running time of 1 seconds" in job.error.message

    def test_workers_run_beside_the_primary_replica(self, vertex: Vertex) -> None:
        code = (
            "import json, os, pathlib, time\n"
            "spec = json.loads(os.environ['CLUSTER_SPEC'])\n"
            "print(sorted(spec['cluster']), flush=True)\n"
            "worker = pathlib.Path.home().parent / 'workerpool1-0' / 'done'\n"
            "if spec['task']['type'] == 'workerpool1': worker.touch(); time.sleep(100)\n"
            "while not worker.exists(): time.sleep(0.02)"  # the job ends with its primary replica
        )
        image = vertex.image(sys.executable, "-c", code)
        spec = vertex.spec(image)
        spec["job_spec"]["worker_pool_specs"] *= 2
        name = vertex.jobs.create_custom_job(parent=vertex.parent, custom_job=spec).name
        assert vertex.await_job(name).state.name == "JOB_STATE_SUCCEEDED"
        logs = sorted((vertex.sandbox.directory / "google" / "vertex" / "logs").glob(f"{name.rpartition('/')[2]}-*"))
        assert [log.stem.partition("-")[2] for log in logs] == ["workerpool0-0", "workerpool1-0"]
        assert {log.read_text() for log in logs} == {"['workerpool0', 'workerpool1']\n"}

    def test_jobs_are_found_by_labels_state_and_name(self, vertex: Vertex, refused: Callable[..., Any]) -> None:
        run = uuid.uuid4().hex[:8]
        job = vertex.run(f"{REGISTRY}/nobody:1", labels={"run": run}, display_name=f"job-{run}")
        for expression, count in {
            f"labels.run={run}": 1,
            f'labels.run="{run}" AND state="JOB_STATE_FAILED"': 1,
            f'labels.run="{run}" AND state="JOB_STATE_RUNNING"': 0,
            f'display_name="job-{run}"': 1,
            f'displayName="job-{run}" AND labels.other:*': 0,
        }.items():
            found = list(vertex.jobs.list_custom_jobs({"parent": vertex.parent, "filter": expression}))
            assert [each.name for each in found] == [job.name] * count, expression
        with refused("400 .*Invalid filter"):
            list(vertex.jobs.list_custom_jobs({"parent": vertex.parent, "filter": "labels.run=a OR x"}))

    def test_lines_become_log_entries(self, vertex: Vertex) -> None:
        from google.auth.transport.requests import AuthorizedSession

        job = vertex.run(vertex.image(sys.executable, "-c", "print('a line')"))
        job_id = job.name.rpartition("/")[2]
        body = {
            "resourceNames": [f"projects/{vertex.world.project}"],
            "filter": f'resource.type="ml_job" AND resource.labels.job_id="{job_id}"',
        }
        answer = AuthorizedSession(vertex.credentials).post("https://logging.googleapis.com/v2/entries:list", json=body)
        assert [entry["jsonPayload"]["message"] for entry in answer.json()["entries"]] == ["a line"]


class TestRefusals:
    def test_the_host_must_be_the_regions(self, vertex: Vertex, refused: Callable[..., Any]) -> None:
        with refused("400 .*europe-west4-aiplatform.googleapis.com"):
            vertex.jobs.get_custom_job(
                name=f"projects/{vertex.world.project}/locations/europe-west4/customJobs/1234567890123456789"
            )

    def test_the_account_must_be_the_callers_to_act_as(self, vertex: Vertex, refused: Callable[..., Any]) -> None:
        other = f"other@{vertex.world.project}.iam.gserviceaccount.com"
        with refused("403 .*iam.serviceAccounts.actAs"):
            vertex.run(vertex.world.training_image, job_spec={"service_account": other})

    def test_another_project_is_closed(self, vertex: Vertex, refused: Callable[..., Any]) -> None:
        with refused("403 .*aiplatform.customJobs.create"):
            parent = f"projects/elsewhere/locations/{vertex.world.region}"
            vertex.jobs.create_custom_job(parent=parent, custom_job=vertex.spec(vertex.world.training_image))

    def test_a_key_of_another_region_is_refused(self, vertex: Vertex, refused: Callable[..., Any]) -> None:
        key = vertex.world.kms_key.replace(f"/{vertex.world.region}/", "/europe-west4/")
        with refused("400 .*Provided CryptoKey .* cannot be used in Vertex AI service"):
            vertex.run(vertex.world.training_image, encryption_spec={"kms_key_name": key})

    def test_a_missing_key_is_refused(self, vertex: Vertex, refused: Callable[..., Any]) -> None:
        with refused("400 .*Provided CryptoKey .* make sure the CryptoKey is enabled and Vertex AI service account"):
            vertex.endpoint(encryption_spec={"kms_key_name": f"{vertex.world.kms_key}-missing"})

    def test_a_bad_label_and_a_missing_machine_are_refused(self, vertex: Vertex, refused: Callable[..., Any]) -> None:
        with refused("400 .*List of found errors:\t1.Field: labels"):
            vertex.run(vertex.world.training_image, labels={"Run": "x"})
        spec = vertex.spec(vertex.world.training_image)
        spec["job_spec"]["worker_pool_specs"][0]["machine_spec"] = {}
        with refused("machine_type; Message: Required field is not set"):
            vertex.jobs.create_custom_job(parent=vertex.parent, custom_job=spec)


class TestModels:
    def test_versions_and_aliases(self, vertex: Vertex, serving_image: str, refused: Callable[..., Any]) -> None:
        model_id = f"m{uuid.uuid4().hex[:8]}"
        first = vertex.upload(serving_image, model_id=model_id, version_aliases=["best"], labels={"run": model_id})
        assert (first.version_id, list(first.version_aliases)) == ("1", ["best", "default"])
        with refused("409 .*already exists"):
            vertex.upload(serving_image, model_id=model_id)
        second = vertex.upload(serving_image, parent_model=first.name, version_description="newer")
        assert (second.version_id, list(second.version_aliases)) == ("2", [])
        moved = vertex.models.merge_version_aliases(name=f"{first.name}@2", version_aliases=["best", "default"])
        assert list(moved.version_aliases) == ["best", "default"]
        assert vertex.models.get_model(name=first.name).version_id == "2"
        assert vertex.models.get_model(name=f"{first.name}@best").version_description == "newer"
        versions = list(vertex.models.list_model_versions({"name": first.name}))
        assert sorted(version.version_id for version in versions) == ["1", "2"]
        listed = list(vertex.models.list_models({"parent": vertex.parent, "filter": f"labels.run={model_id}"}))
        assert listed == []  # the label is the first version's, and the default is the second
        with refused("default"):
            vertex.models.merge_version_aliases(name=first.name, version_aliases=["-default"])
        with refused("default version"):
            vertex.models.delete_model_version(name=f"{first.name}@2")
        vertex.models.delete_model_version(name=f"{first.name}@1").result(timeout=10)
        with refused("404 .*The Model does not exist"):
            vertex.models.get_model(name=f"{first.name}@1")
        vertex.models.delete_model(name=first.name).result(timeout=10)
        with refused("404 .*The Model does not exist"):
            vertex.models.get_model(name=first.name)

    def test_artefacts_must_be_there(self, vertex: Vertex, serving_image: str, refused: Callable[..., Any]) -> None:
        with refused("There are no files under"):
            vertex.upload(serving_image, artifact_uri=f"gs://{vertex.world.artifact_bucket}/nothing-here")
        with refused("does not have `.storage.objects.list.`"):
            vertex.upload(serving_image, artifact_uri="gs://somebody-elses-bucket/model")

    def test_fields_are_changed_by_their_mask(self, vertex: Vertex, serving_image: str) -> None:
        model = vertex.upload(serving_image)
        changed = vertex.models.update_model(
            model={"name": model.name, "display_name": "renamed", "description": "left alone"},
            update_mask={"paths": ["display_name"]},
        )
        assert (changed.display_name, changed.description) == ("renamed", "")


class TestEndpoints:
    def test_traffic_is_shared(
        self, vertex: Vertex, endpoint: str, serving_image: str, artefacts: str, refused: Callable[..., Any]
    ) -> None:
        def version(tag: str) -> Any:
            container = {"image_uri": serving_image, "env": [{"name": "TAG", "value": tag}], "predict_route": "/p"}
            return vertex.upload(serving_image, container_spec=container, artifact_uri=artefacts)

        with refused("400 .*no deployed model"):
            vertex.ask(endpoint, 1)
        first = version("one")
        old = vertex.deploy(endpoint, first.name, {"0": 100})
        answer = vertex.ask(endpoint, 1, 2)
        told = {"tag": "one", "uri": artefacts, "path": "/p"}
        assert [dict(prediction) for prediction in answer.predictions] == [told, told]
        assert (answer.deployed_model_id, answer.model, answer.model_version_id) == (old.id, first.name, "1")
        with refused("400 .*traffic_split"):
            vertex.deploy(endpoint, first.name, {"0": 50})
        new = vertex.deploy(endpoint, version("two").name, {"0": 50, old.id: 50})
        assert {dict(vertex.ask(endpoint, 1).predictions[0])["tag"] for _ in range(40)} == {"one", "two"}
        with refused("still has traffic"):
            vertex.endpoints.undeploy_model(endpoint=endpoint, deployed_model_id=old.id)
        with refused("deployed or being deployed"):
            vertex.models.delete_model(name=first.name)
        split = {new.id: 100}
        vertex.endpoints.undeploy_model(endpoint=endpoint, deployed_model_id=old.id, traffic_split=split).result(30)
        state = vertex.endpoints.get_endpoint(name=endpoint)
        assert [each.id for each in state.deployed_models] == [new.id]
        assert dict(state.traffic_split) == split
        assert state.deployed_models[0].status.available_replica_count == 1
        with refused("etag"):
            stale = {"name": endpoint, "traffic_split": split, "etag": "old"}
            vertex.endpoints.update_endpoint(endpoint=stale, update_mask={"paths": ["traffic_split"]})

    def test_the_containers_refusal_is_passed_on(self, vertex: Vertex, endpoint: str, serving_image: str) -> None:
        from google.auth.transport.requests import AuthorizedSession

        vertex.deploy(endpoint, vertex.upload(serving_image).name, {"0": 100})
        session = AuthorizedSession(vertex.credentials)
        url = f"https://{vertex.world.region}-aiplatform.googleapis.com/v1/{endpoint}"
        answer = session.post(f"{url}:predict", json={"instances": ["bad"]})
        assert (answer.status_code, answer.json()["error"]["message"]) == (422, '{"error": "a bad instance"}')
        raw = session.post(f"{url}:rawPredict", json={"instances": [1], "anything": "else"})
        assert raw.json()["predictions"][0]["path"].endswith(":predict")
        assert raw.headers["X-Vertex-AI-Endpoint-Id"] == endpoint.rpartition("/")[2]

    def test_a_server_that_exits_is_not_deployed(
        self, vertex: Vertex, endpoint: str, refused: Callable[..., Any]
    ) -> None:
        model = vertex.upload(vertex.image(sys.executable, "-c", "import sys; sys.exit(1)"))
        with refused("Model server exited unexpectedly. Model server logs can be found at https://console"):
            vertex.deploy(endpoint, model.name, {"0": 100})
        assert not vertex.endpoints.get_endpoint(name=endpoint).deployed_models
        with refused("Image .* not found"):
            vertex.deploy(endpoint, vertex.upload(f"{REGISTRY}/nobody:1").name, {"0": 100})

    def test_an_endpoints_id_is_taken_once(self, vertex: Vertex, refused: Callable[..., Any]) -> None:
        wanted = {"parent": vertex.parent, "endpoint": {"display_name": "x"}, "endpoint_id": f"e{uuid.uuid4().hex[:8]}"}
        name = vertex.endpoints.create_endpoint(wanted).result(timeout=10).name
        assert name.endswith(f"/endpoints/{wanted['endpoint_id']}")
        with refused("409"):
            vertex.endpoints.create_endpoint(wanted)
        vertex.endpoints.delete_endpoint(name=name).result(timeout=10)
