"""A sandbox starts, is found, survives, and leaves nothing behind."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from click.testing import CliRunner

from wif_pipelines.sandbox.commands import sandbox as commands
from wif_pipelines.sandbox.directory import DirectoryInUseError, SandboxDirectory
from wif_pipelines.sandbox.lifecycle import Sandbox, SandboxError, SandboxNotRunningError
from wif_pipelines.sandbox.world import World

pytestmark = pytest.mark.slow

WORLD = World()
PROMISED = {
    "HTTPS_PROXY", "https_proxy", "NO_PROXY", "REQUESTS_CA_BUNDLE", "AWS_CA_BUNDLE", "SSL_CERT_FILE", "CURL_CA_BUNDLE",
    "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH", "CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE", "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_EC2_METADATA_DISABLED",
    "NO_GCE_CHECK", "GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_CLOUD_PROJECT", "SANDBOX_PROJECT",
    "DISABLE_GCS_PYTHON_CLIENT_OTEL_BUCKET_METADATA", "SANDBOX_PROJECT_NUMBER", "SANDBOX_REGION",
    "SANDBOX_SOURCE_BUCKET", "SANDBOX_LANDING_BUCKET", "SANDBOX_KMS_KEY", "SANDBOX_SERVICE_ACCOUNT",
    "SANDBOX_TRANSFER_ROLE_ARN", "SANDBOX_TRAINING_IMAGE", "SANDBOX_SERVING_IMAGE", "SANDBOX_WORKLOAD_ROLE_ARN",
    "SANDBOX_AUDIENCE", "SANDBOX_DIRECTORY",
}  # fmt: skip


def _client(service: str, environment: dict[str, str]) -> Any:
    session = boto3.Session(
        environment["AWS_ACCESS_KEY_ID"],
        environment["AWS_SECRET_ACCESS_KEY"],
        environment["AWS_SESSION_TOKEN"],
        environment["AWS_REGION"],
    )
    config = Config(proxies={"https": environment["HTTPS_PROXY"]}, retries={"max_attempts": 1})
    return session.client(service, config=config, verify=environment["AWS_CA_BUNDLE"])


def _processes_of(directory: Path) -> list[int]:
    """Every process with the directory on its command line."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                command = (entry / "cmdline").read_bytes()
            except (FileNotFoundError, ProcessLookupError):
                continue
            if os.fsencode(directory) in command:
                found.append(int(entry.name))
    return found


def _await_no_processes(directory: Path, seconds: float = 15) -> None:
    deadline = time.monotonic() + seconds
    while _processes_of(directory):
        assert time.monotonic() < deadline, f"still there: {_processes_of(directory)}"
        time.sleep(0.05)


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "cloud"
    yield path
    for process in _processes_of(path):
        os.kill(process, signal.SIGKILL)


def test_state_survives_a_restart_and_a_kill(directory: Path) -> None:
    with Sandbox(directory) as sandbox:
        first = sandbox.environment()
        admin = sandbox.environment(role=WORLD.operator_role)
        s3, iam = _client("s3", admin), _client("iam", admin)
        versioning = {"Status": "Enabled"}
        s3.put_bucket_versioning(Bucket=WORLD.source_bucket, VersioningConfiguration=versioning)
        older = s3.put_object(Bucket=WORLD.source_bucket, Key="k", Body=b"old", Metadata={"week": "1"})
        s3.put_object(Bucket=WORLD.source_bucket, Key="k", Body=b"n" * 1_000_000)
        document = json.dumps(
            {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}
        )
        iam.create_user(UserName="someone")
        iam.put_user_policy(UserName="someone", PolicyName="all", PolicyDocument=document)
        key = iam.create_access_key(UserName="someone")["AccessKey"]
        authority = Path(first["SSL_CERT_FILE"]).read_bytes()
        before = s3.head_object(Bucket=WORLD.source_bucket, Key="k")
        queue = _client("sqs", admin)
        url = queue.get_queue_url(QueueName=WORLD.source_queue)["QueueUrl"]
        queue.send_message(QueueUrl=url, MessageBody="kept")
    _await_no_processes(directory)

    again = Sandbox(directory)
    again.start()
    port = {"HTTPS_PROXY": f"http://127.0.0.1:{again.address.port}"}
    user = {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}
    s3 = _client("s3", {**first, **user, "AWS_SESSION_TOKEN": None, **port})  # type: ignore[dict-item]
    after = s3.head_object(Bucket=WORLD.source_bucket, Key="k")
    older_read = s3.get_object(Bucket=WORLD.source_bucket, Key="k", VersionId=older["VersionId"])

    assert Path(first["SSL_CERT_FILE"]).read_bytes() == authority
    assert [after[name] for name in ("ETag", "LastModified", "VersionId", "ContentLength")] == [
        before[name] for name in ("ETag", "LastModified", "VersionId", "ContentLength")
    ]
    assert (older_read["Body"].read(), older_read["Metadata"]) == (b"old", {"week": "1"})
    assert s3.get_object(Bucket=WORLD.source_bucket, Key="k")["Body"].read() == b"n" * 1_000_000
    assert _client("sts", first | port).get_caller_identity()["Arn"].endswith("/sandbox")
    assert _client("sqs", admin | port).receive_message(QueueUrl=url)["Messages"][0]["Body"] == "kept"

    s3.put_object(Bucket=WORLD.source_bucket, Key="last", Body=b"words")
    os.kill(again.address.pid, signal.SIGKILL)
    _await_no_processes(directory)
    with pytest.raises(SandboxNotRunningError, match="wif sandbox up"):
        Sandbox.attach(directory)
    again.stop()

    with Sandbox(directory) as revived:
        s3 = _client("s3", revived.environment())
        assert s3.get_object(Bucket=WORLD.source_bucket, Key="last")["Body"].read() == b"words"


