"""Service Usage over plain HTTP, and what an API that is off answers."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from google.api_core import exceptions

from wif_pipelines_tests.sandbox.google.loopback import Loopback, loopback

USAGE, KMS = "serviceusage.googleapis.com", "cloudkms.googleapis.com"
CREDENTIALS, STS = "iamcredentials.googleapis.com", "sts.googleapis.com"
KMS_SERVICE = f"services/{KMS}"


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Loopback]:
    with loopback(tmp_path, USAGE, KMS, CREDENTIALS, STS) as running:
        yield running


@pytest.fixture
def admin(cloud: Loopback) -> str:
    return cloud.token("admin@x", "roles/serviceusage.serviceUsageAdmin", "roles/cloudkms.viewer")


@pytest.fixture
def project(cloud: Loopback) -> str:
    return f"v1/projects/{cloud.kernel.world.project}"


def test_services_are_got_and_listed_by_state(cloud: Loopback, admin: str, project: str) -> None:
    got = cloud.call("GET", USAGE, f"{project}/{KMS_SERVICE}", admin).json()
    number = cloud.kernel.world.project_number
    assert got["name"] == f"projects/{number}/{KMS_SERVICE}"
    assert (got["state"], got["config"]["name"]) == ("ENABLED", KMS)
    listed, token = [], ""
    while True:
        paging = {"pageSize": 5, "pageToken": token, "filter": "state:ENABLED"}
        page = cloud.call("GET", USAGE, f"{project}/services", admin, **paging).json()
        listed += [service["config"]["name"] for service in page["services"]]
        token = page.get("nextPageToken", "")
        if not token:
            break
        assert len(page["services"]) == 5
    assert {KMS, STS, CREDENTIALS, "aiplatform.googleapis.com", "storagetransfer.googleapis.com"} <= set(listed)
    assert "compute.googleapis.com" not in listed
    assert len(listed) == len(set(listed))
    names = [f"projects/{number}/{KMS_SERVICE}", f"projects/{number}/services/compute.googleapis.com"]
    got = cloud.call("GET", USAGE, f"{project}/services:batchGet", admin, names=names).json()
    assert [service["state"] for service in got["services"]] == ["ENABLED", "DISABLED"]


def test_a_disabled_api_refuses_in_googles_words_until_it_is_enabled(cloud: Loopback, admin: str, project: str) -> None:
    keys = f"{project}/locations/us-central1/keyRings"
    assert cloud.call("GET", KMS, keys, admin).status_code == 200
    operation = cloud.call("POST", USAGE, f"{project}/{KMS_SERVICE}:disable", admin, {}).json()
    assert operation["response"]["service"]["state"] == "DISABLED"
    assert cloud.call("GET", USAGE, f"v1/{operation['name']}", admin).json() == operation
    listed = cloud.call("GET", USAGE, "v1/operations", admin).json()["operations"]
    assert listed == [operation]

    refusal = cloud.call("GET", KMS, keys, admin)
    error, number = refusal.json()["error"], cloud.kernel.world.project_number
    assert (refusal.status_code, error["status"]) == (403, "PERMISSION_DENIED")
    assert error["message"] == (
        f"Cloud Key Management Service (KMS) API has not been used in project {number} before or it is disabled. "
        f"Enable it by visiting https://console.developers.google.com/apis/api/{KMS}/overview?project={number} then "
        "retry. If you enabled this API recently, wait a few minutes for the action to propagate to our systems and "
        "retry."
    )
    kinds = {detail["@type"].rpartition(".")[2]: detail for detail in error["details"]}
    assert kinds["ErrorInfo"]["reason"] == "SERVICE_DISABLED"
    assert kinds["ErrorInfo"]["metadata"]["consumer"] == f"projects/{number}"
    assert kinds["Help"]["links"][0]["url"].endswith(f"project={number}")
    assert isinstance(exceptions.from_http_response(refusal), exceptions.Forbidden)

    enabled = cloud.call("POST", USAGE, f"{project}/{KMS_SERVICE}:enable", admin, {}).json()
    assert enabled["done"] is True
    assert enabled["response"]["service"]["state"] == "ENABLED"
    assert cloud.call("GET", KMS, keys, admin).status_code == 200
    again = cloud.call("POST", USAGE, f"{project}/{KMS_SERVICE}:enable", admin, {}).json()
    assert again["name"] == "operations/noop.DONE_OPERATION"


@pytest.mark.parametrize(
    ("host", "path", "title"),
    [
        (STS, "v1/token", "Security Token Service API"),
        (CREDENTIALS, "v1/projects/-/serviceAccounts/a@b:generateAccessToken", "IAM Service Account Credentials API"),
    ],
)
def test_the_identity_apis_can_be_off_too(
    cloud: Loopback, admin: str, project: str, host: str, path: str, title: str
) -> None:
    cloud.call("POST", USAGE, f"{project}/services/{host}:disable", admin, {}).raise_for_status()
    refusal = cloud.call("POST", host, path, admin, {})
    assert refusal.status_code == 403
    assert refusal.json()["error"]["message"].startswith(f"{title} has not been used in project ")


def test_what_is_off_stays_off_after_a_restart_and_service_usage_still_answers(tmp_path: Path) -> None:
    with loopback(tmp_path, USAGE) as first:
        admin = first.token("admin@x", "roles/serviceusage.serviceUsageAdmin")
        project = f"v1/projects/{first.kernel.world.project_number}"
        for host in (KMS, USAGE):
            first.call("POST", USAGE, f"{project}/services/{host}:disable", admin, {}).raise_for_status()
    with loopback(tmp_path, USAGE) as second:
        assert second.call("GET", USAGE, f"{project}/{KMS_SERVICE}", admin).json()["state"] == "DISABLED"
        body = {"serviceIds": [KMS, "compute.googleapis.com"]}
        operation = second.call("POST", USAGE, f"{project}/services:batchEnable", admin, body).json()
        assert [service["state"] for service in operation["response"]["services"]] == ["ENABLED", "ENABLED"]
        assert len(operation["metadata"]["resourceNames"]) == 2


def test_refusals(cloud: Loopback, admin: str, project: str) -> None:
    viewer = cloud.token("viewer@x", "roles/serviceusage.serviceUsageViewer")
    denied = cloud.call("POST", USAGE, f"{project}/{KMS_SERVICE}:disable", viewer, {})
    assert denied.status_code == 403
    assert denied.json()["error"]["message"] == f"Permission denied to disable service [{KMS}]"
    unknown = cloud.call("POST", USAGE, f"{project}/services/no.googleapis.com:enable", admin, {})
    assert unknown.status_code == 403
    assert "Not found or permission denied for service(s): no.googleapis.com." in unknown.json()["error"]["message"]
    assert cloud.call("GET", USAGE, f"v1/projects/other/{KMS_SERVICE}", admin).status_code == 403
    compute = cloud.call("POST", USAGE, f"{project}/services/compute.googleapis.com:disable", admin, {})
    assert compute.json()["error"]["status"] == "FAILED_PRECONDITION"
    assert cloud.call("GET", USAGE, f"{project}/services", admin, filter="name:x").status_code == 400
    changes = [entry["protoPayload"]["methodName"] for entry in cloud.kernel.audit.read()]
    assert changes == []


def test_changes_are_audited(cloud: Loopback, admin: str, project: str) -> None:
    cloud.call("POST", USAGE, f"{project}/{KMS_SERVICE}:disable", admin, {}).raise_for_status()
    (entry,) = cloud.kernel.audit.read()
    assert entry["protoPayload"]["methodName"] == "google.api.serviceusage.v1.ServiceUsage.DisableService"
    assert entry["protoPayload"]["authenticationInfo"]["principalEmail"] == "admin@x"
