"""Storage Transfer through its real client: jobs, runs that move real bytes from S3, and what each refuses."""

import datetime
import json
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import google.auth
import pytest
from google.api_core import exceptions
from google.cloud import storage
from google.cloud.storage_transfer_v1 import StorageTransferServiceClient, TransferOperation
from google.rpc.code_pb2 import Code

from wif_pipelines.sandbox.google.storagetransfer.schedule import next_run
from wif_pipelines.sandbox.lifecycle import Sandbox

ENDED = {"SUCCESS", "FAILED", "ABORTED"}
DAY = 86_400.0
NOON = datetime.datetime(2030, 3, 5, 12, tzinfo=datetime.UTC).timestamp()
TODAY, TOMORROW = {"year": 2030, "month": 3, "day": 5}, {"year": 2030, "month": 3, "day": 6}


@pytest.fixture
def client(pipeline: Any) -> StorageTransferServiceClient:
    return StorageTransferServiceClient(transport="rest", credentials=pipeline)


@pytest.fixture
def buckets(sandbox: Sandbox, administrator: Any) -> storage.Client:
    return storage.Client(project=sandbox.world.project, credentials=administrator)


@pytest.fixture
def sink(sandbox: Sandbox, buckets: storage.Client) -> Any:
    """A fresh bucket under the customer's key, which the transfer account may write."""
    world = sandbox.world
    bucket = buckets.bucket(f"sink-{uuid.uuid4().hex[:12]}")
    bucket.default_kms_key_name = world.kms_key
    bucket.create(location=world.region)
    policy = bucket.get_iam_policy(requested_policy_version=3)
    for role in ("roles/storage.objectAdmin", "roles/storage.legacyBucketReader"):
        policy.bindings.append({"role": role, "members": {f"serviceAccount:{world.transfer_agent}"}})
    bucket.set_iam_policy(policy)
    return bucket


@pytest.fixture
def put(operator: Any, source_bucket: str) -> Callable[..., None]:
    s3 = operator.client("s3")

    def put(*keys: str, body: bytes = b"clinic,value\n7,1\n", **more: Any) -> None:
        for key in keys:
            s3.put_object(Bucket=source_bucket, Key=key, Body=body, **more)

    return put


@pytest.fixture
def job(sandbox: Sandbox, source_bucket: str, sink: Any) -> dict[str, Any]:
    """A job from `exports/` to `landing/`, not created yet."""
    source = {"bucket_name": source_bucket, "path": "exports/", "role_arn": sandbox.world.transfer_role_arn}
    return {
        "project_id": sandbox.world.project,
        "name": f"transferJobs/test-{uuid.uuid4().hex[:12]}",
        "status": "ENABLED",
        "transfer_spec": {
            "aws_s3_data_source": source,
            "gcs_data_sink": {"bucket_name": sink.name, "path": "landing/"},
        },
    }


def run(client: StorageTransferServiceClient, job: dict[str, Any]) -> str:
    request = {"job_name": job["name"], "project_id": job["project_id"]}
    return str(client.run_transfer_job(request).operation.name)


def look(client: StorageTransferServiceClient, name: str) -> tuple[Any, TransferOperation]:
    operation, found = client.get_operation({"name": name}), TransferOperation()
    operation.metadata.Unpack(TransferOperation.pb(found))
    return operation, found


def finish(client: StorageTransferServiceClient, name: str, until: set[str] = ENDED) -> tuple[Any, TransferOperation]:
    deadline = time.monotonic() + 30
    while True:
        operation, found = look(client, name)
        if found.status.name in until:
            return operation, found
        assert time.monotonic() < deadline, found
        time.sleep(0.05)


def create_and_run(client: StorageTransferServiceClient, job: dict[str, Any]) -> tuple[Any, TransferOperation]:
    client.create_transfer_job({"transfer_job": job})
    return finish(client, run(client, job))


def names(bucket: Any) -> list[str]:
    return [blob.name for blob in bucket.list_blobs()]


def test_the_account_is_told(sandbox: Sandbox, client: StorageTransferServiceClient) -> None:
    found = client.get_google_service_account({"project_id": sandbox.world.project_number})

    assert (found.account_email, found.subject_id) == (
        sandbox.world.transfer_agent,
        sandbox.world.transfer_agent_subject,
    )


