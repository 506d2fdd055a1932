"""Which permissions an operation needs, on which resources.

After the service authorization reference
(https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html and its neighbours): most actions
are named as their operation, S3's often are not.
"""

import re
from collections.abc import Mapping
from urllib.parse import unquote
from xml.sax.saxutils import unescape

from wif_pipelines.sandbox.aws.operations import AwsOperation

__all__ = ["Need", "needs_of"]

Need = tuple[str, str]
"""An action such as `s3:GetObject` and the ARN it is wanted on."""

_S3_ACTIONS = {
    "CompleteMultipartUpload": "PutObject",
    "CopyObject": "PutObject",
    "CreateMultipartUpload": "PutObject",
    "DeleteBucketCors": "PutBucketCORS",
    "DeleteBucketEncryption": "PutEncryptionConfiguration",
    "DeleteBucketLifecycleConfiguration": "PutLifecycleConfiguration",
    "DeleteBucketTagging": "PutBucketTagging",
    "DeletePublicAccessBlock": "PutBucketPublicAccessBlock",
    "GetBucketCors": "GetBucketCORS",
    "GetBucketEncryption": "GetEncryptionConfiguration",
    "GetBucketLifecycleConfiguration": "GetLifecycleConfiguration",
    "GetBucketNotificationConfiguration": "GetBucketNotification",
    "GetBucketReplication": "GetReplicationConfiguration",
    "GetObjectLockConfiguration": "GetBucketObjectLockConfiguration",
    "GetPublicAccessBlock": "GetBucketPublicAccessBlock",
    "HeadBucket": "ListBucket",
    "HeadObject": "GetObject",
    "ListBuckets": "ListAllMyBuckets",
    "ListMultipartUploads": "ListBucketMultipartUploads",
    "ListObjectVersions": "ListBucketVersions",
    "ListObjects": "ListBucket",
    "ListObjectsV2": "ListBucket",
    "ListParts": "ListMultipartUploadParts",
    "PostObject": "PutObject",
    "PutBucketCors": "PutBucketCORS",
    "PutBucketEncryption": "PutEncryptionConfiguration",
    "PutBucketLifecycleConfiguration": "PutLifecycleConfiguration",
    "PutBucketNotificationConfiguration": "PutBucketNotification",
    "PutBucketReplication": "PutReplicationConfiguration",
    "PutObjectLockConfiguration": "PutBucketObjectLockConfiguration",
    "PutPublicAccessBlock": "PutBucketPublicAccessBlock",
    "SelectObjectContent": "GetObject",
    "UploadPart": "PutObject",
    "UploadPartCopy": "PutObject",
}
# With a version named, these become the action on a version.
_VERSIONED = {"GetObject", "DeleteObject", "GetObjectAcl", "GetObjectTagging", "PutObjectAcl", "PutObjectTagging"}
_DELETED_ENTRY = re.compile(rb"<Object>(.*?)</Object>", re.DOTALL)
_DELETED_KEY = re.compile(rb"<Key>(.*?)</Key>", re.DOTALL)


def needs_of(
    operation: AwsOperation,
    *,
    account: str,
    region: str,
    query: Mapping[str, str],
    headers: Mapping[str, str],
    form: Mapping[str, str],
    body: bytes,
) -> list[Need]:
    """List what the caller must be allowed to do for this operation; all of it, not any of it."""
    if operation.service == "s3":
        return _s3_needs(operation, query, headers, body)
    if operation.service == "sqs":
        return [(operation.method, _queue_arn(form, body, account, region))]
    if operation.service == "iam":
        return [(operation.method, _iam_arn(form or query, account))]
    return [(operation.method, (form or query).get("RoleArn", "*"))]


def _s3_needs(operation: AwsOperation, query: Mapping[str, str], headers: Mapping[str, str], body: bytes) -> list[Need]:
    bucket = f"arn:aws:s3:::{operation.bucket}"
    if operation.name == "DeleteObjects":
        return [_deletion_need(bucket, entry) for entry in _DELETED_ENTRY.findall(body)] or [
            ("s3:DeleteObject", f"{bucket}/*")
        ]
    action = _S3_ACTIONS.get(operation.name, operation.name)
    if "versionId" in query and action in _VERSIONED:
        action = action.replace("Object", "ObjectVersion", 1)
    resource = f"{bucket}/{operation.key}" if operation.key else bucket if operation.bucket else "*"
    source = unquote(headers.get("x-amz-copy-source", "")).removeprefix("/")
    path, _, version = source.partition("?versionId=")
    copied = [("s3:GetObjectVersion" if version else "s3:GetObject", f"arn:aws:s3:::{path}")] if source else []
    return [*copied, (f"s3:{action}", resource)]


def _deletion_need(bucket: str, entry: bytes) -> Need:
    match = _DELETED_KEY.search(entry)
    key = unescape(match[1].decode("utf-8", errors="replace"), {"&quot;": '"', "&apos;": "'"}) if match else "*"
    return ("s3:DeleteObjectVersion" if b"<VersionId>" in entry else "s3:DeleteObject", f"{bucket}/{key}")


def _queue_arn(form: Mapping[str, str], body: bytes, account: str, region: str) -> str:
    url = form.get("QueueUrl", "") or _json_text(body, "QueueUrl")
    name = url.rpartition("/")[2] or form.get("QueueName", "") or _json_text(body, "QueueName")
    return f"arn:aws:sqs:{region}:{account}:{name or '*'}"


def _json_text(body: bytes, name: str) -> str:
    match = re.search(rb'"' + name.encode() + rb'"\s*:\s*"([^"]*)"', body)
    return match[1].decode("utf-8", errors="replace") if match else ""


def _iam_arn(form: Mapping[str, str], account: str) -> str:
    for field, kind in (("RoleName", "role"), ("UserName", "user"), ("GroupName", "group"), ("PolicyName", "policy")):
        if field in form:
            return f"arn:aws:iam::{account}:{kind}/{form[field]}"
    return form.get("PolicyArn", "*")
