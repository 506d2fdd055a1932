"""What every method of Cloud KMS does alike: names by project id, looking things up, refusals, audit entries, pages."""

from collections.abc import Callable
from typing import Any

from wif_pipelines.sandbox.google.access.policies import ancestors
from wif_pipelines.sandbox.google.audit import ADMIN
from wif_pipelines.sandbox.google.call import Call, Handler
from wif_pipelines.sandbox.google.errors import ApiError, bad_request, not_found
from wif_pipelines.sandbox.google.kernel import Kernel
from wif_pipelines.sandbox.google.kms.keys import SERVICE, Keys
from wif_pipelines.sandbox.google.kms.names import KeyName, by_id
from wif_pipelines.sandbox.google.paging import key_of, token_behind

Document = dict[str, Any]
Act = Callable[[Call], Document]
Listing = Callable[[str, int], list[tuple[str, Document]]]
_PAGE, _LARGEST_PAGE = 100, 1000


class Calls:
    """Shared by the rooms of Cloud KMS, each of which serves some of its methods."""

    def __init__(self, kernel: Kernel, keys: Keys) -> None:
        self._kernel = kernel
        self.keys = keys
        self.vault = keys.vault

    def now(self) -> float:
        """Seconds since the epoch."""
        return self._kernel.clock.time()

    def name(self, call: Call, parameter: str = "name") -> str:
        """A resource name from the path, with the project by id."""
        return by_id(call.params[parameter], self._kernel.world.project, self._kernel.world.project_number)

    def key(self, name: str) -> Document:
        """A CryptoKey.

        Raises:
            ApiError: 404.
        """
        found = self.vault.key(name)
        if found is None:
            raise not_found(f"CryptoKey {name} not found.")
        return found

    def version(self, name: KeyName) -> Document:
        """The CryptoKeyVersion that a name means.

        Raises:
            ApiError: 404.
        """
        found = self.vault.version(name.key, name.number) if name.number else None
        if found is None:
            raise not_found(f"CryptoKeyVersion {name.version} not found.")
        return found

    def version_name(self, call: Call, parameter: str = "name") -> KeyName:
        """The parts of a version's name in the path.

        Raises:
            ApiError: 404, when its number is none.
        """
        text = self.name(call, parameter)
        name = self.keys.parse(text)
        if name is None or name.number is None:
            raise not_found(f"CryptoKeyVersion {text} not found.")
        return name

    def reads(self, act: Act) -> Handler:
        """A handler of a method that leaves no audit entry."""

        async def handle(call: Call) -> Document:
            return act(call)

        return handle

    def administers(self, rpc: str, act: Act) -> Handler:
        """A handler of a method that changes something: audited, refused or not."""

        async def handle(call: Call) -> Document:
            try:
                answer = act(call)
            except ApiError as error:
                self._audit(rpc, call, error.as_status())
                raise
            self._audit(rpc, call, None, answer.get("name", ""))
            return answer

        return handle

    def page(self, call: Call, field: str, listing: Listing) -> Document:
        """One page of a list.

        Args:
            call: Its paging parameters.
            field: The answer's list.
            listing: Gives (sort key, resource) behind a sort key, as many as asked for.
        """
        if call.params.get("filter") or call.params.get("orderBy"):
            raise ApiError(501, "The local cloud lists Cloud KMS resources by name, and evaluates no filter on them.")
        size = call.params.get("pageSize") or _PAGE
        if size < 0:
            raise bad_request("The page size cannot be negative.", ("page_size", "The page size cannot be negative."))
        size = min(size, _LARGEST_PAGE)
        found = listing(key_of(call.params.get("pageToken", "")), size + 1)
        token = {"nextPageToken": token_behind(found[size - 1][0])} if len(found) > size else {}
        return {field: [resource for _, resource in found[:size]], **token}

    def _audit(self, rpc: str, call: Call, status: Document | None, name: str = "") -> None:
        parameter = next(field for field in ("name", "parent", "resource") if field in call.params)
        self._kernel.audit.write(
            service=SERVICE,
            method=rpc,
            resource=name or self.name(call, parameter),
            principal=call.caller,
            log=ADMIN,
            status=status,
            user_agent=call.request.headers.get("User-Agent", ""),
        )


def chain(name: str) -> tuple[str, ...]:
    """A resource and what its policies come from; a version carries none of its own."""
    return ancestors(name.partition("/cryptoKeyVersions/")[0])
