"""Long-running operations, polled by ourselves.

The libraries' own `Operation.result()` gives up after 900 s, which a deployment easily takes, and polls an undocumented
path. This polls the documented `GET /v1/{name}` until a deadline of the caller's. An operation goes on when nobody
polls it: a second caller who knows its name can wait for it as well.
https://cloud.google.com/vertex-ai/docs/general/long-running-operations
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from wif_pipelines.errors import NotFoundError, RemoteJobError
from wif_pipelines.vertex.connection import REQUEST_TIMEOUT, VertexConnection
from wif_pipelines.vertex.polling import PATIENT, Polling, look_until
from wif_pipelines.vertex.remedies import remedy_for
from wif_pipelines.wire.redaction import redacted

__all__ = ["OperationStatus", "list_operations", "read_operation", "settle", "wait_for_operation"]


@dataclass(frozen=True)
class OperationStatus:
    """One look at an operation.

    Attributes:
        name: Its resource name.
        done: Whether it has ended, well or not.
        error: What went wrong, or None.
        error_code: The google.rpc code of the error, or None.
        response: What it made, as JSON; empty until it is done, and when it makes nothing.
        metadata: What it says of itself, as JSON.
    """

    name: str
    done: bool
    error: str | None = None
    error_code: int | None = None
    response: Mapping[str, Any] = field(default_factory=dict)
    metadata: Mapping[str, Any] = field(default_factory=dict)


def read_operation(connection: VertexConnection, name: str) -> OperationStatus:
    """Look once.

    Raises:
        WifError: It cannot be read; see `VertexConnection.call`.
    """
    return _status(_get(connection, f"https://{connection.host}/v1/{name}", doing=f"reading the operation {name}"))


def list_operations(connection: VertexConnection, resource: str) -> tuple[OperationStatus, ...]:
    """The operations on a resource, running and ended, as far as Google remembers them.

    Raises:
        WifError: They cannot be read; see `VertexConnection.call`.
    """
    found: list[OperationStatus] = []
    token = ""
    while True:
        url = f"https://{connection.host}/v1/{resource}/operations?pageSize=100&pageToken={quote(token, safe='')}"
        page = _get(connection, url, doing=f"listing the operations on {resource}")
        found.extend(_status(body) for body in page.get("operations", ()))
        if not (token := page.get("nextPageToken", "")):
            return tuple(found)


def wait_for_operation(
    connection: VertexConnection,
    name: str,
    *,
    doing: str,
    polling: Polling = PATIENT,
    failure: type[RemoteJobError] = RemoteJobError,
    on_look: Callable[[OperationStatus], None] | None = None,
) -> OperationStatus:
    """Poll until the operation has ended well.

    Args:
        connection: Where it runs.
        name: Its resource name.
        doing: What it does; it follows "While".
        polling: How patiently.
        failure: What to raise when it failed.
        on_look: Called with each look.

    Raises:
        RemoteJobError: It failed, or had not ended by the deadline (it goes on then). Of the type `failure`.
        WifError: It cannot be read.
    """
    status = _ended(connection, name, doing=doing, polling=polling, failure=failure, on_look=on_look)
    if status.error is not None:
        message = f"While {doing}, the operation ended with code {status.error_code}: {status.error}"
        remedy = remedy_for(status.error) or "Correct what the service names, then run again."
        raise failure(message, remedy=remedy, job=name)
    return status


def settle(connection: VertexConnection, resource: str, *, polling: Polling = PATIENT) -> int:
    """Wait until no operation on a resource is running, however each of them ends.

    Whoever comes after a crash calls this first, so that what an earlier attempt began is seen, not begun again.

    Returns:
        How many operations were running. A resource that does not exist has none.

    Raises:
        RemoteJobError: One had not ended by the deadline.
        WifError: They cannot be read.
    """
    try:
        running = [operation for operation in list_operations(connection, resource) if not operation.done]
    except NotFoundError:
        return 0
    for operation in running:
        _ended(connection, operation.name, doing=f"waiting for earlier work on {resource}", polling=polling)
    return len(running)


def _ended(
    connection: VertexConnection,
    name: str,
    *,
    doing: str,
    polling: Polling,
    failure: type[RemoteJobError] = RemoteJobError,
    on_look: Callable[[OperationStatus], None] | None = None,
) -> OperationStatus:
    status = look_until(
        lambda: read_operation(connection, name),
        done=lambda seen: seen.done,
        polling=polling,
        clock=connection.clock,
        on_look=on_look,
    )
    if status is not None:
        return status
    message = f"While {doing}, the operation {name} had not ended after {polling.deadline}. It goes on."
    raise failure(message, remedy="Run this again to wait on: it is found again.", job=name)


def _get(connection: VertexConnection, url: str, *, doing: str) -> dict[str, Any]:
    from google.api_core.exceptions import from_http_response

    def send() -> dict[str, Any]:
        answer = connection.session.get(url, timeout=REQUEST_TIMEOUT)
        if answer.status_code >= 400:
            raise from_http_response(answer)
        return dict(json.loads(answer.content or b"{}"))

    return connection.call(send, doing=doing)


def _status(body: Mapping[str, Any]) -> OperationStatus:
    error = body.get("error")
    return OperationStatus(
        name=str(body.get("name", "")),
        done=bool(body.get("done", False)),
        error=redacted(str(error.get("message", ""))) if error else None,
        error_code=int(error.get("code", 2)) if error else None,
        response=_without_type(body.get("response")),
        metadata=_without_type(body.get("metadata")),
    )


def _without_type(message: Mapping[str, Any] | None) -> dict[str, Any]:
    return {key: value for key, value in (message or {}).items() if key != "@type"}