def test_a_run_brings_every_object_whole_and_under_the_key(
    sandbox: Sandbox, client: StorageTransferServiceClient, job: dict[str, Any], sink: Any, put: Callable[..., None]
) -> None:
    put("exports/a.csv", ContentType="text/csv", Metadata={"clinic": "7"}, CacheControl="no-store")
    put("exports/deep/b c+d.csv", "elsewhere/c.csv", body=b"")
    put("exports/large.bin", body=bytes(range(256)) * 20_000)

    operation, found = create_and_run(client, job)

    assert (found.status.name, operation.done, operation.HasField("error")) == ("SUCCESS", True, False)
    assert (found.counters.objects_found_from_source, found.counters.objects_copied_to_sink) == (3, 3)
    assert found.counters.bytes_copied_to_sink == 17 + 256 * 20_000
    assert found.end_time >= found.start_time
    assert names(sink) == ["landing/a.csv", "landing/deep/b c+d.csv", "landing/large.bin"]
    blob = sink.get_blob("landing/a.csv")
    assert (blob.content_type, blob.metadata, blob.cache_control) == ("text/csv", {"clinic": "7"}, "no-store")
    assert blob.kms_key_name.startswith(sandbox.world.kms_key + "/cryptoKeyVersions/")
    assert sink.blob("landing/large.bin").download_as_bytes() == bytes(range(256)) * 20_000
    kept = client.get_transfer_job({"job_name": job["name"], "project_id": job["project_id"]})
    assert kept.latest_operation_name == operation.name


def test_what_is_there_is_skipped_unless_told_otherwise(
    client: StorageTransferServiceClient, job: dict[str, Any], sink: Any, put: Callable[..., None]
) -> None:
    put("exports/same.csv", "exports/changes.csv")
    create_and_run(client, job)
    put("exports/changes.csv", body=b"clinic,value\n7,2\n")

    _, different = finish(client, run(client, job))
    put("exports/changes.csv", body=b"clinic,value\n7,3\n")
    job["transfer_spec"]["transfer_options"] = {"overwrite_when": "NEVER"}
    _, never = create_and_run(client, job | {"name": job["name"] + "-never"})
    job["transfer_spec"]["transfer_options"] = {"overwrite_when": "ALWAYS"}
    before = sink.get_blob("landing/changes.csv").download_as_bytes()
    _, always = create_and_run(client, job | {"name": job["name"] + "-always"})

    def counts(found: TransferOperation) -> tuple[int, int]:
        return found.counters.objects_copied_to_sink, found.counters.objects_from_source_skipped_by_sync

    assert [counts(found) for found in (different, never, always)] == [(1, 1), (0, 2), (2, 0)]
    assert before == b"clinic,value\n7,2\n"
    assert sink.get_blob("landing/changes.csv").download_as_bytes() == b"clinic,value\n7,3\n"


def test_a_manifest_names_what_is_copied_and_what_is_missing_fails(
    client: StorageTransferServiceClient, job: dict[str, Any], sink: Any, put: Callable[..., None]
) -> None:
    put("exports/a,1.csv", "exports/b.csv", "exports/not-named.csv")
    missing = [f"gone-{number}.csv" for number in range(7)]
    sink.blob("manifests/m.csv").upload_from_string('"a,1.csv"\nb.csv\n' + "\n".join(missing) + "\n")
    job["transfer_spec"]["transfer_manifest"] = {"location": f"gs://{sink.name}/manifests/m.csv"}

    operation, found = create_and_run(client, job)

    assert names(sink) == ["landing/a,1.csv", "landing/b.csv", "manifests/m.csv"]
    assert found.status.name == "FAILED"
    assert (found.counters.objects_copied_to_sink, found.counters.objects_from_source_failed) == (2, 7)
    (summary,) = found.error_breakdowns
    assert (Code.Name(summary.error_code), summary.error_count, len(summary.error_log_entries)) == ("NOT_FOUND", 7, 5)
    assert summary.error_log_entries[0].url.startswith("s3://")
    assert operation.error.code == Code.NOT_FOUND


