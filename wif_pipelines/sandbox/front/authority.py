"""The throw-away certificate authority of a sandbox directory; it certifies a host when it is first asked for."""

import os
import ssl
from pathlib import Path

import trustme

__all__ = ["Authority"]


class Authority:
    """Issues server certificates for any host name.

    The authority is kept in the directory, so that clients that trust it need not be told again after a restart; nobody
    outside the sandbox's own environment is asked to trust it.
    """

    def __init__(self, directory: Path) -> None:
        self._bundle = directory / "ca.pem"
        self._authority = _load_or_make(self._bundle, directory / "ca.key")
        self._contexts: dict[str, ssl.SSLContext] = {}

    @property
    def bundle(self) -> Path:
        """The PEM file that clients are to trust."""
        return self._bundle

    def context_for(self, host: str) -> ssl.SSLContext:
        """A server-side TLS context for a host name; made on first use, in about two milliseconds."""
        if host not in self._contexts:
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            context.set_alpn_protocols(["http/1.1"])
            self._authority.issue_cert(host).configure_cert(context)
            self._contexts[host] = context
        return self._contexts[host]


def _load_or_make(bundle: Path, key: Path) -> trustme.CA:
    if bundle.exists() and key.exists():
        return trustme.CA.from_pem(bundle.read_bytes(), key.read_bytes())
    authority = trustme.CA(organization_name="wif-pipelines sandbox", organization_unit_name="throw-away")
    with os.fdopen(os.open(key, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(authority.private_key_pem.bytes())
    authority.cert_pem.write_to_path(str(bundle))
    return authority
