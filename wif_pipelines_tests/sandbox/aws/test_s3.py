"""S3 through boto3, rclone and plain HTTP, as roles that may and may not."""

import base64
import datetime
import hashlib
import io
import json
import subprocess
import sysconfig
import time
import zlib
from pathlib import Path
from typing import Any

import boto3
import pytest
import requests
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import ClientError

ODD_KEYS = ["a/b c+d&e=f.txt", "ümläut/日本.csv", "per%20cent", "tilde~(paren)*'!", "a//b", "trailing/"]


def _error(caught: pytest.ExceptionInfo[ClientError]) -> tuple[int, str, str]:
    response = caught.value.response
    return response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Code"], response["Error"]["Message"]


def test_what_is_put_is_what_is_read(workload: Any, source_bucket: str) -> None:
    s3 = workload.client("s3")
    s3.put_object(Bucket=source_bucket, Key="week.csv", Body=b"a,b\n", ContentType="text/csv", Metadata={"clinic": "7"})

    found = s3.get_object(Bucket=source_bucket, Key="week.csv")

    assert found["Body"].read() == b"a,b\n"
    assert (found["ContentType"], found["Metadata"]) == ("text/csv", {"clinic": "7"})
    assert found["ETag"].strip('"') == hashlib.md5(b"a,b\n").hexdigest()
    assert abs(found["LastModified"] - datetime.datetime.now(datetime.UTC)) < datetime.timedelta(seconds=30)
    assert s3.get_object(Bucket=source_bucket, Key="week.csv", Range="bytes=2-2")["Body"].read() == b"b"


@pytest.mark.parametrize("key", ODD_KEYS)
@pytest.mark.parametrize("style", ["virtual", "path"])
def test_a_key_may_be_odd(workload: Any, source_bucket: str, key: str, style: str) -> None:
    s3 = workload.client("s3", config=Config(s3={"addressing_style": style}))
    s3.put_object(Bucket=source_bucket, Key=key, Body=b"x")

    assert s3.get_object(Bucket=source_bucket, Key=key)["Body"].read() == b"x"
    assert [item["Key"] for item in s3.list_objects_v2(Bucket=source_bucket)["Contents"]] == [key]


def test_a_listing_has_pages_prefixes_and_a_start(workload: Any, source_bucket: str) -> None:
    s3 = workload.client("s3")
    for number in range(7):
        s3.put_object(Bucket=source_bucket, Key=f"weeks/{number}.csv", Body=b"x")
    s3.put_object(Bucket=source_bucket, Key="readme", Body=b"x")

    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=source_bucket, PaginationConfig={"PageSize": 3})
    after = s3.list_objects_v2(Bucket=source_bucket, StartAfter="weeks/4.csv")
    folders = s3.list_objects_v2(Bucket=source_bucket, Delimiter="/")

    assert [len(page["Contents"]) for page in pages] == [3, 3, 2]
    assert [item["Key"] for item in after["Contents"]] == ["weeks/5.csv", "weeks/6.csv"]
    assert [item["Prefix"] for item in folders["CommonPrefixes"]] == ["weeks/"]


def test_twenty_megabytes_go_up_in_parts(workload: Any, source_bucket: str) -> None:
    body = bytes(range(256)) * (20 * 4096)
    in_parts = TransferConfig(multipart_threshold=8 << 20, multipart_chunksize=8 << 20, max_concurrency=3)
    s3 = workload.client("s3")

    s3.upload_fileobj(io.BytesIO(body), source_bucket, "big.bin", Config=in_parts)

    found = s3.get_object(Bucket=source_bucket, Key="big.bin")
    assert found["ETag"].endswith('-3"')
    assert hashlib.sha256(found["Body"].read()).digest() == hashlib.sha256(body).digest()


def test_a_checksum_is_kept_and_a_wrong_one_refused(workload: Any, source_bucket: str) -> None:
    s3 = workload.client("s3")
    right = base64.b64encode(zlib.crc32(b"data").to_bytes(4, "big")).decode()
    s3.put_object(Bucket=source_bucket, Key="k", Body=b"data", ChecksumCRC32=right)
    head = s3.head_object(Bucket=source_bucket, Key="k", ChecksumMode="ENABLED")

    with pytest.raises(ClientError) as caught:
        s3.put_object(Bucket=source_bucket, Key="k", Body=b"other", ChecksumCRC32=right)

    assert head["ChecksumCRC32"] == right
    assert _error(caught)[:2] == (400, "BadDigest")
    assert s3.get_object(Bucket=source_bucket, Key="k")["Body"].read() == b"data"


def test_a_streamed_upload_may_hold_what_looks_like_a_checksum(workload: Any, source_bucket: str) -> None:
    body = b"x-amz-checksum-crc32:AAAAAA==\r\n" * 10
    s3 = workload.client("s3", config=Config(request_checksum_calculation="when_supported"))
    s3.put_object(Bucket=source_bucket, Key="k", Body=body, ChecksumAlgorithm="SHA256")

    assert s3.get_object(Bucket=source_bucket, Key="k", ChecksumMode="ENABLED")["Body"].read() == body


