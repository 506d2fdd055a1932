from typing import Any

import pytest

from wif_pipelines.compliance import BucketDefaultKey, Cloud, KeyName, KmsKeyUsable, check
from wif_pipelines.errors import ComplianceError, RemoteError
from wif_pipelines_tests.compliance.key_service import KeyService

KEY = KeyName("p", "us-central1", "pipelines", "landing")
OPTIONS = "--key landing --keyring pipelines --location us-central1 --project p"


def key(state: str | None = "ENABLED", *, purpose: str = "ENCRYPT_DECRYPT") -> dict[str, Any]:
    primary = {"primary": {"name": f"{KEY}/cryptoKeyVersions/3", "state": state}} if state else {}
    return {"name": str(KEY), "purpose": purpose, **primary}


def bucket(default_key: str | None) -> dict[str, Any]:
    encryption = {"encryption": {"defaultKmsKeyName": default_key}} if default_key else {}
    return {"name": "landing", "location": "US-CENTRAL1", "locationType": "region", **encryption}


def test_an_enabled_key_is_usable(service: KeyService, cloud: Cloud) -> None:
    service.keys[str(KEY)] = key()
    assert KmsKeyUsable(KEY).examine(cloud) == []
    assert KmsKeyUsable(KEY).examine(cloud) == []
    assert len(service.reads) == 1


@pytest.mark.parametrize(
    ("state", "code", "message", "remedy"),
    [
        (404, "key-missing", "There is no key", "gcloud kms keys create landing"),
        (403, "key-unreadable", "cloudkms.cryptoKeys.get", "roles/cloudkms.viewer"),
        (key("DISABLED"), "key-disabled", "version 3 .* is disabled", f"versions enable 3 {OPTIONS}"),
        (
            key("DESTROY_SCHEDULED"),
            "key-destroy-scheduled",
            "about to be destroyed",
            f"gcloud kms keys versions restore 3 {OPTIONS}\ngcloud kms keys versions enable 3 {OPTIONS}",
        ),
        (key("DESTROYED"), "key-destroyed", "lost for good", f"versions create --primary {OPTIONS}"),
        (key(None), "key-without-primary", "no primary version", f"versions create --primary {OPTIONS}"),
        (key("PENDING_GENERATION"), "key-not-enabled", "is PENDING_GENERATION", f"versions list {OPTIONS}"),
        (key(None, purpose="ASYMMETRIC_SIGN"), "key-purpose", "is for ASYMMETRIC_SIGN", "--purpose encryption"),
    ],
)
def test_every_other_state_has_its_own_text(
    state: dict[str, Any] | int, code: str, message: str, remedy: str, service: KeyService, cloud: Cloud
) -> None:
    service.keys[str(KEY)] = state
    with pytest.raises(ComplianceError, match=message) as caught:
        check([KmsKeyUsable(KEY)], cloud)
    assert remedy in caught.value.remedy
    assert caught.value.findings[0].startswith(f"[{code}] ")


def test_who_may_not_look_learns_who_encrypts(service: KeyService, cloud: Cloud) -> None:
    service.keys[str(KEY)] = 403
    (finding,) = KmsKeyUsable(KEY).examine(cloud)
    assert "gs-project-accounts.iam.gserviceaccount.com" in finding.remedy
    assert "gcp-sa-aiplatform.iam.gserviceaccount.com" in finding.remedy
    assert "roles/cloudkms.cryptoKeyEncrypterDecrypter" in finding.remedy


@pytest.mark.parametrize(
    ("state", "code"),
    [
        (bucket(str(KEY)), None),
        (bucket(f"{KEY}/cryptoKeyVersions/1"), None),
        (bucket(None), "bucket-without-key"),
        (bucket(str(KEY) + "-other"), "bucket-other-key"),
        (404, "bucket-missing"),
        (403, "bucket-unreadable"),
    ],
)
def test_a_buckets_default_key(
    state: dict[str, Any] | int, code: str | None, service: KeyService, cloud: Cloud
) -> None:
    service.buckets["landing"] = state
    findings = BucketDefaultKey("landing", KEY).examine(cloud)
    assert [finding.code for finding in findings] == ([code] if code else [])
    if code in {"bucket-without-key", "bucket-other-key"}:
        assert findings[0].remedy == f"gcloud storage buckets update gs://landing --default-encryption-key={KEY}"


def test_a_busy_service_is_asked_again(service: KeyService, cloud: Cloud) -> None:
    service.buckets["landing"], service.busy = bucket(str(KEY)), 1
    assert BucketDefaultKey("landing", KEY).examine(cloud) == []


def test_no_answer_is_neither_yes_nor_no(service: KeyService, cloud: Cloud) -> None:
    service.buckets["landing"] = 400
    with pytest.raises(RemoteError, match="the service answered 400"):
        check([BucketDefaultKey("landing", KEY)], cloud)


def test_everything_is_told_at_once(service: KeyService, cloud: Cloud) -> None:
    service.keys[str(KEY)] = key("DISABLED")
    service.buckets["landing"] = bucket(None)
    with pytest.raises(ComplianceError) as caught:
        check([KmsKeyUsable(KEY), BucketDefaultKey("landing", KEY)], cloud, before="the transfer")
    assert caught.value.message.startswith("2 things are to be put right before the transfer:")
    assert "versions enable 3" in caught.value.remedy
    assert "--default-encryption-key" in caught.value.remedy
