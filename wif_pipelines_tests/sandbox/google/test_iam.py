"""Pools, providers, service accounts, roles and policies, through Google's discovery-based client."""

import json
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import httplib2
import pytest
import requests
from google.auth.transport.requests import AuthorizedSession
from googleapiclient import discovery
from googleapiclient.errors import HttpError

from wif_pipelines.sandbox.lifecycle import Sandbox

_IAM = "https://iam.googleapis.com/v1"
_GITHUB = "https://token.actions.githubusercontent.com"
_MAPPING = {"google.subject": "assertion.sub"}


class OverRequests:
    """Carries the client's calls over requests: httplib2 knows no proxy unless PySocks is installed."""

    def __init__(self, session: AuthorizedSession) -> None:
        self._session = session

    def request(
        self, uri: str, method: str = "GET", body: Any = None, headers: dict[str, str] | None = None, **_: Any
    ) -> tuple[httplib2.Response, bytes]:
        answer = self._session.request(method, uri, data=body, headers=headers, timeout=10)
        return httplib2.Response({**answer.headers, "status": str(answer.status_code)}), answer.content

    def close(self) -> None:
        self._session.close()


@pytest.fixture
def iam(as_administrator: AuthorizedSession) -> Iterator[Any]:
    with discovery.build("iam", "v1", http=OverRequests(as_administrator), static_discovery=True) as service:
        yield service


@pytest.fixture
def pools(iam: Any) -> Any:
    return iam.projects().locations().workloadIdentityPools()


@pytest.fixture
def pool(sandbox: Sandbox, pools: Any) -> str:
    """A new, empty pool."""
    operation = pools.create(
        parent=f"projects/{sandbox.world.project}/locations/global",
        workloadIdentityPoolId=f"t-{uuid.uuid4().hex[:12]}",
        body={"displayName": "A test's"},
    ).execute()
    assert operation["done"] is True
    return str(operation["response"]["name"])


Create = Callable[..., Any]


@pytest.fixture
def create(pools: Any, pool: str) -> Create:
    """Create a provider in the new pool."""

    def send(given: str = "provider", **body: Any) -> Any:
        request = pools.providers().create(parent=pool, workloadIdentityPoolProviderId=given, body=body)
        return request.execute()["response"]

    return send


def _refused(call: Callable[[], Any]) -> tuple[int, str]:
    with pytest.raises(HttpError) as refusal:
        call()
    error = json.loads(refusal.value.content)["error"]
    return error["code"], error["message"]


def test_names_carry_the_project_number(sandbox: Sandbox, pool: str, pools: Any) -> None:
    assert pool.startswith(f"projects/{sandbox.world.project_number}/locations/global/workloadIdentityPools/t-")
    by_id = pool.replace(sandbox.world.project_number, sandbox.world.project)
    assert pools.get(name=by_id).execute() == pools.get(name=pool).execute()


def test_an_operation_can_be_asked_for_again(pools: Any, pool: str) -> None:
    operation = pools.delete(name=pool).execute()

    assert pools.operations().get(name=operation["name"]).execute() == operation


def test_an_aws_provider_shows_the_default_mapping(create: Create) -> None:
    provider = create(aws={"accountId": "123456789012"})

    assert provider["attributeMapping"]["google.subject"] == "assertion.arn"
    assert "assumed-role/{role_name}/" in provider["attributeMapping"]["attribute.aws_role"]
    assert provider["state"] == "ACTIVE"


def test_a_provider_is_changed_field_by_field(pools: Any, create: Create) -> None:
    provider = create(oidc={"issuerUri": "https://issuer.example"}, attributeMapping=_MAPPING, displayName="Before")
    body = {"displayName": "After", "oidc": {"allowedAudiences": ["a"]}, "description": "ignored"}
    mask = "displayName,oidc.allowed_audiences"

    changed = pools.providers().patch(name=provider["name"], updateMask=mask, body=body).execute()["response"]

    assert changed["displayName"] == "After"
    assert changed["oidc"] == {"issuerUri": "https://issuer.example", "allowedAudiences": ["a"]}
    assert "description" not in changed


def test_deleting_is_soft(pools: Any, pool: str, create: Create) -> None:
    name = create(aws={"accountId": "123456789012"})["name"]
    pools.providers().delete(name=name).execute()

    gone = pools.providers().get(name=name).execute()
    assert gone["state"] == "DELETED"
    assert "expireTime" in gone
    assert pools.providers().list(parent=pool).execute() == {}
    assert len(pools.providers().list(parent=pool, showDeleted=True).execute()["workloadIdentityPoolProviders"]) == 1
    assert _refused(lambda: create(aws={"accountId": "123456789012"})) == (409, "Requested entity already exists")
    assert pools.providers().undelete(name=name, body={}).execute()["response"]["state"] == "ACTIVE"