def test_nothing_readable_in_the_directory_is_a_secret(directory: Path) -> None:
    with Sandbox(directory) as sandbox:
        environment = sandbox.environment()
        admin = sandbox.environment(role=WORLD.operator_role)
        _client("iam", admin).create_user(UserName="someone")
        key = _client("iam", admin).create_access_key(UserName="someone")["AccessKey"]["SecretAccessKey"]
        _client("s3", environment).list_objects_v2(Bucket=WORLD.source_bucket)
        with pytest.raises(ClientError):
            _client("s3", environment).list_objects_v2(Bucket="not-mine")
        time.sleep(1)
    secrets = [key, *(e[name] for e in (environment, admin) for name in ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"))]

    for path in (path for path in directory.rglob("*") if path.is_file()):
        assert not any(secret.encode() in path.read_bytes() for secret in secrets), path
    for name in ("ca.key", "control.token", "aws/seal.key", "issuer/google-issuer.pem"):
        assert (directory / name).stat().st_mode & 0o077 == 0
    assert directory.stat().st_mode & 0o077 == 0


def test_two_do_not_share_a_directory(directory: Path) -> None:
    with Sandbox(directory) as sandbox:
        with pytest.raises(SandboxError, match=r"serves .* already"):
            Sandbox(directory).start()
        with pytest.raises(DirectoryInUseError), SandboxDirectory(directory).claimed():
            pass
        with pytest.raises(DirectoryInUseError):
            SandboxDirectory(directory).forget()
        command = [sys.executable, "-m", "wif_pipelines.sandbox", "serve", "--directory", str(directory)]
        second = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)

        assert (second.returncode, "Another sandbox serves" in second.stderr) == (1, True)
        assert Sandbox.attach(directory).address == sandbox.address
        assert Sandbox.attach(directory).environment().keys() >= PROMISED


def test_a_sandbox_follows_the_process_that_started_it(directory: Path) -> None:
    code = (
        "import os, sys\nfrom wif_pipelines.sandbox.lifecycle import Sandbox\nSandbox(sys.argv[1]).start()\nos._exit(1)"
    )
    subprocess.run([sys.executable, "-c", code, str(directory)], timeout=60, check=False)

    _await_no_processes(directory)


def test_an_aws_process_that_dies_takes_the_sandbox_with_it(directory: Path) -> None:
    sandbox = Sandbox(directory)
    sandbox.start()
    for process in _processes_of(directory):
        if process != sandbox.address.pid:
            os.kill(process, signal.SIGKILL)
    _await_no_processes(directory)
    sandbox.stop()

    assert "The AWS process ended by itself, with status -9" in (directory / "server.log").read_text()


def test_a_sandbox_that_cannot_start_says_why(directory: Path) -> None:
    (directory / "aws").mkdir(parents=True)
    (directory / "aws" / "s3.pickle").write_bytes(b"from another age")

    with pytest.raises(SandboxError, match=r"(?s)The AWS state in .* cannot be read.*wif sandbox down --forget"):
        Sandbox(directory).start()
    _await_no_processes(directory)


def _run(*arguments: str, expect: int = 0) -> str:
    result = CliRunner().invoke(commands, arguments)
    assert result.exit_code == expect, result.output
    return result.output


def test_the_commands(directory: Path) -> None:
    where = ("--directory", str(directory))
    assert "wif sandbox up" in _run("env", *where, expect=1)
    assert "not running" in _run("down", *where)

    assert "is up on 127.0.0.1:" in _run("up", *where)
    address = Sandbox.attach(directory).address
    assert f":{address.port}" in _run("up", *where)
    assert _run("status", *where).startswith(f"up: process {address.pid} on 127.0.0.1:{address.port}")

    exported = _run("env", *where)
    assert json.loads(_run("env", "--json", *where)).keys() >= PROMISED
    shell = f"{exported}\n{sys.executable} -c \"import boto3; print(boto3.client('sts').get_caller_identity()['Arn'])\""
    done = subprocess.run(["/bin/sh", "-c", shell], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == f"{WORLD.assumed_workload_role_arn}/sandbox"

    code = "import os, sys; print(os.environ['SANDBOX_PROJECT'], sys.argv[1:]); sys.exit(7)"
    command = "from wif_pipelines.sandbox.commands import sandbox; sandbox()"
    arguments = ["run", *where, "--", sys.executable, "-c", code, "--flag", "a b"]
    done = subprocess.run(
        [sys.executable, "-c", command, *arguments], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout) == (7, "sandbox-project ['--flag', 'a b']\n")
    assert "cannot be run" in _run("run", *where, "--", "no-such-command", expect=1)

    assert "is down" in _run("down", "--forget", *where)
    assert not directory.exists()
    _await_no_processes(directory)
    assert "No sandbox serves" in _run("status", *where, expect=1)
