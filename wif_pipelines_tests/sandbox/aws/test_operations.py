"""Operations have AWS's names, and need the permissions that AWS wants for them.

The names are compared with what botocore's own models say of every request that boto3 makes.
"""

from typing import Any

import boto3
import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse

from wif_pipelines.sandbox.aws.operations import form_of, operation_of, query_of, service_of, split_s3_target
from wif_pipelines.sandbox.aws.permissions import needs_of

BUCKET = {"Bucket": "a-bucket"}
OBJECT = {"Bucket": "a-bucket", "Key": "a/b c.csv"}
PART = {**OBJECT, "UploadId": "u"}
CALLS: list[tuple[str, str, dict[str, Any], list[tuple[str, str]]]] = [
    ("s3", "list_buckets", {}, [("s3:ListAllMyBuckets", "*")]),
    ("s3", "create_bucket", BUCKET, [("s3:CreateBucket", "arn:aws:s3:::a-bucket")]),
    ("s3", "head_bucket", BUCKET, [("s3:ListBucket", "arn:aws:s3:::a-bucket")]),
    ("s3", "get_bucket_location", BUCKET, [("s3:GetBucketLocation", "arn:aws:s3:::a-bucket")]),
    ("s3", "get_bucket_versioning", BUCKET, [("s3:GetBucketVersioning", "arn:aws:s3:::a-bucket")]),
    ("s3", "get_bucket_encryption", BUCKET, [("s3:GetEncryptionConfiguration", "arn:aws:s3:::a-bucket")]),
    ("s3", "get_public_access_block", BUCKET, [("s3:GetBucketPublicAccessBlock", "arn:aws:s3:::a-bucket")]),
    ("s3", "delete_bucket_policy", BUCKET, [("s3:DeleteBucketPolicy", "arn:aws:s3:::a-bucket")]),
    ("s3", "list_objects", BUCKET, [("s3:ListBucket", "arn:aws:s3:::a-bucket")]),
    ("s3", "list_objects_v2", BUCKET, [("s3:ListBucket", "arn:aws:s3:::a-bucket")]),
    ("s3", "list_object_versions", BUCKET, [("s3:ListBucketVersions", "arn:aws:s3:::a-bucket")]),
    ("s3", "list_multipart_uploads", BUCKET, [("s3:ListBucketMultipartUploads", "arn:aws:s3:::a-bucket")]),
    ("s3", "get_object", OBJECT, [("s3:GetObject", "arn:aws:s3:::a-bucket/a/b c.csv")]),
    ("s3", "get_object", {**OBJECT, "VersionId": "v"}, [("s3:GetObjectVersion", "arn:aws:s3:::a-bucket/a/b c.csv")]),
    ("s3", "head_object", OBJECT, [("s3:GetObject", "arn:aws:s3:::a-bucket/a/b c.csv")]),
    ("s3", "put_object", OBJECT, [("s3:PutObject", "arn:aws:s3:::a-bucket/a/b c.csv")]),
    ("s3", "delete_object", OBJECT, [("s3:DeleteObject", "arn:aws:s3:::a-bucket/a/b c.csv")]),
    ("s3", "get_object_tagging", OBJECT, [("s3:GetObjectTagging", "arn:aws:s3:::a-bucket/a/b c.csv")]),
    (
        "s3",
        "copy_object",
        {**OBJECT, "CopySource": {"Bucket": "other", "Key": "k k", "VersionId": "v"}},
        [("s3:GetObjectVersion", "arn:aws:s3:::other/k k"), ("s3:PutObject", "arn:aws:s3:::a-bucket/a/b c.csv")],
    ),
    ("s3", "create_multipart_upload", OBJECT, [("s3:PutObject", "arn:aws:s3:::a-bucket/a/b c.csv")]),
    ("s3", "upload_part", {**PART, "PartNumber": 1}, [("s3:PutObject", "arn:aws:s3:::a-bucket/a/b c.csv")]),
    ("s3", "list_parts", PART, [("s3:ListMultipartUploadParts", "arn:aws:s3:::a-bucket/a/b c.csv")]),
    ("s3", "complete_multipart_upload", PART, [("s3:PutObject", "arn:aws:s3:::a-bucket/a/b c.csv")]),
    ("s3", "abort_multipart_upload", PART, [("s3:AbortMultipartUpload", "arn:aws:s3:::a-bucket/a/b c.csv")]),
    (
        "s3",
        "delete_objects",
        {**BUCKET, "Delete": {"Objects": [{"Key": "a & b"}, {"Key": "c", "VersionId": "v"}]}},
        [("s3:DeleteObject", "arn:aws:s3:::a-bucket/a & b"), ("s3:DeleteObjectVersion", "arn:aws:s3:::a-bucket/c")],
    ),
    (
        "sts",
        "assume_role",
        {"RoleArn": "arn:aws:iam::1:role/roles", "RoleSessionName": "xx"},
        [("sts:AssumeRole", "arn:aws:iam::1:role/roles")],
    ),
    ("iam", "get_role", {"RoleName": "r"}, [("iam:GetRole", "arn:aws:iam::1:role/r")]),
    (
        "sqs",
        "send_message",
        {"QueueUrl": "https://sqs.us-east-1.amazonaws.com/1/q", "MessageBody": "m"},
        [("sqs:SendMessage", "arn:aws:sqs:us-east-1:1:q")],
    ),
]