def test_lists_come_in_pages(pools: Any, pool: str, create: Create) -> None:
    for number in range(3):
        create(f"provider-{number}", aws={"accountId": "123456789012"})
    request = pools.providers().list(parent=pool, pageSize=2)

    sizes = []
    while request is not None:
        answer = request.execute()
        sizes.append(len(answer["workloadIdentityPoolProviders"]))
        request = pools.providers().list_next(request, answer)

    assert sizes == [2, 1]


@pytest.mark.parametrize("given", ["abc", "a" * 33, "Upper-case", "gcp-mine", "under_score"])
def test_ids_that_are_refused(create: Create, given: str) -> None:
    assert _refused(lambda: create(given, aws={"accountId": "123456789012"}))[0] == 400


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"attributeMapping": {"google.user": "assertion.sub"}}, "Invalid mapped attribute key: google.user"),
        ({"attributeMapping": {"attribute.Big": "assertion.sub"}}, "Invalid mapped attribute key: attribute.Big"),
        ({"attributeMapping": {"attribute.a": "assertion.a"}}, "must include google.subject"),
        ({"attributeMapping": {}}, "must include google.subject"),
        ({"attributeMapping": {"google.subject": "assertion.sub +"}}, "Error parsing attribute mapping google.subject"),
        ({"displayName": "x" * 33}, "display name must be less than or equal to 32 characters"),
        ({"oidc": {"issuerUri": "http://issuer.example"}}, "must be an HTTPS endpoint"),
        ({"oidc": {"issuerUri": _GITHUB}}, "The attribute condition must reference one of the provider's claims"),
        ({"attributeCondition": "true"}, "The attribute condition must reference one of the provider's claims"),
        ({"attributeCondition": "claims.sub == 'x'"}, "undeclared reference to 'claims'"),
        ({"oidc": {"issuerUri": "https://i.example", "jwksJson": "{"}}, "Input JWK is not in a valid json format"),
        ({"aws": {"accountId": "123456789012"}}, "Exactly one provider configuration"),
        ({"attributeMapping": {"google.subject": "a" * 2049}}, "2048"),
        ({"attributeCondition": "assertion.sub == '" + "a" * 4096 + "'"}, "4096"),
    ],
)
def test_providers_that_are_refused(create: Create, body: dict[str, Any], text: str) -> None:
    whole = {"oidc": {"issuerUri": "https://issuer.example"}, "attributeMapping": _MAPPING} | body

    code, message = _refused(lambda: create(**whole))

    assert code == 400
    assert text in message


def test_certificates_in_a_key_set_are_refused(create: Create) -> None:
    key = {"kty": "RSA", "alg": "RS256", "use": "sig", "kid": "1", "n": "AQAB", "e": "AQAB"}
    sets = [json.dumps({"keys": [item]}) for item in (key, key | {"x5t": "abc"})]
    good = create("accepted", oidc={"issuerUri": "https://i.example", "jwksJson": sets[0]}, attributeMapping=_MAPPING)

    code, message = _refused(
        lambda: create(oidc={"issuerUri": "https://i.example", "jwksJson": sets[1]}, attributeMapping=_MAPPING)
    )

    assert good["oidc"]["jwksJson"] == sets[0]
    assert (code, message) == (400, "Input JWK is not in a valid json format")


def test_the_pipeline_may_not_change_whom_the_project_trusts(sandbox: Sandbox, as_pipeline: AuthorizedSession) -> None:
    url = f"{_IAM}/{sandbox.world.provider_name}?updateMask=attributeCondition"

    answer = as_pipeline.patch(url, json={"attributeCondition": ""})

    assert answer.status_code == 403
    error = answer.json()["error"]
    assert error["message"].startswith("Permission 'iam.workloadIdentityPoolProviders.update' denied on resource")
    assert error["details"][0]["reason"] == "IAM_PERMISSION_DENIED"


def test_tokens_of_a_disabled_pool_count_no_longer(
    sandbox: Sandbox, federated_token: str, as_administrator: AuthorizedSession
) -> None:
    """The administrator comes by a token of an account, which the pool does not touch."""
    url = f"{_IAM}/{sandbox.world.pool_name}?updateMask=disabled"
    probe = f"https://cloudresourcemanager.googleapis.com/v1/projects/{sandbox.world.project}:testIamPermissions"
    headers = {"Authorization": f"Bearer {federated_token}"}

    seen = []
    for disabled in (False, True, False):
        assert as_administrator.patch(url, json={"disabled": disabled}).status_code == 200
        seen.append(requests.post(probe, json={}, headers=headers, timeout=10).status_code)

    assert seen == [200, 401, 200]