def test_conditions_choose(
    client: StorageTransferServiceClient, job: dict[str, Any], sink: Any, put: Callable[..., None]
) -> None:
    put("exports/2024/a.csv", "exports/2024/draft/b.csv", "exports/2025/c.csv")
    conditions = {"include_prefixes": ["2024/"], "exclude_prefixes": ["2024/draft/"]}
    job["transfer_spec"]["object_conditions"] = conditions
    create_and_run(client, job)
    future = datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=1)
    job["transfer_spec"]["object_conditions"] = {"last_modified_since": future}
    _, later = create_and_run(client, job | {"name": job["name"] + "-later"})

    assert names(sink) == ["landing/2024/a.csv"]
    assert (later.status.name, later.counters.objects_found_from_source) == ("SUCCESS", 0)


def test_a_mirror_deletes_only_what_is_under_its_path(
    client: StorageTransferServiceClient, job: dict[str, Any], sink: Any, put: Callable[..., None]
) -> None:
    put("exports/a.csv")
    for name in ("landing/old.csv", "other/kept.csv"):
        sink.blob(name).upload_from_string("x")
    job["transfer_spec"]["transfer_options"] = {"delete_objects_unique_in_sink": True}

    _, found = create_and_run(client, job)

    assert names(sink) == ["landing/a.csv", "other/kept.csv"]
    assert (found.counters.objects_found_only_from_sink, found.counters.objects_deleted_from_sink) == (1, 1)


def test_deleting_at_the_source_needs_the_role_to_allow_it(
    client: StorageTransferServiceClient, job: dict[str, Any], sink: Any, put: Callable[..., None]
) -> None:
    put("exports/a.csv")
    job["transfer_spec"]["transfer_options"] = {"delete_objects_from_source_after_transfer": True}

    operation, found = create_and_run(client, job)

    assert names(sink) == ["landing/a.csv"]
    assert (found.status.name, Code.Name(found.error_breakdowns[0].error_code)) == ("FAILED", "PERMISSION_DENIED")
    assert "s3:DeleteObject" in operation.error.message


def test_a_role_that_trusts_somebody_else_is_refused(
    sandbox: Sandbox, client: StorageTransferServiceClient, job: dict[str, Any], operator: Any
) -> None:
    trust = {
        "Effect": "Allow",
        "Principal": {"Federated": "accounts.google.com"},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {"StringEquals": {"accounts.google.com:sub": "1"}},
    }
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    name = f"distrustful-{uuid.uuid4().hex[:8]}"
    operator.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=document)
    job["transfer_spec"]["aws_s3_data_source"]["role_arn"] = sandbox.world.role_arn(name)

    with pytest.raises(exceptions.BadRequest, match="Not authorized to perform sts:AssumeRoleWithWebIdentity"):
        client.create_transfer_job({"transfer_job": job})


def test_trust_that_is_withdrawn_fails_the_next_run(
    sandbox: Sandbox, client: StorageTransferServiceClient, job: dict[str, Any], operator: Any
) -> None:
    iam, name = operator.client("iam"), f"fickle-{uuid.uuid4().hex[:8]}"
    known = iam.get_role(RoleName=sandbox.world.transfer_role)["Role"]["AssumeRolePolicyDocument"]
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(known))
    allowed = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
    iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=policy)
    job["transfer_spec"]["aws_s3_data_source"]["role_arn"] = sandbox.world.role_arn(name)
    client.create_transfer_job({"transfer_job": job})
    known["Statement"][0]["Condition"]["StringEquals"]["accounts.google.com:sub"] = "1"
    iam.update_assume_role_policy(RoleName=name, PolicyDocument=json.dumps(known))

    operation, found = finish(client, run(client, job))

    assert (found.status.name, operation.error.code) == ("FAILED", Code.PERMISSION_DENIED)
    assert "Not authorized to perform sts:AssumeRoleWithWebIdentity" in operation.error.message


def test_a_sink_without_the_account_is_refused(
    sandbox: Sandbox, client: StorageTransferServiceClient, job: dict[str, Any], buckets: storage.Client
) -> None:
    bucket = buckets.create_bucket(f"closed-{uuid.uuid4().hex[:12]}", location=sandbox.world.region)
    job["transfer_spec"]["gcs_data_sink"]["bucket_name"] = bucket.name

    with pytest.raises(exceptions.BadRequest) as caught:
        client.create_transfer_job({"transfer_job": job})

    text = f"Failed to obtain the location of the Google Cloud Storage (GCS) bucket {bucket.name} due to insufficient"
    assert text in caught.value.message
    assert "FAILED_PRECONDITION" in str(caught.value.response.json())


