"""Amazon S3 as Storage Transfer reads it: with a role that trusts Google's transfer account, and with no key.

https://cloud.google.com/storage-transfer/docs/source-amazon-s3#federated_identity
"""

import datetime
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import botocore.session
import jwt
from botocore import UNSIGNED
from botocore.awsrequest import AWSPreparedRequest
from botocore.config import Config
from botocore.credentials import RefreshableCredentials
from botocore.exceptions import BotoCoreError, ClientError

from wif_pipelines.sandbox.aws.endpoint import AwsEndpoint
from wif_pipelines.sandbox.google.storagetransfer.failure import TransferFailure
from wif_pipelines.sandbox.world import World

_ISSUER = "https://accounts.google.com"
_AUDIENCE = "sts.amazonaws.com"
_CONFIG: dict[str, Any] = {
    "proxies": {},
    "retries": {"mode": "standard", "max_attempts": 4},
    "connect_timeout": 10,
    "read_timeout": 60,
    "max_pool_connections": 16,
}
_CODES = {
    "NoSuchBucket": "NOT_FOUND",
    "NoSuchKey": "NOT_FOUND",
    "NoSuchVersion": "NOT_FOUND",
    "404": "NOT_FOUND",
    "403": "PERMISSION_DENIED",
    "AccessDenied": "PERMISSION_DENIED",
    "412": "FAILED_PRECONDITION",
    "PreconditionFailed": "FAILED_PRECONDITION",
    "ExpiredTokenException": "UNAUTHENTICATED",
    "InvalidIdentityToken": "UNAUTHENTICATED",
    "ValidationError": "INVALID_ARGUMENT",
    "SlowDown": "RESOURCE_EXHAUSTED",
}


@dataclass(frozen=True)
class SourceObject:
    """An object of the source, as it was listed.

    Attributes:
        key: Its whole key.
        size: In bytes.
        etag: With its quotes.
        modified: LastModified, in seconds since the epoch.
        version: The version to read, when a manifest pins one.
    """

    key: str
    size: int
    etag: str
    modified: float
    version: str | None = None

    @property
    def md5(self) -> str | None:
        """The content's MD5 in hexadecimal, when the ETag is one: not for multipart uploads."""
        plain = self.etag.strip('"')
        return plain if len(plain) == 32 else None


class TransferRole:
    """A role of AWS, assumed with an ID token of Google's transfer account; credentials are renewed by themselves.

    Args:
        aws: How to reach AWS, and the key that signs Google's tokens.
        world: Whose transfer account it is.
        role_arn: The role.
    """

    def __init__(self, aws: AwsEndpoint, world: World, role_arn: str) -> None:
        self._aws = aws
        self._world = world
        self._role_arn = role_arn

    def source(self, bucket: str) -> "S3Source":
        """Assume the role, and open a bucket with it.

        Raises:
            TransferFailure: AWS refused; PERMISSION_DENIED when the trust policy does not speak of the account.
        """
        credentials = RefreshableCredentials.create_from_metadata(
            metadata=self._assume(), refresh_using=self._assume, method="assume-role-with-web-identity"
        )
        session = self._session()
        session._credentials = credentials  # noqa: SLF001 - botocore has no public way to give it credentials that renew
        return S3Source(self._client(session, "s3", Config(**_CONFIG)), bucket)

    def _assume(self) -> dict[str, str]:
        client = self._client(self._session(), "sts", Config(signature_version=UNSIGNED, **_CONFIG))
        try:
            answer = client.assume_role_with_web_identity(
                RoleArn=self._role_arn,
                RoleSessionName=f"storage-transfer-{uuid.uuid4().hex[:16]}",
                WebIdentityToken=self._token(),
            )
        except (ClientError, BotoCoreError) as error:
            raise failure_of(error, f"Failed to assume the AWS role {self._role_arn}") from None
        found = answer["Credentials"]
        return {
            "access_key": found["AccessKeyId"],
            "secret_key": found["SecretAccessKey"],
            "token": found["SessionToken"],
            "expiry_time": found["Expiration"].isoformat(),
        }

    def _token(self) -> str:
        # The AWS side keeps the machine's time: so does this token, whatever the sandbox's clock was moved to.
        now, subject = int(time.time()), self._world.transfer_agent_subject
        claims = {
            "iss": _ISSUER,
            "sub": subject,
            "azp": subject,
            "aud": _AUDIENCE,
            "email": self._world.transfer_agent,
            "email_verified": True,
            "iat": now,
            "exp": now + 3600,
        }
        key = self._aws.google_issuer_key.read_text()
        return jwt.encode(claims, key, algorithm="RS256", headers={"kid": self._aws.google_issuer_key_id})

    def _session(self) -> Any:
        return botocore.session.Session(session_vars={"profile": (None, [], None, None)})

    def _client(self, session: Any, service: str, config: Config) -> Any:
        client = session.create_client(service, region_name=self._world.aws_region, config=config)
        client.meta.events.register(f"before-send.{service}", self._divert)
        return client

    def _divert(self, request: AWSPreparedRequest, **_: Any) -> None:
        """Send a signed request to where AWS answers here; its Host header, path and query stay as they were signed."""
        parts = urlsplit(request.url)
        request.headers["Host"] = parts.netloc
        request.url = f"{self._aws.base_url}{parts.path or '/'}" + (f"?{parts.query}" if parts.query else "")


