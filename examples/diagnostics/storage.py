"""Directories to read from and write to: ``gs://`` as in Vertex AI, or local ones at a developer's desk."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit

LOG = logging.getLogger(__name__)


class Directory(Protocol):
    """Files under one place, named by their paths relative to it."""

    uri: str

    def names(self) -> list[str]:
        """Every file below, sorted; empty when there is none."""
        ...

    def read(self, name: str) -> bytes:
        """A file's content.

        Raises:
            FileNotFoundError: There is none of this name.
        """
        ...

    def write(self, name: str, content: bytes, content_type: str) -> None:
        """Store a file, over any that is there."""
        ...


def directory(uri: str) -> Directory:
    """The directory of a ``gs://bucket/path`` or ``file:///path`` URI, or a plain path.

    Raises:
        ValueError: The URI is of another kind.
    """
    parts = urlsplit(uri)
    if parts.scheme == "gs" and parts.netloc:
        return _Bucket(uri)
    if parts.scheme == "file":
        return _Local(Path(unquote(parts.path)))
    if "://" in uri or not uri:
        message = f"{uri!r} is neither gs://bucket/path nor file:///path nor a local path"
        raise ValueError(message)
    return _Local(Path(uri))


class _Local:
    def __init__(self, path: Path) -> None:
        self._path = path
        self.uri = path.absolute().as_uri()

    def names(self) -> list[str]:
        return sorted(path.relative_to(self._path).as_posix() for path in self._path.rglob("*") if path.is_file())

    def read(self, name: str) -> bytes:
        return (self._path / name).read_bytes()

    def write(self, name: str, content: bytes, content_type: str) -> None:  # noqa: ARG002 - files have no type
        target = self._path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)


class _Bucket:
    """A prefix of a bucket, reached with the credentials that the container finds around itself."""

    def __init__(self, uri: str) -> None:
        bucket, _, path = uri.removeprefix("gs://").partition("/")
        self.uri = uri.rstrip("/") + "/"
        self._prefix = f"{path.rstrip('/')}/" if path.strip("/") else ""
        self._bucket = _client().bucket(bucket)

    def names(self) -> list[str]:
        return sorted(self._below())

    def read(self, name: str) -> bytes:
        from google.api_core.exceptions import NotFound

        try:
            return bytes(self._bucket.blob(self._prefix + name).download_as_bytes())
        except NotFound as error:
            message = f"{self.uri}{name} does not exist"
            raise FileNotFoundError(message) from error

    def write(self, name: str, content: bytes, content_type: str) -> None:
        self._bucket.blob(self._prefix + name).upload_from_string(content, content_type=content_type)
        LOG.info("wrote %s%s (%d bytes)", self.uri, name, len(content))

    def _below(self) -> Iterator[str]:
        for blob in self._bucket.list_blobs(prefix=self._prefix or None):
            if not blob.name.endswith("/"):  # consoles leave empty objects as folders
                yield blob.name[len(self._prefix) :]


def _client() -> Any:
    """A client that needs no project: inside Vertex AI the ambient one is not the customer's."""
    import google.auth
    from google.cloud import storage

    credentials, _ = google.auth.default(scopes=["https://www.googleapis.com/auth/devstorage.read_write"])
    return storage.Client(project=None, credentials=credentials)