def change_role(job: dict[str, Any], **fields: Any) -> None:
    job["transfer_spec"]["aws_s3_data_source"].update(fields)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (lambda job: job.update(name="transferJobs/OPI-1"), exceptions.BadRequest),
        (lambda job: job.update(name="transferJobs/ends-in-"), exceptions.BadRequest),
        (lambda job: job.update(name="transferJobs/" + "x" * 116), exceptions.BadRequest),
        (lambda job: job.pop("status"), exceptions.BadRequest),
        (lambda job: job.update(project_id="somebody-elses"), exceptions.Forbidden),
        (lambda job: job["transfer_spec"].pop("gcs_data_sink"), exceptions.BadRequest),
        (lambda job: change_role(job, path="no-slash"), exceptions.BadRequest),
        (lambda job: change_role(job, role_arn="arn:aws:iam::1:user/x"), exceptions.BadRequest),
        (lambda job: change_role(job, bucket_name="no-such-bucket-anywhere"), exceptions.BadRequest),
        (
            lambda job: change_role(job, aws_access_key={"access_key_id": "A", "secret_access_key": "B"}),
            exceptions.BadRequest,
        ),
        (
            lambda job: job["transfer_spec"].update(object_conditions={"include_prefixes": ["a", "ab"]}),
            exceptions.BadRequest,
        ),
        (lambda job: job.update(event_stream={"name": "arn:aws:sqs:us-east-1:1:q"}), exceptions.MethodNotImplemented),
    ],
)
def test_a_job_that_cannot_be_is_refused(
    client: StorageTransferServiceClient, job: dict[str, Any], change: Callable[[dict[str, Any]], Any], error: type
) -> None:
    change(job)

    with pytest.raises(error):
        client.create_transfer_job({"transfer_job": job})


def test_a_name_is_taken_even_after_deletion(client: StorageTransferServiceClient, job: dict[str, Any]) -> None:
    client.create_transfer_job({"transfer_job": job})
    with pytest.raises(exceptions.Conflict, match="already exists"):
        client.create_transfer_job({"transfer_job": job})
    where = {"job_name": job["name"], "project_id": job["project_id"]}
    client.delete_transfer_job(where)

    kept = client.get_transfer_job(where)
    assert (kept.status.name, kept.deletion_time is not None) == ("DELETED", True)
    with pytest.raises(exceptions.Conflict):
        client.create_transfer_job({"transfer_job": job})
    with pytest.raises(exceptions.BadRequest, match="not enabled"):
        client.run_transfer_job(where)
    with pytest.raises(exceptions.NotFound):
        client.get_transfer_job(where | {"job_name": "transferJobs/never-was"})


def test_a_patch_changes_what_its_mask_names(client: StorageTransferServiceClient, job: dict[str, Any]) -> None:
    client.create_transfer_job({"transfer_job": job | {"description": "before"}})

    def patch(paths: list[str], **fields: Any) -> Any:
        request = {"job_name": job["name"], "project_id": job["project_id"], "transfer_job": fields}
        return client.update_transfer_job(request | {"update_transfer_job_field_mask": {"paths": paths}})

    changed = patch(["description"], description="after", status="DISABLED")
    assert (changed.description, changed.status.name) == ("after", "ENABLED")
    assert patch(["status"], status="DISABLED").status.name == "DISABLED"
    with pytest.raises(exceptions.BadRequest, match="not enabled"):
        run(client, job)
    with pytest.raises(exceptions.BadRequest):
        patch(["name"], name="transferJobs/other")
    with pytest.raises(exceptions.BadRequest):
        patch(["transfer_spec"], transfer_spec={"gcs_data_sink": job["transfer_spec"]["gcs_data_sink"]})


def test_a_run_is_paused_resumed_and_alone(
    client: StorageTransferServiceClient, job: dict[str, Any], sink: Any, put: Callable[..., None]
) -> None:
    put(*(f"exports/{number}.csv" for number in range(20)))
    client.create_transfer_job({"transfer_job": job})
    name = run(client, job)

    client.pause_transfer_operation({"name": name})
    held = look(client, name)[1]
    with pytest.raises(exceptions.BadRequest, match="already has an active operation"):
        run(client, job)
    with pytest.raises(exceptions.BadRequest, match="cannot be paused"):
        client.pause_transfer_operation({"name": name})
    time.sleep(1)
    still, arrived = look(client, name)[1], len(names(sink))
    client.resume_transfer_operation({"name": name})
    _, found = finish(client, name)

    assert (held.status.name, still.status.name, found.status.name) == ("PAUSED", "PAUSED", "SUCCESS")
    assert arrived < 20
    assert len(names(sink)) == found.counters.objects_copied_to_sink == 20
    with pytest.raises(exceptions.BadRequest, match="not paused"):
        client.resume_transfer_operation({"name": name})


