"""Administrative calls in the audit log, refused ones too."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from wif_pipelines.sandbox.google.audit import AuditLog
from wif_pipelines.sandbox.google.call import Call
from wif_pipelines.sandbox.google.errors import ApiError


class Recorder:
    """Writes one service's administrative calls.

    Args:
        audit: Where they are written.
        service: For example `iam.googleapis.com`.
    """

    def __init__(self, audit: AuditLog, service: str) -> None:
        self._audit = audit
        self._service = service

    @contextmanager
    def recording(
        self, call: Call, method: str, resource: str, request: Mapping[str, Any] | None = None
    ) -> Iterator[None]:
        """Write an entry when the block ends, with the refusal's status when it raised one."""
        status: dict[str, Any] | None = None
        try:
            yield
        except ApiError as error:
            status = error.as_status()
            raise
        finally:
            self._audit.write(
                service=self._service,
                method=method,
                resource=resource,
                principal=call.principal,
                status=status,
                request=request,
                user_agent=call.request.headers.get("User-Agent", ""),
            )
