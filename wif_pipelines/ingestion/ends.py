"""The clients at both ends of a copy, all on the credentials that they are handed.

obstore moves the bytes; boto3 and google-cloud-storage do what it cannot (keys that it would rewrite, listings with
checksums). obstore reads `HTTPS_PROXY` and `SSL_CERT_FILE` like the others; nothing here configures a network.
"""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from wif_pipelines.ingestion.inventory import SourceLocation
from wif_pipelines.ingestion.sink import SinkLocation
from wif_pipelines.wire.aws_errors import translated

if TYPE_CHECKING:
    import boto3
    from google.auth.credentials import Credentials
    from google.cloud import storage
    from obstore.store import GCSStore, S3Store

KMS_HEADER = "x-goog-encryption-kms-key-name"

_REQUEST_TIMEOUT = timedelta(seconds=120)
_S3_KEYS_KEPT = timedelta(minutes=10)
"""botocore renews its keys 10 to 15 minutes before they expire, so that what it hands out is good for this long."""


class Ends:
    """Source and sink of a copy. Threads may share it; processes may not (obstore does not survive a fork).

    Args:
        session: A boto3 session that may read the source.
        credentials: A google-auth credential that may write the sink. Give the one that renews itself once for all
            threads.
        storage: A `google.cloud.storage.Client` on the same credential.
        source: Where from.
        sink: Where to, and the key that encrypts each object.
        connections: Idle connections to keep to each end; the number of requests at once.
        s3_options: More settings of obstore's `S3Store`, for stores that only speak S3's language.
        gcs_options: More settings of obstore's `GCSStore`.
        client_options: More settings of obstore's HTTP client.
    """

    def __init__(
        self,
        session: boto3.Session,
        credentials: Credentials,
        storage: storage.Client,
        *,
        source: SourceLocation,
        sink: SinkLocation,
        connections: int = 64,
        s3_options: dict[str, Any] | None = None,
        gcs_options: dict[str, Any] | None = None,
        client_options: dict[str, Any] | None = None,
    ) -> None:
        self.session = session
        self.credentials = credentials
        self.storage = storage
        self.source = source
        self.sink = sink
        self._options = {
            "timeout": _REQUEST_TIMEOUT,
            "pool_max_idle_per_host": str(connections),
            **(client_options or {}),
        }
        self._s3_options = s3_options or {}
        self._gcs_options = gcs_options or {}
        self._tokens = _TokenProvider(credentials)
        self._lock = threading.Lock()
        self._reader: S3Store | None = None
        self._writer: GCSStore | None = None
        self._s3: Any = None

    @property
    def s3(self) -> Any:
        """A boto3 client for the source; it follows the bucket to its region by itself."""
        with self._lock:
            return self._open_client()

    @property
    def reader(self) -> S3Store:
        """The source bucket for obstore."""
        with self._lock:
            if self._reader is None:
                self._reader = self._open_reader()
            return self._reader

    @property
    def writer(self) -> GCSStore:
        """The sink bucket for obstore; every object that it writes is encrypted with the sink's key."""
        with self._lock:
            if self._writer is None:
                self._writer = self._open_writer()
            return self._writer

    def renew(self, refused: S3Store | GCSStore) -> None:
        """Forget a store whose token or keys were refused before their time: obstore would keep them until they expire.

        Other threads that were refused through the same store find the new one.
        """
        with self._lock:
            if refused is self._writer:
                self._tokens.replace()
                self._writer = None
            elif refused is self._reader:
                self._reader = None

    def _open_client(self) -> Any:
        if self._s3 is None:
            endpoint = self._s3_options.get("endpoint")
            self._s3 = self.session.client("s3", region_name=self.source.region, endpoint_url=endpoint)
        return self._s3

    def _source_region(self) -> str:
        """Where the bucket is: obstore signs for one region and does not follow redirects."""
        if self.source.region is not None:
            return self.source.region
        with translated(f"looking for the region of s3://{self.source.bucket}"):
            found = self._open_client().head_bucket(Bucket=self.source.bucket)
        return found.get("BucketRegion") or self.session.region_name or "us-east-1"

    def _open_reader(self) -> S3Store:
        from obstore.auth.boto3 import Boto3CredentialProvider
        from obstore.store import S3Store

        options = {"region": self._source_region(), **self._s3_options}
        return S3Store(
            self.source.bucket,
            credential_provider=Boto3CredentialProvider(self.session, ttl=_S3_KEYS_KEPT),
            client_options=self._options,
            **options,
        )

    def _open_writer(self) -> GCSStore:
        from obstore.store import GCSStore

        headers = {"default_headers": {KMS_HEADER: self.sink.kms_key}} if self.sink.kms_key else {}
        return GCSStore(
            self.sink.bucket,
            credential_provider=self._tokens,
            client_options={**self._options, **headers},
            **self._gcs_options,
        )


class _TokenProvider:
    """A google-auth credential as obstore wants it, asked by one thread at a time."""

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials
        self._lock = threading.Lock()
        self._handed: str | None = None

    def __call__(self) -> dict[str, Any]:
        with self._lock:
            self._handed = self._current()
            expiry: datetime | None = self._credentials.expiry
            aware = expiry.replace(tzinfo=UTC) if expiry is not None and expiry.tzinfo is None else expiry
            return {"token": self._handed, "expires_at": aware}

    def replace(self) -> None:
        """Have the token that was handed out last renewed, unless somebody else has seen to it."""
        with self._lock:
            if self._current() == self._handed:
                self._credentials.refresh(_request())

    def _current(self) -> str:
        """The credential's token, renewed when it is due: got as for a request, which works for every credential."""
        self._credentials.before_request(_request(), "GET", "https://storage.googleapis.com/", {})
        token: str = self._credentials.token
        return token


def _request() -> Any:
    from google.auth.transport.requests import Request

    return Request()
