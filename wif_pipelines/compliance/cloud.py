"""What policies look at: keys and buckets as they are, each read once for all policies of a check."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from wif_pipelines.compliance.key_name import KeyName
from wif_pipelines.errors import UnavailableError
from wif_pipelines.identity import clients
from wif_pipelines.wire.google_errors import translated
from wif_pipelines.wire.retry import retrying

if TYPE_CHECKING:
    from google.auth.credentials import Credentials


@dataclass(frozen=True)
class KeyState:
    """A key of Cloud KMS.

    Attributes:
        name: Its full name.
        purpose: ``ENCRYPT_DECRYPT`` for the only kind that CMEK can use.
        primary: The number of its primary version; empty when it has none.
        primary_state: ``ENABLED``, ``DISABLED``, ``DESTROY_SCHEDULED``, ``DESTROYED``, ...; empty without a primary.
    """

    name: KeyName
    purpose: str
    primary: str
    primary_state: str


@dataclass(frozen=True)
class BucketState:
    """A bucket of Cloud Storage.

    Attributes:
        name: Its name.
        location: In lower case, as in ``europe-west1`` or ``eu``.
        regional: Whether it lies in a single region.
        default_key: The key that objects get when none is named; empty for Google's own.
    """

    name: str
    location: str
    regional: bool
    default_key: str


class Cloud:
    """Reads keys and buckets, and remembers what it read. Make a new one for each check.

    Args:
        credentials: Who reads. It needs ``cloudkms.cryptoKeys.get`` on keys and ``storage.buckets.get`` on buckets.
        project: The project that the storage client works in.
    """

    def __init__(self, credentials: "Credentials", project: str) -> None:
        self._credentials = credentials
        self._project = project
        self._keys: dict[KeyName, KeyState] = {}
        self._buckets: dict[str, BucketState] = {}

    def key(self, name: KeyName) -> KeyState:
        """The key as it is.

        Raises:
            NotFoundError: There is no such key.
            AccessDeniedError: We may not read it.
            RemoteError: The service did not tell.
        """
        if name not in self._keys:
            self._keys[name] = self._read_key(name)
        return self._keys[name]

    def bucket(self, name: str) -> BucketState:
        """The bucket as it is.

        Raises:
            NotFoundError: There is no such bucket.
            AccessDeniedError: We may not read it.
            RemoteError: The service did not tell.
        """
        if name not in self._buckets:
            self._buckets[name] = self._read_bucket(name)
        return self._buckets[name]

    def _read_key(self, name: KeyName) -> KeyState:
        def read() -> KeyState:
            with translated(f"reading the key {name}"):
                key = clients.kms_client(self._credentials).get_crypto_key(name=str(name))
            # Without a primary version the field is an empty message.
            state = key.primary.state.name if key.primary.name else ""
            return KeyState(name, key.purpose.name, key.primary.name.rpartition("/")[2], state)

        return retrying(read, on=UnavailableError)

    def _read_bucket(self, name: str) -> BucketState:
        def read() -> BucketState:
            with translated(f"reading the bucket {name}"):
                bucket = clients.storage_client(self._credentials, self._project).get_bucket(name)
            return BucketState(
                name=name,
                location=(bucket.location or "").lower(),
                regional=bucket.location_type == "region",
                default_key=bucket.default_kms_key_name or "",
            )

        return retrying(read, on=UnavailableError)
