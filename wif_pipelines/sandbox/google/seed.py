"""What stands in the local Google Cloud from the start; nothing that is already there is touched."""

from wif_pipelines.sandbox.google.kernel import Kernel
from wif_pipelines.sandbox.google.kms.keys import Keys

_KEY_USER = "roles/cloudkms.cryptoKeyEncrypterDecrypter"


def seed_keys(kernel: Kernel, keys: Keys) -> None:
    """The customer's key, rotated every 90 days, for the service agents of Cloud Storage and Vertex AI to use.

    Its policy is written once, with the key: a grant that was taken away since stays away.
    """
    world = kernel.world
    with kernel.store.transaction():
        if keys.ensure(world.kms_key, rotation_days=90):
            agents = (f"serviceAccount:{world.storage_agent}", f"serviceAccount:{world.vertex_agent}")
            kernel.policies.bind(world.kms_key, _KEY_USER, *agents)
