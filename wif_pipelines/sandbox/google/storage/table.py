"""The table of objects: one row a generation, found by name and listed in order through an index."""

import json
from collections.abc import Iterator
from dataclasses import fields, replace
from typing import Any

from wif_pipelines.sandbox.google.storage.blobs import Segment
from wif_pipelines.sandbox.google.storage.record import ObjectRecord
from wif_pipelines.sandbox.google.store import Store

# SQLite compares text by its UTF-8 bytes, which is the order in which Cloud Storage lists.
_SCHEMA = """
CREATE TABLE IF NOT EXISTS storage_objects (
    bucket TEXT NOT NULL, name TEXT NOT NULL, generation INTEGER NOT NULL, metageneration INTEGER NOT NULL,
    size INTEGER NOT NULL, crc32c TEXT NOT NULL, md5 TEXT, content_type TEXT, kms_key TEXT,
    created TEXT NOT NULL, updated TEXT NOT NULL, deleted TEXT, component_count INTEGER,
    metadata TEXT, attributes TEXT, segments TEXT NOT NULL,
    PRIMARY KEY (bucket, name, generation)
) WITHOUT ROWID;
CREATE UNIQUE INDEX IF NOT EXISTS storage_live ON storage_objects (bucket, name) WHERE deleted IS NULL;
"""
_NAMES = [field.name for field in fields(ObjectRecord)]
_COLUMNS = ", ".join(_NAMES)
_INSERT = f"INSERT INTO storage_objects ({_COLUMNS}) VALUES ({', '.join('?' * len(_NAMES))})"  # noqa: S608
_SELECT = f"SELECT {_COLUMNS} FROM storage_objects WHERE bucket = ?"  # noqa: S608
_PAGE = 1000


class ObjectTable:
    """Rows of objects. Calls are short and serialised by the store's lock; a writer wraps several in a transaction."""

    def __init__(self, store: Store) -> None:
        self._store = store
        with store.lock:
            store.connection.executescript(_SCHEMA)
            (latest,) = store.connection.execute("SELECT MAX(generation) FROM storage_objects").fetchone()
        self.latest_generation = int(latest or 0)

    def get(self, bucket: str, name: str, generation: int | None = None) -> ObjectRecord | None:
        """One generation, by default the live one."""
        where, values = ("deleted IS NULL", ()) if generation is None else ("generation = ?", (generation,))
        rows = self._rows(f"{_SELECT} AND name = ? AND {where}", bucket, name, *values)
        return _record(rows[0]) if rows else None

    def insert(self, record: ObjectRecord) -> None:
        """Add a generation; the live one of that name must be gone."""
        values: list[Any] = [getattr(record, name) for name in _NAMES]
        values[-3:] = [json.dumps(value) if value else None for value in (record.metadata, record.attributes)] + [
            json.dumps(record.segments)
        ]
        with self._store.lock:
            self._store.connection.execute(_INSERT, values)

    def delete(self, record: ObjectRecord) -> None:
        """Remove a generation."""
        with self._store.lock:
            self._store.connection.execute(
                "DELETE FROM storage_objects WHERE bucket = ? AND name = ? AND generation = ?",
                (record.bucket, record.name, record.generation),
            )

    def replace(self, record: ObjectRecord, **changes: Any) -> ObjectRecord:
        """Write a generation again with changes."""
        changed = replace(record, **changes)
        with self._store.transaction():
            self.delete(record)
            self.insert(changed)
        return changed

    def is_empty(self, bucket: str) -> bool:
        """Whether the bucket has no generation of any object."""
        return not self._rows("SELECT 1 FROM storage_objects WHERE bucket = ? LIMIT 1", bucket)

    def page(
        self, bucket: str, start: str, end: str | None, limit: int, *, versions: bool = False, generation: int = 0
    ) -> list[ObjectRecord]:
        """Up to `limit` records with start <= name < end, in order of name (with versions: then of generation).

        Args:
            bucket: Whose.
            start: The first name.
            end: Before which name to stop; None for the last.
            limit: How many.
            versions: Noncurrent generations too.
            generation: Of the name `start`, only generations above this.
        """
        where = "name >= ?"
        values: list[str | int] = [start]
        if versions and generation:
            where, values = "(name, generation) > (?, ?)", [start, generation]
        if end is not None:
            where, values = f"{where} AND name < ?", [*values, end]
        live = "" if versions else " AND deleted IS NULL"
        order = "name, generation" if versions else "name"
        rows = self._rows(f"{_SELECT} AND {where}{live} ORDER BY {order} LIMIT ?", bucket, *values, limit)
        return [_record(row) for row in rows]

    def scan(self, bucket: str, prefix: str, after: str) -> Iterator[ObjectRecord]:
        """Every live object whose name starts with `prefix` and sorts behind `after`, a page at a time."""
        start = max(prefix, after + "\0") if after else prefix
        while page := self.page(bucket, start, successor(prefix), _PAGE):
            yield from page
            start = page[-1].name + "\0"

    def _rows(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        with self._store.lock:
            return self._store.connection.execute(statement, values).fetchall()


def successor(prefix: str) -> str | None:
    """The first name behind all that start with `prefix`; None when there is none."""
    while prefix:
        code = ord(prefix[-1]) + 1
        if code <= 0x10FFFF:
            return prefix[:-1] + chr(0xE000 if code == 0xD800 else code)  # surrogates are no characters
        prefix = prefix[:-1]
    return None


def _record(row: tuple[Any, ...]) -> ObjectRecord:
    values = dict(zip(_NAMES, row, strict=True))
    for name in ("metadata", "attributes"):
        values[name] = json.loads(values[name]) if values[name] else {}
    values["segments"] = tuple(Segment(blob, size) for blob, size in json.loads(values["segments"]))
    return ObjectRecord(**values)
