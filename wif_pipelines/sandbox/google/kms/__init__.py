"""Cloud KMS: key rings, keys, versions, and what the other services ask of a key."""

from wif_pipelines.sandbox.google.kms.keys import Keys, KeyUnusable

__all__ = ["KeyUnusable", "Keys"]