def _capture(service: str, call: str, arguments: dict[str, Any]) -> tuple[AWSPreparedRequest, str]:
    """The request that boto3 would send, and the operation that botocore calls it."""
    client = boto3.Session().client(
        service, region_name="us-east-1", aws_access_key_id="AKIA", aws_secret_access_key="s", aws_session_token="t"
    )
    caught: list[AWSPreparedRequest] = []

    def instead(request: AWSPreparedRequest, **_: Any) -> AWSResponse:
        caught.append(request)
        return AWSResponse(request.url, 500, {}, None)

    client.meta.events.register("before-send", instead)
    client.meta.events.register("needs-retry", lambda **_: None)
    with pytest.raises(Exception):  # noqa: B017, PT011 (whatever botocore makes of no answer; only the request matters)
        getattr(client, call)(**arguments)
    return caught[0], client.meta.method_to_api_mapping[call]


@pytest.mark.parametrize(("service", "call", "arguments", "needs"), CALLS, ids=[f"{c[0]}.{c[1]}" for c in CALLS])
def test_an_operation_is_named_and_priced(
    service: str, call: str, arguments: dict[str, Any], needs: list[tuple[str, str]]
) -> None:
    request, name = _capture(service, call, arguments)
    _, _, rest = request.url.partition("://")
    host, _, target = rest.partition("/")
    raw_path, _, raw_query = f"/{target}".partition("?")
    headers = {
        key.lower(): value.decode() if isinstance(value, bytes) else str(value)
        for key, value in request.headers.items()
    }
    body = request.body if isinstance(request.body, bytes) else str(request.body or "").encode()
    query, form = query_of(raw_query), form_of(headers.get("content-type", ""), body)

    operation = operation_of(
        method=request.method, host=host, raw_path=raw_path, query=query, headers=headers, form=form
    )

    assert operation.method == f"{service}:{name}"
    assert (
        needs_of(operation, account="1", region="us-east-1", query=query, headers=headers, form=form, body=body)
        == needs
    )


@pytest.mark.parametrize(
    ("host", "service"),
    [
        ("s3.amazonaws.com", "s3"),
        ("s3.us-west-2.amazonaws.com", "s3"),
        ("my.dotted.bucket.s3.eu-central-1.amazonaws.com", "s3"),
        ("b.s3.dualstack.us-east-1.amazonaws.com", "s3"),
        ("b.s3-fips.us-gov-west-1.amazonaws.com", "s3"),
        ("sts.amazonaws.com", "sts"),
        ("sts.us-east-1.amazonaws.com:443", "sts"),
        ("sts-fips.us-east-1.amazonaws.com", "sts"),
        ("sqs.us-east-1.api.aws", "sqs"),
        ("queue.amazonaws.com", "sqs"),
        ("iam.amazonaws.com", "iam"),
        ("x.tokens.sts.global.api.aws", ""),
    ],
)
def test_a_host_names_its_service(host: str, service: str) -> None:
    assert service_of(host) == service


@pytest.mark.parametrize(
    ("host", "path", "target"),
    [
        ("b.s3.amazonaws.com", "/k%20k", ("b", "k k")),
        ("b.s3.amazonaws.com", "//k", ("b", "/k")),
        ("s3.us-east-1.amazonaws.com", "/b/k/", ("b", "k/")),
        ("s3.us-east-1.amazonaws.com", "/b", ("b", "")),
        ("s3.us-east-1.amazonaws.com", "/", ("", "")),
    ],
)
def test_bucket_and_key_are_read_from_both_styles(host: str, path: str, target: tuple[str, str]) -> None:
    assert split_s3_target(host, path) == target
