"""Which AWS operation a request is, told from its address, verb, query and headers as the services themselves tell it.

Pure functions over the wire's words, shared by the gate (which permission does this need?) and by the faults (which
operation is this?). Services: S3 (https://docs.aws.amazon.com/AmazonS3/latest/API/), and the query and JSON protocols
of IAM, STS and SQS.
"""

import dataclasses
import re
from collections.abc import Mapping
from urllib.parse import parse_qsl, unquote

__all__ = ["AwsOperation", "form_of", "operation_of", "query_of", "service_of", "split_s3_target"]

_S3_HOST = re.compile(
    r"^(?:(?P<bucket>.+)\.)?s3(?:-accelerate|-fips)?(?:[.-]dualstack)?(?:[.-](?P<region>[a-z]{2}-[a-z-]+-\d))?"
    r"\.(?:amazonaws\.com|api\.aws)$"
)
_LEGACY_QUEUE_HOST = re.compile(r"^(?:[a-z0-9-]+\.)?queue\.amazonaws\.com$")

# Sub-resources of a bucket, and how the operations on them are named after the verb's Get, Put or Delete.
_BUCKET_PARTS = {
    "accelerate": "BucketAccelerateConfiguration",
    "acl": "BucketAcl",
    "analytics": "BucketAnalyticsConfiguration",
    "cors": "BucketCors",
    "encryption": "BucketEncryption",
    "inventory": "BucketInventoryConfiguration",
    "lifecycle": "BucketLifecycleConfiguration",
    "location": "BucketLocation",
    "logging": "BucketLogging",
    "metrics": "BucketMetricsConfiguration",
    "notification": "BucketNotificationConfiguration",
    "object-lock": "ObjectLockConfiguration",
    "ownershipControls": "BucketOwnershipControls",
    "policy": "BucketPolicy",
    "policyStatus": "BucketPolicyStatus",
    "publicAccessBlock": "PublicAccessBlock",
    "replication": "BucketReplication",
    "requestPayment": "BucketRequestPayment",
    "tagging": "BucketTagging",
    "versioning": "BucketVersioning",
    "website": "BucketWebsite",
}
_OBJECT_PARTS = {
    "acl": "ObjectAcl",
    "attributes": "ObjectAttributes",
    "legal-hold": "ObjectLegalHold",
    "retention": "ObjectRetention",
    "tagging": "ObjectTagging",
    "torrent": "ObjectTorrent",
}
_VERBS = {"GET": "Get", "PUT": "Put", "DELETE": "Delete"}


@dataclasses.dataclass(frozen=True)
class AwsOperation:
    """One operation of one service, with the object or bucket it names when it is S3's."""

    service: str
    name: str
    bucket: str = ""
    key: str = ""

    @property
    def method(self) -> str:
        """Service and operation in one word, such as `s3:GetObject`."""
        return f"{self.service}:{self.name}"


def service_of(host: str) -> str:
    """Name the service that answers at a host; "" when the name follows no pattern that AWS uses."""
    bare = host.lower().partition(":")[0]
    if _S3_HOST.match(bare):
        return "s3"
    if _LEGACY_QUEUE_HOST.match(bare):
        return "sqs"
    labels = bare.removesuffix(".amazonaws.com").removesuffix(".api.aws").split(".")
    return labels[0].removesuffix("-fips") if len(labels) <= 2 else ""


def split_s3_target(host: str, raw_path: str) -> tuple[str, str]:
    """Bucket and key of an S3 address, host-style or path-style, decoded; "" for what is not named."""
    match = _S3_HOST.match(host.lower().partition(":")[0])
    path = unquote(raw_path).removeprefix("/")
    if match and match["bucket"]:
        return match["bucket"], path
    bucket, _, key = path.partition("/")
    return bucket, key


def query_of(raw_query: str) -> dict[str, str]:
    """Decode a query string; the last value of a repeated name wins, and a bare name has the value ""."""
    return dict(parse_qsl(raw_query, keep_blank_values=True))


def form_of(content_type: str, body: bytes) -> dict[str, str]:
    """Decode a form body of the query protocol; {} for any other kind of body."""
    if not content_type.lower().startswith("application/x-www-form-urlencoded"):
        return {}
    return dict(parse_qsl(body.decode("utf-8", errors="replace"), keep_blank_values=True))


def operation_of(
    *,
    method: str,
    host: str,
    raw_path: str,
    query: Mapping[str, str],
    headers: Mapping[str, str],
    form: Mapping[str, str],
) -> AwsOperation:
    """Say which operation a request asks for.

    Args:
        method: the HTTP verb.
        host: the Host header.
        raw_path: the path as sent, still percent-encoded.
        query: from `query_of`.
        headers: with lower-case names.
        form: from `form_of`; only the query protocol needs it.

    Returns:
        The operation; its name is "" when the request names none.
    """
    service = service_of(host)
    if service == "s3":
        bucket, key = split_s3_target(host, raw_path)
        name = _object_operation(method, query, headers) if key else _bucket_operation(method, bucket, query)
        return AwsOperation(service, name, bucket, key)
    target = headers.get("x-amz-target", "").rpartition(".")[2]
    return AwsOperation(service, target or form.get("Action") or query.get("Action", ""))


def _object_operation(method: str, query: Mapping[str, str], headers: Mapping[str, str]) -> str:
    if "uploadId" in query or "uploads" in query:
        return _multipart_operation(method, query, headers)
    if method == "POST":
        return {"restore": "RestoreObject", "select": "SelectObjectContent"}.get(next(iter(query), ""), "PostObject")
    for part, name in _OBJECT_PARTS.items():
        if part in query:
            return _VERBS.get(method, "Get") + name
    if method == "PUT":
        return "CopyObject" if "x-amz-copy-source" in headers else "PutObject"
    return {"GET": "GetObject", "HEAD": "HeadObject", "DELETE": "DeleteObject"}.get(method, "")


def _multipart_operation(method: str, query: Mapping[str, str], headers: Mapping[str, str]) -> str:
    if method == "PUT":
        return "UploadPartCopy" if "x-amz-copy-source" in headers else "UploadPart"
    if method == "POST":
        return "CreateMultipartUpload" if "uploads" in query else "CompleteMultipartUpload"
    return {"GET": "ListParts", "DELETE": "AbortMultipartUpload"}.get(method, "")


def _bucket_operation(method: str, bucket: str, query: Mapping[str, str]) -> str:
    if not bucket:
        return "ListBuckets"
    if method == "POST":
        return "DeleteObjects" if "delete" in query else "PostObject"
    for part, name in _BUCKET_PARTS.items():
        if part in query:
            return _VERBS.get(method, "Get") + name
    if method == "GET":
        return _listing_operation(query)
    return {"PUT": "CreateBucket", "HEAD": "HeadBucket", "DELETE": "DeleteBucket"}.get(method, "")


def _listing_operation(query: Mapping[str, str]) -> str:
    if "uploads" in query:
        return "ListMultipartUploads"
    if "versions" in query:
        return "ListObjectVersions"
    return "ListObjectsV2" if query.get("list-type") == "2" else "ListObjects"