class S3Source:
    """A bucket of the source."""

    def __init__(self, client: Any, bucket: str) -> None:
        self._client = client
        self._bucket = bucket

    def list(self, prefix: str) -> Iterator[SourceObject]:
        """Every object under a prefix, in order of keys.

        Raises:
            TransferFailure: AWS refused.
        """
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=prefix)
        try:
            for page in pages:
                for item in page.get("Contents", ()):
                    yield SourceObject(item["Key"], item["Size"], item["ETag"], _seconds(item["LastModified"]))
        except (ClientError, BotoCoreError) as error:
            raise failure_of(error, f"Failed to list s3://{self._bucket}/{prefix} (s3:ListBucket)") from None

    def probe(self, prefix: str) -> None:
        """See that the bucket is there and may be listed.

        Raises:
            TransferFailure: It is not, or may not.
        """
        try:
            self._client.list_objects_v2(Bucket=self._bucket, Prefix=prefix, MaxKeys=1)
        except (ClientError, BotoCoreError) as error:
            raise failure_of(error, f"Failed to list s3://{self._bucket}/{prefix} (s3:ListBucket)") from None

    def look(self, key: str, version: str | None = None) -> SourceObject:
        """One object, as a manifest names it.

        Raises:
            TransferFailure: It is not there, or may not be read.
        """
        try:
            found = self._client.head_object(Bucket=self._bucket, Key=key, **_version(version))
        except (ClientError, BotoCoreError) as error:
            raise failure_of(error, f"Failed to read s3://{self._bucket}/{key} (s3:GetObject)") from None
        return SourceObject(key, found["ContentLength"], found["ETag"], _seconds(found["LastModified"]), version)

    def open(self, item: SourceObject) -> Mapping[str, Any]:
        """The answer of GetObject, for the very content that was listed; its `Body` is read in pieces.

        Raises:
            TransferFailure: It may not be read, is gone, or has changed.
        """
        try:
            answer: Mapping[str, Any] = self._client.get_object(
                Bucket=self._bucket, Key=item.key, IfMatch=item.etag, **_version(item.version)
            )
        except (ClientError, BotoCoreError) as error:
            raise failure_of(error, f"Failed to read s3://{self._bucket}/{item.key} (s3:GetObject)") from None
        return answer

    def delete(self, item: SourceObject) -> None:
        """Delete an object.

        Raises:
            TransferFailure: It may not be deleted.
        """
        try:
            self._client.delete_object(Bucket=self._bucket, Key=item.key, **_version(item.version))
        except (ClientError, BotoCoreError) as error:
            raise failure_of(error, f"Failed to delete s3://{self._bucket}/{item.key} (s3:DeleteObject)") from None

    def url(self, key: str) -> str:
        """The address of an object, as error samples show it."""
        return f"s3://{self._bucket}/{key}"


def failure_of(error: Exception, doing: str) -> TransferFailure:
    """What AWS said, under Google's name for it."""
    if not isinstance(error, ClientError):
        return TransferFailure("UNAVAILABLE", f"{doing}: {type(error).__name__}")
    said = error.response["Error"]
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    code = _CODES.get(said.get("Code", ""), "UNAVAILABLE" if status >= 500 else "FAILED_PRECONDITION")
    return TransferFailure(code, f"{doing}: {said.get('Message') or said.get('Code')}")


def _version(version: str | None) -> dict[str, str]:
    return {"VersionId": version} if version else {}


def _seconds(moment: datetime.datetime) -> float:
    return moment.timestamp()
