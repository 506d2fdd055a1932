"""What must hold before anything starts: the customer's key works, and data and keys lie where they should."""

from wif_pipelines.compliance.cloud import BucketState, Cloud, KeyState
from wif_pipelines.compliance.encryption import BucketDefaultKey, KmsKeyUsable
from wif_pipelines.compliance.key_name import KeyName
from wif_pipelines.compliance.policy import AllOf, AnyOf, Finding, Policy, check, examine
from wif_pipelines.compliance.residency import BucketInRegion, KeyInRegion

__all__ = [
    "AllOf",
    "AnyOf",
    "BucketDefaultKey",
    "BucketInRegion",
    "BucketState",
    "Cloud",
    "Finding",
    "KeyInRegion",
    "KeyName",
    "KeyState",
    "KmsKeyUsable",
    "Policy",
    "check",
    "examine",
]