def test_a_cancelled_run_is_aborted(
    client: StorageTransferServiceClient, job: dict[str, Any], put: Callable[..., None]
) -> None:
    put(*(f"exports/{number}.csv" for number in range(20)))
    client.create_transfer_job({"transfer_job": job})
    name = run(client, job)
    client.pause_transfer_operation({"name": name})

    client.cancel_operation({"name": name})
    operation, found = finish(client, name)
    client.cancel_operation({"name": name})

    assert (found.status.name, operation.done, operation.error.code) == ("ABORTED", True, Code.CANCELLED)
    assert finish(client, run(client, job))[1].status.name == "SUCCESS"


def test_operations_and_jobs_are_found_by_filter(client: StorageTransferServiceClient, job: dict[str, Any]) -> None:
    create_and_run(client, job)
    second = finish(client, run(client, job))[0].name

    def found(page: int = 256, **wanted: Any) -> list[str]:
        request = {"name": "transferOperations", "filter": json.dumps({"projectId": job["project_id"], **wanted})}
        return [each.name for each in client.list_operations({**request, "page_size": page}).operations]

    assert found(page=1, jobNames=[job["name"]]) == [second]
    assert len(found(jobNames=[job["name"]], transferStatuses=["success"])) == 2
    assert found(jobNames=[job["name"]], transferStatuses=["IN_PROGRESS", "QUEUED"]) == []
    assert found(operationNamePattern=f"*{second[-8:]}") == [second]
    listed = client.list_transfer_jobs(
        {"filter": json.dumps({"projectId": job["project_id"], "jobNames": [job["name"]]})}
    )
    assert [each.name for each in listed] == [job["name"]]
    with pytest.raises(exceptions.BadRequest):
        client.list_operations({"name": "transferOperations", "filter": "projectId=x"})


def test_a_job_for_once_runs_by_itself(
    client: StorageTransferServiceClient, job: dict[str, Any], sink: Any, put: Callable[..., None]
) -> None:
    put("exports/a.csv")
    today = datetime.datetime.now(datetime.UTC)
    date = {"year": today.year, "month": today.month, "day": today.day}
    job["schedule"] = {"schedule_start_date": date, "schedule_end_date": date}

    made = client.create_transfer_job({"transfer_job": job})

    assert finish(client, made.latest_operation_name)[1].status.name == "SUCCESS"
    assert names(sink) == ["landing/a.csv"]


@pytest.mark.parametrize(
    ("schedule", "latest", "due"),
    [
        ({"scheduleEndDate": TODAY}, None, NOON),
        ({"scheduleEndDate": TODAY}, NOON, None),
        ({"scheduleEndDate": TODAY, "startTimeOfDay": {"hours": 15}}, None, NOON + 3 * 3600),
        ({"startTimeOfDay": {"hours": 9}}, None, NOON + 21 * 3600),
        ({}, NOON, NOON + DAY / 2),
        ({"startTimeOfDay": {"hours": 15}, "repeatInterval": "7200s"}, NOON + 3 * 3600, NOON + 5 * 3600),
        ({"scheduleEndDate": TOMORROW, "startTimeOfDay": {"hours": 15}}, NOON + 3 * 3600 + DAY, None),
    ],
)
def test_a_schedule_says_when(schedule: dict[str, Any], latest: float | None, due: float | None) -> None:
    assert next_run({"scheduleStartDate": TODAY, **schedule}, NOON, latest) == due


