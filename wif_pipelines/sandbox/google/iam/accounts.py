"""Service accounts, as they are kept: found by e-mail or unique id, enabled or not, deleted for 30 days."""

import hashlib
from typing import Any

from wif_pipelines.sandbox.google.clock import timestamp
from wif_pipelines.sandbox.google.errors import already_exists
from wif_pipelines.sandbox.google.iam.names import account_name
from wif_pipelines.sandbox.google.kernel import Kernel
from wif_pipelines.sandbox.google.store import Document


class Accounts:
    """Service accounts by resource name (always with the project's id and the e-mail)."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._documents = kernel.store.collection("iam.serviceAccounts")

    def find(self, email_or_id: str) -> Document | None:
        """The account with this e-mail or unique id, in whichever project; None when there is none."""
        if "@" in email_or_id:
            return self._documents.get(account_name(_project_of(email_or_id), email_or_id))
        return next((found for _, found in self._documents.list() if found["uniqueId"] == email_or_id), None)

    def usable(self, email: str) -> bool:
        """False while an account of the project is disabled or gone: its tokens count no longer.

        Accounts elsewhere, such as Google's own agents, are always usable.
        """
        if _project_of(email) != self._kernel.world.project:
            return True
        account = self.find(email)
        return account is not None and not account.get("disabled")

    def of_project(self, project: str) -> list[Document]:
        """Every account of a project, given by id."""
        return [document for _, document in self._documents.list(f"projects/{project}/serviceAccounts/")]

    def create(self, project: str, account_id: str, **fields: Any) -> Document:
        """A new account, which nobody may use until its policy says so.

        Raises:
            ApiError: 409 when the id is taken.
        """
        email = f"{account_id}@{project}.iam.gserviceaccount.com"
        name = account_name(project, email)
        with self._kernel.store.transaction():
            if self._documents.get(name):
                raise already_exists(f"Service account {account_id} already exists within project projects/{project}.")
            unique = _unique_id(email, self._kernel.clock.now())
            document = {"name": name, "projectId": project, "uniqueId": unique, "email": email, "etag": "MDEwMjE5MjA="}
            return self._documents.put(name, document | fields | {"oauth2ClientId": unique})

    def save(self, document: Document) -> Document:
        """Keep a changed account under its name."""
        return self._documents.put(document["name"], document)

    def delete(self, document: Document) -> None:
        """Take an account and its policy away; it can be undeleted by its unique id for 30 days."""
        deleted = self._kernel.store.collection("iam.deletedServiceAccounts")
        with self._kernel.store.transaction():
            policy = self._kernel.policies.get(document["name"])
            gone = {"account": document, "policy": policy, "deleted": timestamp(self._kernel.clock.time())}
            deleted.put(document["uniqueId"], gone)
            self._kernel.policies.forget(document["name"])
            self._documents.delete(document["name"])

    def undelete(self, unique_id: str) -> Document | None:
        """Bring back a deleted account with its policy; None when there is none of this id."""
        deleted = self._kernel.store.collection("iam.deletedServiceAccounts")
        with self._kernel.store.transaction():
            gone = deleted.get(unique_id)
            if gone is None:
                return None
            if self._documents.get(gone["account"]["name"]):
                raise already_exists("A service account with the same e-mail exists already.")
            self._kernel.policies.set(gone["account"]["name"], {"bindings": gone["policy"]["bindings"]})
            deleted.delete(unique_id)
            return self.save(gone["account"])


def _unique_id(email: str, moment: str) -> str:
    """21 decimal digits, as Google's are; no two accounts share one, be they namesakes."""
    number = int.from_bytes(hashlib.sha256(f"{email} {moment}".encode()).digest()[:9], "big")
    return str(10**20 + number % 10**20)


def _project_of(email: str) -> str:
    return email.partition("@")[2].removesuffix(".iam.gserviceaccount.com")