def test_the_life_of_a_service_account(sandbox: Sandbox, iam: Any) -> None:
    accounts = iam.projects().serviceAccounts()
    account_id = f"t-{uuid.uuid4().hex[:12]}"
    body = {"accountId": account_id, "serviceAccount": {"displayName": "Test"}}
    created = accounts.create(name=f"projects/{sandbox.world.project}", body=body).execute()

    assert created["email"] == f"{account_id}@{sandbox.world.project}.iam.gserviceaccount.com"
    assert len(created["uniqueId"]) == 21
    by_id = f"projects/-/serviceAccounts/{created['uniqueId']}"
    assert accounts.get(name=by_id).execute() == created
    again = _refused(accounts.create(name=f"projects/{sandbox.world.project}", body=body).execute)
    assert again == (409, f"Service account {account_id} already exists within project projects/sandbox-project.")

    patch = {"serviceAccount": {"displayName": "Renamed"}, "updateMask": "displayName"}
    assert accounts.patch(name=created["name"], body=patch).execute()["displayName"] == "Renamed"
    accounts.disable(name=created["name"], body={}).execute()
    assert accounts.get(name=created["name"]).execute()["disabled"] is True
    accounts.enable(name=created["name"], body={}).execute()
    assert not accounts.get(name=created["name"]).execute().get("disabled")

    accounts.delete(name=created["name"]).execute()
    assert _refused(accounts.get(name=created["name"]).execute)[0] == 404
    restored = accounts.undelete(name=by_id, body={}).execute()["restoredAccount"]
    assert restored["uniqueId"] == created["uniqueId"]
    accounts.delete(name=created["name"]).execute()


@pytest.mark.parametrize("account_id", ["short", "1-begins-with-digit", "Upper-case", "ends-with-dash-", "x" * 31])
def test_account_ids_that_are_refused(sandbox: Sandbox, iam: Any, account_id: str) -> None:
    body = {"accountId": account_id}
    call = iam.projects().serviceAccounts().create(name=f"projects/{sandbox.world.project}", body=body)

    assert _refused(call.execute)[0] == 400


def test_no_key_can_be_made(sandbox: Sandbox, iam: Any) -> None:
    keys = iam.projects().serviceAccounts().keys()
    name = f"projects/-/serviceAccounts/{sandbox.world.service_account}"

    with pytest.raises(HttpError) as refusal:
        keys.create(name=name, body={}).execute()

    error = json.loads(refusal.value.content)["error"]
    assert (error["code"], error["status"]) == (400, "FAILED_PRECONDITION")
    assert error["message"] == "Key creation is not allowed on this service account."
    violation = error["details"][0]["violations"][0]
    assert violation["type"] == "constraints/iam.disableServiceAccountKeyCreation"
    assert keys.list(name=name, keyTypes=["USER_MANAGED"]).execute() == {}
    assert [key["keyType"] for key in keys.list(name=name).execute()["keys"]] == ["SYSTEM_MANAGED"]


def test_policies_are_replaced_only_when_unchanged(sandbox: Sandbox, iam: Any) -> None:
    accounts = iam.projects().serviceAccounts()
    name = f"projects/{sandbox.world.project}/serviceAccounts/{sandbox.world.service_account}"
    policy = accounts.getIamPolicy(resource=name).execute()
    stale = {"policy": policy}

    fresh = accounts.setIamPolicy(resource=name, body=stale).execute()
    code, message = _refused(accounts.setIamPolicy(resource=name, body=stale).execute)

    assert fresh["etag"] != policy["etag"]
    assert fresh["bindings"] == policy["bindings"]
    assert code == 409
    assert message.startswith("There were concurrent policy changes.")


@pytest.mark.parametrize(
    "binding",
    [{"role": "roles/browser", "members": ["someone@example.com"]}, {"role": "browser", "members": ["allUsers"]}],
)
def test_policies_that_are_refused(sandbox: Sandbox, iam: Any, binding: dict[str, Any]) -> None:
    name = f"projects/{sandbox.world.project}/serviceAccounts/{sandbox.world.service_account}"
    call = iam.projects().serviceAccounts().setIamPolicy(resource=name, body={"policy": {"bindings": [binding]}})

    assert _refused(call.execute)[0] == 400


def test_what_the_pipeline_may_do_with_itself(sandbox: Sandbox, as_pipeline: AuthorizedSession) -> None:
    name = f"projects/-/serviceAccounts/{sandbox.world.service_account}"
    asked = ["iam.serviceAccounts.actAs", "iam.serviceAccounts.getAccessToken", "iam.serviceAccounts.delete"]

    answer = as_pipeline.post(f"{_IAM}/{name}:testIamPermissions", json={"permissions": asked})

    assert answer.json() == {"permissions": ["iam.serviceAccounts.actAs"]}


