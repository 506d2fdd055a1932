"""The control interface as a client sees it: small, synchronous, and on loopback only."""

import http.client
import json
from typing import Any

from wif_pipelines.sandbox.directory import Address

__all__ = ["ControlClient", "ControlError", "Faults"]


class ControlError(Exception):
    """The sandbox did not do what it was asked to; the text is its own."""


class ControlClient:
    """Speaks to one sandbox. Every call opens a connection of its own, so it may be used from any thread."""

    def __init__(self, address: Address, token: str) -> None:
        self._address = address
        self._token = token

    def call(self, method: str, path: str, body: dict[str, Any] | None = None, *, timeout: float = 30.0) -> Any:
        """Make one request and return the JSON it is answered with.

        Raises:
            ControlError: when it is refused, or the sandbox cannot be reached.
        """
        connection = http.client.HTTPConnection("127.0.0.1", self._address.port, timeout=timeout)
        try:
            text = None if body is None else json.dumps(body)
            connection.request(method, path, body=text, headers={"X-Sandbox-Token": self._token})
            answer = connection.getresponse()
            content = json.loads(answer.read())
        except (OSError, http.client.HTTPException, ValueError) as error:
            text = f"The sandbox on 127.0.0.1:{self._address.port} does not answer ({type(error).__name__}: {error})."
            raise ControlError(text) from error
        finally:
            connection.close()
        if answer.status != 200:
            raise ControlError(f"The sandbox refused {method} {path}: {content.get('error', content)}")
        return content


class Faults:
    """What is to go wrong in the sandbox; see `wif_pipelines.sandbox.front.faults.Fault` for the fields."""

    def __init__(self, control: ControlClient) -> None:
        self._control = control

    def add(self, kind: str, **fields: Any) -> dict[str, Any]:
        """Add a fault and return it, with its `id`.

        Raises:
            ControlError: for a field or value that a fault cannot have.
        """
        return dict(self._control.call("POST", "/faults", {"kind": kind, **fields}))

    def get(self, fault_id: str) -> dict[str, Any]:
        """Read a fault; `used` says how often it has struck.

        Raises:
            ControlError: when there is none with this id.
        """
        return dict(self._control.call("GET", f"/faults/{fault_id}"))

    def list(self) -> list[dict[str, Any]]:
        """Read all faults, used up or not."""
        return list(self._control.call("GET", "/faults")["faults"])

    def delete(self, fault_id: str) -> None:
        """Forget a fault.

        Raises:
            ControlError: when there is none with this id.
        """
        self._control.call("DELETE", f"/faults/{fault_id}")

    def clear(self) -> None:
        """Forget all faults."""
        self._control.call("DELETE", "/faults")
