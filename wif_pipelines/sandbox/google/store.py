"""What the local Google Cloud remembers: JSON documents in one SQLite file, and a folder of bodies beside it."""

import json
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

Document = dict[str, Any]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS documents (
    kind TEXT NOT NULL, name TEXT NOT NULL, body TEXT NOT NULL, PRIMARY KEY (kind, name)
) WITHOUT ROWID;
"""


class Store:
    """One SQLite file, shared by the services of one process.

    Calls are short and serialised by a lock, so a service may use it from the event loop and from worker threads alike.
    A service with needs of its own (an index, a large listing) creates its tables through `connection`.
    """

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.blobs = directory / "blobs"
        self.blobs.mkdir(exist_ok=True)
        self.lock = threading.RLock()
        self.connection = sqlite3.connect(directory / "google.sqlite", isolation_level=None, check_same_thread=False)
        self.connection.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF;" + _SCHEMA)
        self._depth = 0

    def close(self) -> None:
        """Close the file; nothing is buffered, so nothing can be lost here."""
        with self.lock:
            self.connection.close()

    def collection(self, kind: str) -> "Collection":
        """The documents of one kind, for example `kms.cryptoKeys`, keyed by resource name."""
        return Collection(self, kind)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing; re-entrant; other threads wait."""
        with self.lock:
            outermost = self._depth == 0
            if outermost:
                self.connection.execute("BEGIN IMMEDIATE")
            self._depth += 1
            try:
                yield
            except BaseException:
                if outermost:
                    self.connection.execute("ROLLBACK")
                raise
            else:
                if outermost:
                    self.connection.execute("COMMIT")
            finally:
                self._depth -= 1


class Collection:
    """Documents of one kind by name. What is returned is the caller's own copy."""

    def __init__(self, store: Store, kind: str) -> None:
        self._store = store
        self._kind = kind

    def get(self, name: str) -> Document | None:
        """The document, or None when there is none."""
        with self._store.lock:
            row = self._store.connection.execute(
                "SELECT body FROM documents WHERE kind = ? AND name = ?", (self._kind, name)
            ).fetchone()
        return json.loads(row[0]) if row else None

    def put(self, name: str, document: Document) -> Document:
        """Create or replace; returns `document`."""
        with self._store.lock:
            self._store.connection.execute(
                "INSERT OR REPLACE INTO documents VALUES (?, ?, ?)", (self._kind, name, json.dumps(document))
            )
        return document

    def delete(self, name: str) -> bool:
        """True when there was one."""
        with self._store.lock:
            cursor = self._store.connection.execute(
                "DELETE FROM documents WHERE kind = ? AND name = ?", (self._kind, name)
            )
        return cursor.rowcount > 0

    def list(self, prefix: str = "", *, after: str = "", limit: int = -1) -> list[tuple[str, Document]]:
        """(name, document) in byte order of names that start with `prefix` and sort behind `after`; all by default."""
        with self._store.lock:
            rows = self._store.connection.execute(
                "SELECT name, body FROM documents WHERE kind = ? AND name >= ? AND name > ? AND name < ? "
                "ORDER BY name LIMIT ?",
                (self._kind, prefix, after, prefix + "\U0010ffff", limit),
            ).fetchall()
        return [(name, json.loads(body)) for name, body in rows]