def test_versions_are_kept(operator: Any, workload: Any, source_bucket: str) -> None:
    operator.client("s3").put_bucket_versioning(Bucket=source_bucket, VersioningConfiguration={"Status": "Enabled"})
    s3 = workload.client("s3")
    first = s3.put_object(Bucket=source_bucket, Key="k", Body=b"one")["VersionId"]
    second = s3.put_object(Bucket=source_bucket, Key="k", Body=b"two")["VersionId"]
    s3.delete_object(Bucket=source_bucket, Key="k")

    versions = s3.list_object_versions(Bucket=source_bucket)

    assert [version["VersionId"] for version in versions["Versions"]] == [second, first]
    assert s3.get_object(Bucket=source_bucket, Key="k", VersionId=first)["Body"].read() == b"one"
    with pytest.raises(ClientError, match="NoSuchKey"):
        s3.get_object(Bucket=source_bucket, Key="k")


def test_a_batch_is_deleted(workload: Any, source_bucket: str) -> None:
    s3 = workload.client("s3")
    for key in ("a", "b & c", "d"):
        s3.put_object(Bucket=source_bucket, Key=key, Body=b"x")

    s3.delete_objects(Bucket=source_bucket, Delete={"Objects": [{"Key": "a"}, {"Key": "b & c"}]})

    assert [item["Key"] for item in s3.list_objects_v2(Bucket=source_bucket)["Contents"]] == ["d"]


def test_a_wrong_secret_is_refused(sandbox_environment: dict[str, str], source_bucket: str) -> None:
    s3 = boto3.Session().client(
        "s3",
        aws_access_key_id=sandbox_environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key="wrong" * 8,
        aws_session_token=sandbox_environment["AWS_SESSION_TOKEN"],
    )
    with pytest.raises(ClientError) as caught:
        s3.list_objects_v2(Bucket=source_bucket)

    status, code, message = _error(caught)
    assert (status, code) == (403, "SignatureDoesNotMatch")
    assert message == (
        "The request signature we calculated does not match the signature you provided. "
        "Check your key and signing method."
    )


@pytest.mark.parametrize(
    ("name", "token", "code"),
    [("AKIANOBODY0000000000", None, "InvalidAccessKeyId"), (None, "not-a-token", "InvalidToken")],
)
def test_an_unknown_key_or_token_is_refused(
    sandbox_environment: dict[str, str], source_bucket: str, name: str | None, token: str | None, code: str
) -> None:
    s3 = boto3.Session().client(
        "s3",
        aws_access_key_id=name or sandbox_environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=sandbox_environment["AWS_SECRET_ACCESS_KEY"],
        aws_session_token=token,
    )
    with pytest.raises(ClientError, match=code):
        s3.list_objects_v2(Bucket=source_bucket)


def test_a_role_without_permission_is_refused_by_name(operator: Any, workload: Any) -> None:
    operator.client("s3").create_bucket(Bucket="somebody-elses")
    operator.client("s3").put_object(Bucket="somebody-elses", Key="k", Body=b"x")

    with pytest.raises(ClientError) as caught:
        workload.client("s3").get_object(Bucket="somebody-elses", Key="k")

    status, code, message = _error(caught)
    assert (status, code) == (403, "AccessDenied")
    assert message == (
        "User: arn:aws:sts::210987654321:assumed-role/pipeline-workload/tests is not authorized to perform: "
        's3:GetObject on resource: "arn:aws:s3:::somebody-elses/k" because no identity-based policy allows the '
        "s3:GetObject action"
    )


def test_a_copy_needs_both_ends(operator: Any, workload: Any, source_bucket: str) -> None:
    admin = operator.client("s3")
    admin.create_bucket(Bucket="closed-source")
    admin.put_object(Bucket="closed-source", Key="k", Body=b"x")
    admin.copy_object(Bucket=source_bucket, Key="copied", CopySource={"Bucket": "closed-source", "Key": "k"})

    with pytest.raises(ClientError, match=r"s3:GetObject on resource: .*closed-source/k"):
        workload.client("s3").copy_object(
            Bucket=source_bucket, Key="again", CopySource={"Bucket": "closed-source", "Key": "k"}
        )


def test_an_unsigned_request_is_refused_as_s3_does(sandbox_environment: dict[str, str], source_bucket: str) -> None:
    answer = requests.get(f"https://{source_bucket}.s3.amazonaws.com/k", timeout=10)

    assert answer.status_code == 403
    assert "<Code>AccessDenied</Code><Message>Access Denied</Message>" in answer.text