def test_nothing_arrives_under_a_key_that_is_disabled(
    sandbox: Sandbox,
    client: StorageTransferServiceClient,
    job: dict[str, Any],
    sink: Any,
    put: Callable[..., None],
    administrator: Any,
) -> None:
    from google.cloud import kms_v1

    world, keys = sandbox.world, kms_v1.KeyManagementServiceClient(transport="rest", credentials=administrator)
    ring = world.kms_key.partition("/cryptoKeys/")[0]
    wanted = {"purpose": kms_v1.CryptoKey.CryptoKeyPurpose.ENCRYPT_DECRYPT}
    request = {"parent": ring, "crypto_key_id": f"sink-{uuid.uuid4().hex[:8]}", "crypto_key": wanted}
    key = keys.create_crypto_key(request=request)
    role = "roles/cloudkms.cryptoKeyEncrypterDecrypter"
    binding = {"role": role, "members": [f"serviceAccount:{world.storage_agent}"]}
    keys.set_iam_policy(request={"resource": key.name, "policy": {"bindings": [binding]}})
    sink.default_kms_key_name = key.name
    sink.patch()
    version = {"name": key.primary.name, "state": kms_v1.CryptoKeyVersion.CryptoKeyVersionState.DISABLED}
    keys.update_crypto_key_version(request={"crypto_key_version": version, "update_mask": {"paths": ["state"]}})
    put("exports/a.csv")

    operation, found = create_and_run(client, job)

    assert names(sink) == []
    assert (found.status.name, operation.error.code) == ("FAILED", Code.FAILED_PRECONDITION)
    assert f"{key.name} is disabled" in operation.error.message


def test_what_a_job_logs_is_in_cloud_logging(
    client: StorageTransferServiceClient,
    job: dict[str, Any],
    sink: Any,
    put: Callable[..., None],
    as_administrator: Any,
) -> None:
    put("exports/a.csv", "exports/b.csv")
    job["logging_config"] = {"log_actions": ["COPY"], "log_action_states": ["SUCCEEDED"]}
    operation, _ = create_and_run(client, job)

    log = f"projects/{job['project_id']}/logs/storagetransfer.googleapis.com%2Ftransfer_activity"
    wanted = f'logName="{log}" AND jsonPayload.operation="{operation.name}"'
    body = {"resourceNames": [f"projects/{job['project_id']}"], "filter": wanted}
    answer = as_administrator.post("https://logging.googleapis.com/v2/entries:list", json=body)

    entries = answer.json()["entries"]
    found = {entry["jsonPayload"]["destinationObject"]["gcsObject"]["objectKey"] for entry in entries}
    assert found == {"landing/a.csv", "landing/b.csv"}
    assert {entry["severity"] for entry in entries} == {"INFO"}
    assert {entry["resource"]["labels"]["job_id"] for entry in entries} == {job["name"]}


@pytest.mark.slow
def test_a_run_goes_on_after_the_sandbox_was_down(
    tmp_path: Path, sandbox_environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    count = 400

    def enter(running: Sandbox) -> tuple[StorageTransferServiceClient, Any]:
        for name, value in running.environment(session_name="tests").items():
            monkeypatch.setenv(name, value)
        credentials, _ = google.auth.default(scopes=["https://www.googleapis.com/auth/cloud-platform"])
        client = StorageTransferServiceClient(transport="rest", credentials=credentials)
        bucket = storage.Client(project=running.world.project, credentials=credentials).bucket(
            running.world.landing_bucket
        )
        return client, bucket

    with Sandbox(tmp_path) as first:
        world = first.world
        client, _ = enter(first)
        s3 = boto3.Session().client("s3")
        for number in range(count):
            s3.put_object(Bucket=world.source_bucket, Key=f"exports/{number}.csv", Body=b"clinic,value\n7,1\n")
        source = {"bucket_name": world.source_bucket, "path": "exports/", "role_arn": world.transfer_role_arn}
        spec = {"aws_s3_data_source": source, "gcs_data_sink": {"bucket_name": world.landing_bucket}}
        job = {"project_id": world.project, "name": "transferJobs/long", "status": "ENABLED", "transfer_spec": spec}
        client.create_transfer_job({"transfer_job": job})
        name = run(client, job)
        deadline = time.monotonic() + 30
        while look(client, name)[1].counters.objects_copied_to_sink == 0 and time.monotonic() < deadline:
            time.sleep(0.01)
        half = look(client, name)[1].counters.objects_copied_to_sink
    with Sandbox(tmp_path) as second:
        client, landing = enter(second)
        _, found = finish(client, name)
        objects = names(landing)

    assert 0 < half < count
    assert found.status.name == "SUCCESS"
    counters = found.counters
    assert counters.objects_copied_to_sink + counters.objects_from_source_skipped_by_sync == count
    assert counters.objects_found_from_source == counters.objects_copied_to_sink
    assert counters.objects_copied_to_sink > half
    assert len(objects) == count
