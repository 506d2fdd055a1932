from typing import Any

import pytest

from wif_pipelines.compliance import BucketInRegion, Cloud, KeyInRegion, KeyName
from wif_pipelines_tests.compliance.key_service import KeyService


def bucket(location: str, kind: str) -> dict[str, Any]:
    return {"name": "landing", "location": location, "locationType": kind}


@pytest.mark.parametrize(
    ("state", "message"),
    [
        (bucket("EUROPE-WEST1", "region"), None),
        (bucket("US-CENTRAL1", "region"), "lies in the region us-central1, not in the region europe-west1"),
        (bucket("EU", "multi-region"), "lies in the multi-region eu"),
        (404, "There is no bucket gs://landing"),
        (403, "It cannot be told whether gs://landing is fit"),
    ],
)
def test_a_bucket_lies_in_exactly_one_region(
    state: dict[str, Any] | int, message: str | None, service: KeyService, cloud: Cloud
) -> None:
    service.buckets["landing"] = state
    findings = BucketInRegion("landing", "europe-west1").examine(cloud)
    assert len(findings) == (1 if message else 0)
    if message:
        assert message in findings[0].message
        assert findings[0].remedy.startswith(("A bucket keeps its location", "gcloud storage buckets"))


@pytest.mark.parametrize(("location", "count"), [("europe-west1", 0), ("europe", 1), ("global", 1), ("us-east1", 1)])
def test_a_key_lies_where_its_name_says(location: str, count: int, service: KeyService, cloud: Cloud) -> None:
    findings = KeyInRegion(KeyName("p", location, "r", "k"), "europe-west1").examine(cloud)
    assert len(findings) == count
    assert service.reads == []