def test_roles_of_google_can_be_read(iam: Any) -> None:
    role = iam.roles().get(name="roles/iam.workloadIdentityUser").execute()
    every = iam.roles().list(pageSize=1000).execute()["roles"]

    assert set(role["includedPermissions"]) == {
        "iam.serviceAccounts.getAccessToken",
        "iam.serviceAccounts.getOpenIdToken",
    }
    assert {"roles/owner", "roles/storage.objectAdmin", "roles/aiplatform.user"} <= {item["name"] for item in every}
    assert _refused(iam.roles().get(name="roles/absent").execute)[0] == 404


def test_a_custom_role_grants_what_it_says_until_it_is_deleted(
    sandbox: Sandbox, iam: Any, as_pipeline: AuthorizedSession, as_administrator: AuthorizedSession
) -> None:
    project = f"projects/{sandbox.world.project}"
    body = {"roleId": f"t_{uuid.uuid4().hex[:8]}", "role": {"includedPermissions": ["iam.workloadIdentityPools.get"]}}
    role = iam.projects().roles().create(parent=project, body=body).execute()["name"]
    url = f"https://cloudresourcemanager.googleapis.com/v1/{project}"
    before = as_administrator.post(f"{url}:getIamPolicy", json={}).json()["bindings"]
    probe = f"{_IAM}/{sandbox.world.pool_name}"

    seen = [as_pipeline.get(probe).status_code]
    added = {"role": role, "members": [f"serviceAccount:{sandbox.world.service_account}"]}
    as_administrator.post(f"{url}:setIamPolicy", json={"policy": {"bindings": [*before, added]}})
    seen.append(as_pipeline.get(probe).status_code)
    iam.projects().roles().delete(name=role).execute()
    seen.append(as_pipeline.get(probe).status_code)
    as_administrator.post(f"{url}:setIamPolicy", json={"policy": {"bindings": before}})

    assert seen == [403, 200, 403]


@pytest.mark.parametrize("version", ["v1", "v3"])
@pytest.mark.parametrize("by", ["id", "number"])
def test_the_project_by_id_and_number(sandbox: Sandbox, as_pipeline: AuthorizedSession, version: str, by: str) -> None:
    given = sandbox.world.project if by == "id" else sandbox.world.project_number

    project = as_pipeline.get(f"https://cloudresourcemanager.googleapis.com/{version}/projects/{given}").json()

    assert project["projectId"] == sandbox.world.project
    state = project["lifecycleState"] if version == "v1" else project["state"]
    assert state == "ACTIVE"
    number = project["projectNumber"] if version == "v1" else project["name"].removeprefix("projects/")
    assert number == sandbox.world.project_number


def test_another_project_is_refused(as_pipeline: AuthorizedSession) -> None:
    answer = as_pipeline.get("https://cloudresourcemanager.googleapis.com/v3/projects/somebody-elses")

    assert answer.status_code == 403
    assert "resourcemanager.projects.get" in answer.json()["error"]["message"]


def test_only_the_owner_reads_the_projects_policy(
    sandbox: Sandbox, as_pipeline: AuthorizedSession, as_administrator: AuthorizedSession
) -> None:
    url = f"https://cloudresourcemanager.googleapis.com/v3/projects/{sandbox.world.project}:getIamPolicy"

    owned = as_administrator.post(url, json={})
    refused = as_pipeline.post(url, json={})

    roles = {binding["role"] for binding in owned.json()["bindings"]}
    assert {"roles/owner", "roles/aiplatform.user", "roles/storagetransfer.user"} <= roles
    assert refused.status_code == 403


def test_administrative_calls_are_in_the_audit_log(
    sandbox: Sandbox, iam: Any, as_administrator: AuthorizedSession
) -> None:
    account = iam.projects().serviceAccounts()
    body = {"accountId": f"t-{uuid.uuid4().hex[:12]}"}
    created = account.create(name=f"projects/{sandbox.world.project}", body=body).execute()
    account.delete(name=created["name"]).execute()
    asked = {
        "resourceNames": [f"projects/{sandbox.world.project}"],
        "filter": f'protoPayload.resourceName="{created["name"]}"',
    }

    entries = as_administrator.post("https://logging.googleapis.com/v2/entries:list", json=asked).json()["entries"]

    assert [entry["protoPayload"]["methodName"] for entry in entries] == ["google.iam.admin.v1.DeleteServiceAccount"]
    who = entries[0]["protoPayload"]["authenticationInfo"]
    assert who["principalEmail"].startswith("admin@")
    assert "assumed-role/sandbox-operator/" in who["serviceAccountDelegationInfo"][0]["principalSubject"]
