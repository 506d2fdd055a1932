"""An authenticated caller, as allow policies and audit entries know it."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Principal:
    """Who a token speaks for.

    Attributes:
        subject: What audit entries show: an account's e-mail, or a federated `principal://…` name.
        members: Every policy member that this caller matches (`serviceAccount:…`, `principal://…`, `principalSet://…`).
        email: The service account's e-mail; None for a federated principal.
        delegation: Who became this caller, outermost first: the federated subject behind an impersonated account.
        scopes: OAuth scopes of the token.
    """

    subject: str
    members: frozenset[str]
    email: str | None = None
    delegation: tuple[str, ...] = ()
    scopes: tuple[str, ...] = field(default=("https://www.googleapis.com/auth/cloud-platform",))

    def as_document(self) -> dict[str, Any]:
        """For the store; see `from_document`."""
        return {
            "subject": self.subject,
            "members": sorted(self.members),
            "email": self.email,
            "delegation": list(self.delegation),
            "scopes": list(self.scopes),
        }

    @classmethod
    def from_document(cls, document: dict[str, Any]) -> "Principal":
        """The inverse of `as_document`."""
        return cls(
            subject=document["subject"],
            members=frozenset(document["members"]),
            email=document["email"],
            delegation=tuple(document["delegation"]),
            scopes=tuple(document["scopes"]),
        )


def service_account(email: str, *, delegation: tuple[str, ...] = ()) -> Principal:
    """A service account (or a service agent) as a caller."""
    members = frozenset({f"serviceAccount:{email}", "allAuthenticatedUsers", "allUsers"})
    return Principal(subject=email, members=members, email=email, delegation=delegation)
