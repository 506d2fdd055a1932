"""The one error that the services raise, and the two shapes in which Google puts it on the wire.

Sources: https://cloud.google.com/apis/design/errors (google.rpc.Status) and
https://cloud.google.com/storage/docs/json_api/v1/status-codes (Cloud Storage's older shape).
"""

from collections.abc import Mapping, Sequence
from typing import Any

_STATUS_BY_CODE = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ALREADY_EXISTS",
    412: "FAILED_PRECONDITION",
    416: "OUT_OF_RANGE",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
_REASON_BY_CODE = {
    400: "invalid",
    401: "authError",
    403: "forbidden",
    404: "notFound",
    409: "conflict",
    412: "conditionNotMet",
    416: "requestedRangeNotSatisfiable",
    429: "rateLimitExceeded",
    501: "notImplemented",
    503: "backendError",
}


class ApiError(Exception):
    """A refusal, as the real service would word it.

    Args:
        code: HTTP status.
        message: The service's own text.
        status: google.rpc.Code name; by default the usual one of `code` (400 may also be FAILED_PRECONDITION).
        reason: Cloud Storage's `errors[].reason`; by default the usual one of `code`.
        details: google.rpc detail messages, each with its `@type`.
        headers: Extra response headers (for example `Retry-After`).
        location: Cloud Storage's `errors[].location`, with `location_type`.
    """

    def __init__(
        self,
        code: int,
        message: str,
        *,
        status: str | None = None,
        reason: str | None = None,
        details: Sequence[Mapping[str, Any]] = (),
        headers: Mapping[str, str] | None = None,
        location: str | None = None,
        location_type: str = "header",
    ) -> None:
        super().__init__(f"{code} {message}")
        self.code = code
        self.message = message
        self.status = status or _STATUS_BY_CODE.get(code, "UNKNOWN")
        self.reason = reason or _REASON_BY_CODE.get(code, "internalError")
        self.details = list(details)
        self.headers = dict(headers or {})
        self.location = location
        self.location_type = location_type

    def as_status(self) -> dict[str, Any]:
        """`google.rpc.Status` as a message, for operations: {code: gRPC number, message, details?}."""
        status: dict[str, Any] = {"code": RPC_CODES[self.status], "message": self.message}
        return status | ({"details": self.details} if self.details else {})

    def as_json(self) -> dict[str, Any]:
        """The error body of every gapic service."""
        error: dict[str, Any] = {"code": self.code, "message": self.message, "status": self.status}
        return {"error": error | ({"details": self.details} if self.details else {})}

    def as_storage_json(self) -> dict[str, Any]:
        """The error body of the Cloud Storage JSON API."""
        entry = {"message": self.message, "domain": "global", "reason": self.reason}
        if self.location:
            entry |= {"locationType": self.location_type, "location": self.location}
        return {"error": {"code": self.code, "message": self.message, "errors": [entry]}}


RPC_CODES = {
    "OK": 0,
    "CANCELLED": 1,
    "UNKNOWN": 2,
    "INVALID_ARGUMENT": 3,
    "DEADLINE_EXCEEDED": 4,
    "NOT_FOUND": 5,
    "ALREADY_EXISTS": 6,
    "PERMISSION_DENIED": 7,
    "RESOURCE_EXHAUSTED": 8,
    "FAILED_PRECONDITION": 9,
    "ABORTED": 10,
    "OUT_OF_RANGE": 11,
    "UNIMPLEMENTED": 12,
    "INTERNAL": 13,
    "UNAVAILABLE": 14,
    "DATA_LOSS": 15,
    "UNAUTHENTICATED": 16,
}


def error_info(reason: str, domain: str = "googleapis.com", **metadata: str) -> dict[str, Any]:
    """A google.rpc.ErrorInfo detail."""
    return {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": reason,
        "domain": domain,
        "metadata": metadata,
    }


def bad_request(message: str, *violations: tuple[str, str]) -> ApiError:
    """400 INVALID_ARGUMENT with google.rpc.BadRequest; `violations` are (field, description)."""
    fields = [{"field": field, "description": text} if field else {"description": text} for field, text in violations]
    detail = {"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": fields}
    return ApiError(400, message, details=[detail] if fields else [])


def not_found(message: str = "Requested entity was not found.") -> ApiError:
    """404 NOT_FOUND."""
    return ApiError(404, message)


def failed_precondition(message: str) -> ApiError:
    """400 FAILED_PRECONDITION, as gapic services answer it over REST."""
    return ApiError(400, message, status="FAILED_PRECONDITION", reason="failedPrecondition")


def already_exists(message: str = "Requested entity already exists") -> ApiError:
    """409 ALREADY_EXISTS."""
    return ApiError(409, message)
