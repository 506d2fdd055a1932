"""One authenticated, validated request on its way to a service."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from aiohttp import web

from wif_pipelines.sandbox.google.access.policies import Policies
from wif_pipelines.sandbox.google.access.principal import Principal
from wif_pipelines.sandbox.google.descriptions import Method


@dataclass(frozen=True)
class Call:
    """What a handler gets.

    Attributes:
        method: Google's method.
        params: Path and query parameters, unescaped and typed by the description (int64 stays a string).
        body: The JSON body in canonical form; {} when there is none or the body is media (then read `request.content`).
        request: The HTTP request, for headers and streaming.
        caller: Who calls; None only for methods that need no authentication.
        upload: Whether the request came on a media upload path.
    """

    method: Method
    params: Mapping[str, Any]
    body: dict[str, Any]
    request: web.BaseRequest
    caller: Principal | None
    policies: Policies
    upload: bool = False

    @property
    def principal(self) -> Principal:
        """The caller of a method that needs authentication."""
        if self.caller is None:
            raise RuntimeError(f"{self.method.id} was served without authentication")
        return self.caller

    def require(self, permission: str, *chain: str, shown: str = "") -> None:
        """Refuse the caller unless a policy on `chain` (the resource, then its ancestors) grants `permission`.

        Raises:
            ApiError: 403 PERMISSION_DENIED.
        """
        self.policies.require(self.principal, permission, chain, shown=shown)


Answer: TypeAlias = dict[str, Any] | web.StreamResponse
Handler: TypeAlias = Callable[[Call], Awaitable[Answer]]
Handlers: TypeAlias = dict[str, Handler]
"""Handlers by Google's method id."""

RawHandler: TypeAlias = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]
"""Serves what no description covers: Cloud Storage's XML API and batches, discovery of signing keys."""
