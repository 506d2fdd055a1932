"""One page of a bucket's listing, as both APIs give it.

https://cloud.google.com/storage/docs/json_api/v1/objects/list
"""

import base64
import binascii
import json
from dataclasses import dataclass, field

from wif_pipelines.sandbox.google.errors import ApiError
from wif_pipelines.sandbox.google.storage.record import ObjectRecord
from wif_pipelines.sandbox.google.storage.table import ObjectTable, successor

_SMALL, _LARGE = 2, 1001


@dataclass(frozen=True)
class Query:
    """What to list.

    Attributes:
        start: First name, inclusive.
        end: Last name, exclusive; empty for all.
        after: A name to start behind (with everything under it, when it is a prefix that the delimiter cuts off).
        token: Where an earlier page stopped.
        trailing: Whether an object whose name is a prefix is listed as an object, too.
        versions: Noncurrent generations too.
    """

    bucket: str
    prefix: str = ""
    delimiter: str = ""
    start: str = ""
    end: str = ""
    after: str = ""
    token: str = ""
    limit: int = 1000
    trailing: bool = False
    versions: bool = False


@dataclass
class Page:
    """Objects and prefixes in order; `token` leads to the next page, and is empty on the last."""

    records: list[ObjectRecord] = field(default_factory=list)
    prefixes: list[str] = field(default_factory=list)
    token: str = ""


def list_page(table: ObjectTable, query: Query) -> Page:
    """One page. What lies under a prefix is leapt over, not read.

    Raises:
        ApiError: 400 for a token that is none.
    """
    page, (position, generation) = Page(), _begin(query)
    ends = [bound for bound in (successor(query.prefix), query.end) if bound]
    end = min(ends) if ends else None
    batch = _SMALL if query.delimiter else min(query.limit + 1, _LARGE)
    while True:
        rows = table.page(query.bucket, position, end, batch, versions=query.versions, generation=generation)
        generation = 0
        for record in rows:
            if len(page.records) + len(page.prefixes) >= query.limit:
                page.token = _token(record.name, record.generation - 1 if query.versions else 0)
                return page
            cut = _cut(record.name, query)
            if cut is None:
                page.records.append(record)
                continue
            page.prefixes.append(cut)
            if query.trailing and record.name == cut:
                page.records.append(record)
            position = successor(cut) or "\U0010ffff"
            batch = _SMALL
            break
        else:
            if len(rows) < batch:
                return page
            position, generation = rows[-1].name, rows[-1].generation
            if not query.versions:
                position, generation = position + "\0", 0
            batch = min(batch * 4, _LARGE)


def _begin(query: Query) -> tuple[str, int]:
    start = max(query.prefix, query.start)
    if query.after:
        cut = _cut(query.after, query) if query.after.startswith(query.prefix) else None
        start = max(start, (successor(cut) or "\U0010ffff") if cut == query.after else query.after + "\0")
    if not query.token:
        return start, 0
    try:
        name, generation = json.loads(base64.urlsafe_b64decode(query.token))
    except (binascii.Error, ValueError, TypeError):
        raise ApiError(
            400, "Invalid argument.", reason="invalid", location="pageToken", location_type="parameter"
        ) from None
    return (name, generation) if name >= start else (start, 0)


def _token(name: str, generation: int) -> str:
    return base64.urlsafe_b64encode(json.dumps([name, generation]).encode()).decode()


def _cut(name: str, query: Query) -> str | None:
    """The prefix that the delimiter makes of a name, or None when it makes none."""
    if not query.delimiter:
        return None
    found = name.find(query.delimiter, len(query.prefix))
    return name[: found + len(query.delimiter)] if found >= 0 else None
