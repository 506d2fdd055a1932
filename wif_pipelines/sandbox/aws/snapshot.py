"""What survives a restart, and how it is written: moto's state as pickles, objects' bytes each in a file of its own.

The bytes of an object never change once stored, so they are written once; a snapshot costs time in proportion to the
number of objects, not to their size. What holds secrets (users' keys, sessions) is sealed with a key that stays in the
directory: nothing readable lies there, though whoever owns the directory can open it.
"""

import contextlib
import copyreg
import io
import os
import pickle
import threading
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cryptography.fernet import Fernet
from moto.iam.models import iam_backends
from moto.s3.models import FakeKey, s3_backends
from moto.s3.utils import _VersionedKeyStore
from moto.sqs.models import sqs_backends

from wif_pipelines.sandbox.aws.sessions import Sessions

__all__ = ["SnapshotError", "Snapshots"]

_BLOB = "_sandbox_blob"
_BACKENDS = {"s3": s3_backends, "iam": iam_backends, "sqs": sqs_backends}
_SEALED = frozenset({"iam", "sts"})


class SnapshotError(Exception):
    """State from an earlier run that cannot be read, such as one written by another version of moto."""


class Snapshots:
    """Writes and reads the state of S3, IAM, SQS and STS in one directory.

    Not safe to call from two threads at once; nobody may change the state while `freeze` runs.
    """

    def __init__(self, directory: Path, account: str, sessions: Sessions) -> None:
        self._directory = directory
        self._account = account
        self._sessions = sessions
        self._blobs = directory / "objects"
        self._blobs.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._seal = Fernet(_seal_key(directory / "seal.key"))

    def load(self) -> bool:
        """Take over the state of the last run; False when there was none.

        Raises:
            SnapshotError: with what to do about it.
        """
        found = False
        for service in (*_BACKENDS, "sts"):
            path = self._path(service)
            if path.exists():
                found = True
                self._restore(service, path)
        return found

    def freeze(self, service: str) -> Callable[[], None]:
        """Take the state of one service as it is now; calling what is returned writes it, atomically."""
        stream = io.BytesIO()
        pickler = _Pickler(stream, self._blobs)
        pickler.dump(self._sessions.dump() if service == "sts" else self._backends_of(service))

        def write() -> None:
            self._write(service, stream.getvalue())
            if service == "s3":
                self._forget_blobs_except(pickler.used)

        return write

    def _backends_of(self, service: str) -> dict[str, dict[str, Any]]:
        backends = _BACKENDS[service][self._account]
        return {region: dict(backends[region].__dict__) for region in list(backends)}

    def _restore(self, service: str, path: Path) -> None:
        try:
            data = path.read_bytes()
            state = _Unpickler(io.BytesIO(self._seal.decrypt(data) if service in _SEALED else data), self._blobs).load()
            if service == "sts":
                self._sessions.load(state)
                return
            for region, attributes in state.items():
                _BACKENDS[service][self._account][region].__dict__.update(attributes)
        except Exception as error:
            text = f"The AWS state in {path} cannot be read ({type(error).__name__}: {error})."
            raise SnapshotError(f"{text} Forget it with `wif sandbox down --forget` and start again.") from error

    def _write(self, service: str, data: bytes) -> None:
        path = self._path(service)
        fresh = path.with_suffix(".new")
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(self._seal.encrypt(data) if service in _SEALED else data)
        fresh.replace(path)

    def _path(self, service: str) -> Path:
        return self._directory / f"{service}.{'sealed' if service in _SEALED else 'pickle'}"

    def _forget_blobs_except(self, used: set[str]) -> None:
        for path in self._blobs.iterdir():
            if path.name not in used:
                with contextlib.suppress(FileNotFoundError):
                    path.unlink()


class _Pickler(pickle.Pickler):
    """Puts an object's bytes beside the pickle and names them in it; locks are not state and come back fresh."""

    def __init__(self, stream: io.BytesIO, blobs: Path) -> None:
        super().__init__(stream, protocol=pickle.HIGHEST_PROTOCOL)
        self._blobs = blobs
        self.used: set[str] = set()
        self.dispatch_table = copyreg.dispatch_table.copy()
        self.dispatch_table[FakeKey] = self._reduce_key
        self.dispatch_table[_VersionedKeyStore] = _reduce_key_store
        self.dispatch_table[threading.Condition] = lambda _: (threading.Condition, ())

    def _reduce_key(self, key: Any) -> tuple[Any, ...]:
        state = {name: value for name, value in key.__dict__.items() if name not in {"_value_buffer", "lock"}}
        if not key.disposed:
            state[_BLOB] = self._blob_of(key)
        return _new_key, (), state, None, None, _fill_key

    def _blob_of(self, key: Any) -> str:
        name: str = key.__dict__.get(_BLOB, "")
        if not name or not (self._blobs / name).exists():
            name = uuid.uuid4().hex
            (self._blobs / name).write_bytes(key.value)
            key.__dict__[_BLOB] = name
        self.used.add(name)
        return name


class _Unpickler(pickle.Unpickler):
    """Reads a pickle whose objects' bytes lie in a folder; bound to that folder for the time of the reading."""

    def __init__(self, stream: io.BytesIO, blobs: Path) -> None:
        super().__init__(stream)
        self._blobs = blobs

    def find_class(self, module: str, name: str) -> Any:
        """Give objects' contents their folder; all else is looked up as usual."""
        if module == __name__ and name == _fill_key.__name__:
            return lambda key, state: _fill_key(key, state, self._blobs)
        return super().find_class(module, name)


def _reduce_key_store(store: Any) -> tuple[Any, ...]:
    # As a mapping it shows the newest versions only; the lists of all versions are what a dictionary sees in it.
    return _VersionedKeyStore, (), dict.copy(store), None, None, _fill_key_store


def _fill_key_store(store: Any, versions: dict[str, list[Any]]) -> None:
    for name, keys in versions.items():
        store.setlist(name, keys)


def _new_key() -> Any:
    return FakeKey.__new__(FakeKey)


def _fill_key(key: Any, state: dict[str, Any], blobs: Path | None = None) -> None:
    name = state.get(_BLOB)
    value = (blobs / name).read_bytes() if blobs and name else b""
    key.__setstate__({**state, "value": value})


def _seal_key(path: Path) -> bytes:
    if not path.exists():
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(Fernet.generate_key())
    return path.read_bytes()
