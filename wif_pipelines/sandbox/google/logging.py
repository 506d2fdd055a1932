"""Cloud Logging: reads the audit entries of the local cloud, and takes entries of one's own.

https://cloud.google.com/logging/docs/reference/v2/rest/v2/entries.
"""

import re
import uuid
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from wif_pipelines.sandbox.google.call import Call, Handlers
from wif_pipelines.sandbox.google.clock import timestamp
from wif_pipelines.sandbox.google.errors import ApiError, bad_request
from wif_pipelines.sandbox.google.kernel import Kernel
from wif_pipelines.sandbox.google.kms.vault import moment
from wif_pipelines.sandbox.google.log_filter import compile_filter
from wif_pipelines.sandbox.google.paging import key_of, token_behind

Document = dict[str, Any]
_PAGE, _LARGEST_PAGE = 50, 1000
_PRIVATE = "/logs/cloudaudit.googleapis.com%2Fdata_access"
_LOG_NAME = re.compile(r"projects/(?P<project>[^/]+)/logs/(?P<log>[A-Za-z0-9_.%-]{1,511})")


class Logging:
    """Serves entries and the names of logs of the one project; an entry is readable as soon as it is written."""

    def __init__(self, kernel: Kernel) -> None:
        self._audit = kernel.audit
        self._clock = kernel.clock
        self._world = kernel.world
        self._policies = kernel.policies

    def handlers(self) -> Handlers:
        """By method id."""
        return {
            "logging.entries.list": self._list,
            "logging.entries.write": self._write,
            "logging.logs.list": self._list_logs,
            "logging.projects.logs.list": self._list_logs,
        }

    async def _list(self, call: Call) -> Document:
        names = call.body.get("resourceNames", []) + [f"projects/{name}" for name in call.body.get("projectIds", [])]
        if not names:
            raise bad_request("At least one resource name is required.", ("resource_names", "It is empty."))
        for name in names:
            call.require("logging.logEntries.list", self._project(name))
        size = _page_size(call.body.get("pageSize"))
        newest_first = _newest_first(call.body.get("orderBy", ""))
        matches = compile_filter(call.body.get("filter", ""))
        entries = _behind(self._readable(call, newest_first), key_of(call.body.get("pageToken", "")))
        found = list(islice((entry for entry in entries if matches(entry)), size + 1))
        token = {"nextPageToken": token_behind(found[size - 1]["insertId"])} if len(found) > size else {}
        return {"entries": found[:size], **token} if found else {}

    async def _list_logs(self, call: Call) -> Document:
        call.require("logging.logs.list", self._project(call.params["parent"]))
        after = key_of(call.params.get("pageToken", ""))
        size = _page_size(call.params.get("pageSize"))
        names = sorted({entry["logName"] for entry in self._readable(call, newest_first=False)})
        found = [name for name in names if name > after]
        token = {"nextPageToken": token_behind(found[size - 1])} if len(found) > size else {}
        return {"logNames": found[:size], **token}

    async def _write(self, call: Call) -> Document:
        shared = {field: call.body[field] for field in ("logName", "resource") if field in call.body}
        labels = call.body.get("labels", {})
        entries = [
            self._whole(shared | entry, labels | entry.get("labels", {})) for entry in call.body.get("entries", [])
        ]
        if not entries:
            raise bad_request("No entries to write.", ("entries", "It is empty."))
        for project in {self._project(entry["logName"].partition("/logs/")[0]) for entry in entries}:
            call.require("logging.logEntries.create", project)
        if not call.body.get("dryRun", False):
            for entry in entries:
                self._audit.append(entry)
        return {}

    def _readable(self, call: Call, newest_first: bool) -> Iterator[Document]:
        """Entries that the caller may see: data-access logs are private, and left out without a word."""
        project = f"projects/{self._world.project}"
        private = self._policies.allows(call.principal, "logging.privateLogEntries.list", (project,))
        for entry in self._audit.read(newest_first=newest_first):
            if private or not entry["logName"].endswith(_PRIVATE):
                yield entry

    def _whole(self, entry: Document, labels: dict[str, str]) -> Document:
        """An entry with everything that the service fills in; its time to microseconds, so that order is by text."""
        name = _LOG_NAME.fullmatch(entry.get("logName", ""))
        if name is None:
            raise bad_request(f"Log name {entry.get('logName', '')!r} is not valid.", ("log_name", "It is not valid."))
        if name["log"].startswith("cloudaudit.googleapis.com"):
            raise bad_request("Audit logs can be written by Google services only.", ("log_name", "It is reserved."))
        if "resource" not in entry:
            raise bad_request("The monitored resource is required.", ("resource", "It is missing."))
        now = self._clock.now()
        filled = {
            "logName": self._project(f"projects/{name['project']}") + f"/logs/{name['log']}",
            "insertId": entry.get("insertId") or uuid.uuid4().hex[:16],
            "timestamp": timestamp(moment(entry["timestamp"])) if "timestamp" in entry else now,
            "receiveTimestamp": now,
            "severity": entry.get("severity", "DEFAULT"),
        }
        return entry | filled | ({"labels": labels} if labels else {})

    def _project(self, name: str) -> str:
        """The project of a resource name (of its own logs, or of a view on them), by id."""
        kind, _, rest = name.partition("/")
        project = rest.partition("/")[0]
        if kind != "projects" or not project:
            raise ApiError(403, f"The local cloud keeps logs of projects only, not of {name!r}.")
        return f"projects/{self._world.project if project == self._world.project_number else project}"


def _behind(entries: Iterable[Document], insert_id: str) -> Iterator[Document]:
    """Entries behind the one that a page ended with; all without one."""
    rest = iter(entries)
    if insert_id and not any(entry["insertId"] == insert_id for entry in rest):
        raise bad_request("Invalid page token.", ("page_token", "Invalid page token."))
    yield from rest


def _page_size(size: int | None) -> int:
    if size is not None and size < 0:
        raise bad_request("The page size cannot be negative.", ("page_size", "It is negative."))
    return min(size or _PAGE, _LARGEST_PAGE)


def _newest_first(order: str) -> bool:
    match order.split():
        case [] | ["timestamp"] | ["timestamp", "asc"]:
            return False
        case ["timestamp", "desc"]:
            return True
        case _:
            raise bad_request(
                f"order_by must be 'timestamp asc' or 'timestamp desc', not '{order}'.",
                ("order_by", "It is not known."),
            )
