"""Cloud Audit Logs: one entry a token exchange, impersonation, use of a key, or administrative call.

Entries have the shape of LogEntry with an AuditLog payload
(https://cloud.google.com/logging/docs/reference/audit/auditlog/rest/Shared.Types/AuditLog). They hold no token.
"""

import json
import uuid
from collections.abc import Iterator, Mapping
from typing import Any

from wif_pipelines.sandbox.google.access.principal import Principal
from wif_pipelines.sandbox.google.clock import Clock
from wif_pipelines.sandbox.google.store import Store

_SCHEMA = """
CREATE TABLE IF NOT EXISTS audit (
    sequence INTEGER PRIMARY KEY, time TEXT NOT NULL, entry TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS audit_time ON audit (time);
"""
ADMIN, DATA = "activity", "data_access"


class AuditLog:
    """Appends entries and reads them back in order of time."""

    def __init__(self, store: Store, clock: Clock, project: str) -> None:
        self._store = store
        self._clock = clock
        self._project = project
        with store.lock:
            store.connection.executescript(_SCHEMA)

    def write(
        self,
        *,
        service: str,
        method: str,
        resource: str,
        principal: Principal | None,
        log: str = ADMIN,
        status: Mapping[str, Any] | None = None,
        request: Mapping[str, Any] | None = None,
        metadata: Mapping[str, Any] | None = None,
        labels: Mapping[str, str] | None = None,
        user_agent: str = "",
    ) -> None:
        """Append one entry.

        Args:
            service: For example `sts.googleapis.com`.
            method: The full RPC name, for example `google.identity.sts.v1.SecurityTokenService.ExchangeToken`.
            resource: The resource's name.
            principal: The caller; None for one who could not be authenticated.
            log: `activity` (administrative) or `data_access`.
            status: google.rpc.Status of a refusal; None for success.
            request: What was asked, without secrets.
            metadata: The service's own details.
            labels: Labels of the entry.
            user_agent: The caller's User-Agent.
        """
        payload: dict[str, Any] = {
            "@type": "type.googleapis.com/google.cloud.audit.AuditLog",
            "serviceName": service,
            "methodName": method,
            "resourceName": resource,
            "status": dict(status or {}),
            "authenticationInfo": _authentication(principal),
            "requestMetadata": {"callerIp": "127.0.0.1", "callerSuppliedUserAgent": user_agent},
        }
        payload |= {k: dict(v) for k, v in (("request", request), ("metadata", metadata)) if v}
        now = self._clock.now()
        entry = {
            "logName": f"projects/{self._project}/logs/cloudaudit.googleapis.com%2F{log}",
            "insertId": uuid.uuid4().hex[:16],
            "timestamp": now,
            "receiveTimestamp": now,
            "severity": "ERROR" if status else ("NOTICE" if log == ADMIN else "INFO"),
            "resource": {
                "type": "audited_resource",
                "labels": {"project_id": self._project, "service": service, "method": method},
            },
            "protoPayload": payload,
        }
        self.append(entry | ({"labels": dict(labels)} if labels else {}))

    def append(self, entry: Mapping[str, Any]) -> None:
        """Append a whole LogEntry (for logs other than audit)."""
        with self._store.lock:
            self._store.connection.execute(
                "INSERT INTO audit (time, entry) VALUES (?, ?)", (entry["timestamp"], json.dumps(entry))
            )

    def read(self, *, since: str = "", until: str = "9999", newest_first: bool = False) -> Iterator[dict[str, Any]]:
        """Entries with since <= timestamp < until, in order of time, then of writing."""
        order = "DESC" if newest_first else "ASC"
        with self._store.lock:
            rows = self._store.connection.execute(
                f"SELECT entry FROM audit WHERE time >= ? AND time < ? ORDER BY time {order}, sequence {order}",  # noqa: S608
                (since, until),
            ).fetchall()
        for (entry,) in rows:
            yield json.loads(entry)


def _authentication(principal: Principal | None) -> dict[str, Any]:
    if principal is None:
        return {}
    if principal.email is None:
        return {"principalSubject": principal.subject}
    info: dict[str, Any] = {"principalEmail": principal.email, "principalSubject": f"serviceAccount:{principal.email}"}
    if principal.delegation:
        info["serviceAccountDelegationInfo"] = [{"principalSubject": who} for who in principal.delegation]
    return info
