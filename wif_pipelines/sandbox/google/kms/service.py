"""Cloud KMS over the wire, put together from its rooms."""

from wif_pipelines.sandbox.google.call import Handlers
from wif_pipelines.sandbox.google.kernel import Kernel
from wif_pipelines.sandbox.google.kms.calls import Calls
from wif_pipelines.sandbox.google.kms.cipher import Cipher
from wif_pipelines.sandbox.google.kms.crypto_keys import CryptoKeys
from wif_pipelines.sandbox.google.kms.keys import Keys
from wif_pipelines.sandbox.google.kms.rings import Rings


class KeyManagement:
    """Serves key rings, keys, versions, their policies, encryption and decryption.

    Keys of other purposes than ENCRYPT_DECRYPT can be made and administered, but have no material: their own methods
    (signing, for example) are not served.
    """

    def __init__(self, kernel: Kernel, keys: Keys) -> None:
        calls = Calls(kernel, keys)
        self._rooms = (Rings(calls, kernel.policies), CryptoKeys(calls), Cipher(calls))

    def handlers(self) -> Handlers:
        """By method id."""
        return {method: handler for room in self._rooms for method, handler in room.handlers().items()}