def test_a_bucket_policy_opens_and_closes(operator: Any, workload: Any, source_bucket: str) -> None:
    admin = operator.client("s3")
    admin.put_object(Bucket=source_bucket, Key="public/k", Body=b"free")
    everybody = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject"}
    nobody = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    secret = {"Effect": "Deny", "Principal": "*", "Action": "s3:GetObject"}
    arn = f"arn:aws:s3:::{source_bucket}"
    statements = [
        {**everybody, "Resource": f"{arn}/public/*"},
        {**nobody, "Resource": [arn, f"{arn}/*"]},
        {**secret, "Resource": f"{arn}/secret/*"},
    ]
    policy = json.dumps({"Version": "2012-10-17", "Statement": statements})
    admin.put_bucket_policy(Bucket=source_bucket, Policy=policy)
    admin.put_object(Bucket=source_bucket, Key="secret/k", Body=b"hidden")

    assert requests.get(f"https://{source_bucket}.s3.amazonaws.com/public/k", timeout=10).text == "free"
    assert requests.get(f"https://{source_bucket}.s3.amazonaws.com/other", timeout=10).status_code == 403
    with pytest.raises(ClientError, match="explicit deny in a resource-based policy"):
        workload.client("s3").get_object(Bucket=source_bucket, Key="secret/k")


def test_a_presigned_url_serves_until_it_expires(workload: Any, source_bucket: str) -> None:
    s3 = workload.client("s3", config=Config(signature_version="s3v4"))
    s3.put_object(Bucket=source_bucket, Key="k k", Body=b"x")
    where = {"Bucket": source_bucket, "Key": "k k"}
    short = s3.generate_presigned_url("get_object", Params=where, ExpiresIn=1)
    url = s3.generate_presigned_url("get_object", Params=where)

    assert requests.get(url, timeout=10).content == b"x"
    assert requests.get(url.replace("Expires=3600", "Expires=7200"), timeout=10).status_code == 403
    time.sleep(2.1)
    assert "Request has expired" in requests.get(short, timeout=10).text


def test_a_body_other_than_the_one_signed_is_refused(workload: Any, source_bucket: str) -> None:
    from botocore.auth import S3SigV4Auth
    from botocore.awsrequest import AWSRequest

    url = f"https://{source_bucket}.s3.amazonaws.com/k"
    request = AWSRequest("PUT", url, data=b"signed")
    S3SigV4Auth(workload.get_credentials(), "s3", "us-east-1").add_auth(request)
    headers = {**dict(request.headers.items()), "X-Amz-Content-SHA256": hashlib.sha256(b"signed").hexdigest()}

    answer = requests.put(url, data=b"forged", headers=headers, timeout=10)

    assert (answer.status_code, "XAmzContentSHA256Mismatch" in answer.text) == (400, True)


def test_rclone_lists_copies_and_checks_unmodified(
    sandbox_environment: dict[str, str], source_bucket: str, tmp_path: Path
) -> None:
    rclone = Path(sysconfig.get_path("scripts")) / "rclone"
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "plain.csv").write_text("a,b\n")
    (tmp_path / "in" / "with space & more.csv").write_text("c,d\n")
    remote = f":s3,provider=AWS,env_auth=true,region=us-east-1:{source_bucket}"

    def run(*arguments: str) -> str:
        command = [str(rclone), "--config", "/dev/null", "--retries", "1", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    run("copy", "--s3-no-check-bucket", str(tmp_path / "in"), remote)
    assert sorted(run("lsf", remote).splitlines()) == ["plain.csv", "with space & more.csv"]
    run("check", str(tmp_path / "in"), remote)


def test_obstore_lists_and_copies_unmodified(sandbox_environment: dict[str, str], source_bucket: str) -> None:
    import obstore
    from obstore.store import S3Store

    store = S3Store(
        source_bucket,
        region=sandbox_environment["AWS_REGION"],
        access_key_id=sandbox_environment["AWS_ACCESS_KEY_ID"],
        secret_access_key=sandbox_environment["AWS_SECRET_ACCESS_KEY"],
        token=sandbox_environment["AWS_SESSION_TOKEN"],
    )
    obstore.put(store, "weeks/1 & 2.csv", b"a,b\n" * 2_000_000)

    assert [item["path"] for batch in obstore.list(store) for item in batch] == ["weeks/1 & 2.csv"]
    assert bytes(obstore.get(store, "weeks/1 & 2.csv").bytes()) == b"a,b\n" * 2_000_000


def test_services_beyond_the_four_say_so(workload: Any) -> None:
    with pytest.raises(ClientError, match="The local cloud has S3, IAM, SQS and STS of AWS, not dynamodb"):
        workload.client("dynamodb", config=Config(retries={"max_attempts": 1})).list_tables()


def test_a_queue_holds_messages_for_those_who_may_read(operator: Any, workload: Any) -> None:
    mine = operator.client("sqs")
    url = mine.get_queue_url(QueueName="sandbox-clinic-exports-events")["QueueUrl"]
    mine.send_message(QueueUrl=url, MessageBody="hello")
    theirs = workload.client("sqs")

    message = theirs.receive_message(QueueUrl=url)["Messages"][0]
    theirs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])

    assert message["Body"] == "hello"
    with pytest.raises(ClientError, match="not authorized to perform: sqs:SendMessage"):
        theirs.send_message(QueueUrl=url, MessageBody="no")
