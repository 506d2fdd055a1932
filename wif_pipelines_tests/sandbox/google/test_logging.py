"""Cloud Logging through google.cloud.logging, over the JSON API."""

import datetime
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from google.api_core import exceptions
from google.cloud import logging
from google.oauth2.credentials import Credentials

from wif_pipelines.sandbox.google.access.principal import Principal, service_account
from wif_pipelines.sandbox.google.audit import DATA
from wif_pipelines_tests.sandbox.google.loopback import Loopback, loopback

HOST = "logging.googleapis.com"
SUBJECT = (
    "principal://iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/subject/arn:aws:sts::1:x/y"
)


@pytest.fixture(autouse=True)
def _no_metadata_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """The client looks for one with every entry that it reads; without this it waits for the name to be resolved."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Loopback]:
    with loopback(tmp_path, HOST) as running:
        yield running


def client_of(cloud: Loopback, email: str, *roles: str) -> Any:
    return logging.Client(
        project=cloud.kernel.world.project,
        credentials=Credentials(cloud.token(email, *roles)),
        client_options={"api_endpoint": cloud.endpoint(HOST)},
        _use_grpc=False,
    )


@pytest.fixture
def reader(cloud: Loopback) -> Any:
    return client_of(cloud, "auditor@x", "roles/logging.privateLogViewer", "roles/logging.logWriter")


@pytest.fixture
def written(cloud: Loopback) -> Loopback:
    """Four audit entries, ten seconds apart: an exchange, an impersonation, a use of a key, a refused use."""
    audit, clock = cloud.kernel.audit, cloud.kernel.clock
    federated = Principal(subject=SUBJECT, members=frozenset())
    audit.write(service="sts.googleapis.com", method="ExchangeToken", resource="r1", principal=federated)
    clock.advance(10)
    audit.write(
        service="iamcredentials.googleapis.com",
        method="GenerateAccessToken",
        resource="r2",
        principal=federated,
        labels={"run": "42"},
    )
    clock.advance(10)
    agent = service_account("agent@x")
    audit.write(service="cloudkms.googleapis.com", method="Encrypt", resource="r3", principal=agent, log=DATA)
    clock.advance(10)
    refused = {"code": 9, "message": "is not enabled"}
    audit.write(
        service="cloudkms.googleapis.com", method="Decrypt", resource="r4", principal=agent, log=DATA, status=refused
    )
    return cloud


def methods(reader: Any, filter_: str, **options: Any) -> list[str]:
    """Methods of the matching entries; the bound keeps the client from adding its own of a day."""
    bounded = f'timestamp>="2000-01-01T00:00:00Z" ({filter_})' if filter_ else 'timestamp>="2000-01-01T00:00:00Z"'
    return [entry.payload["methodName"] for entry in reader.list_entries(filter_=bounded, **options)]


@pytest.mark.parametrize(
    ("filter_", "found"),
    [
        ("", "1234"),
        ('protoPayload.methodName="ExchangeToken"', "1"),
        ('protoPayload.methodName="exchangetoken"', "1"),
        ("protoPayload.methodName:Token", "12"),
        ('protoPayload.methodName=~"^(En|De)crypt$"', "34"),
        ("protoPayload.methodName!~crypt", "12"),
        ('protoPayload.serviceName="cloudkms.googleapis.com"', "34"),
        ("protoPayload.serviceName != cloudkms.googleapis.com", "12"),
        (f'protoPayload.authenticationInfo.principalSubject="{SUBJECT}"', "12"),
        ('protoPayload.authenticationInfo.principalSubject:"arn:aws:sts::1:x/y"', "12"),
        ('protoPayload.authenticationInfo.principalEmail="agent@x"', "34"),
        ("protoPayload.authenticationInfo.principalEmail:*", "34"),
        ('NOT protoPayload.authenticationInfo.principalEmail="agent@x"', "12"),
        ('-protoPayload.authenticationInfo.principalEmail="agent@x"', "12"),
        ('protoPayload.authenticationInfo.principalEmail!="other@x"', "34"),
        ("protoPayload.status.code=9", "4"),
        ("protoPayload.status.code>=10", ""),
        ("severity>=ERROR", "4"),
        ("severity=(NOTICE OR ERROR)", "124"),
        ("severity<NOTICE", "3"),
        ('labels.run="42"', "2"),
        ('labels."run"=42', "2"),
        ("labels.run:*", "2"),
        ('resource.type="audited_resource" resource.labels.method="Encrypt"', "3"),
        ('logName="projects/sandbox-project/logs/cloudaudit.googleapis.com%2Factivity"', "12"),
        ('log_id("cloudaudit.googleapis.com/data_access")', "34"),
        ('"not enabled"', "4"),
        # OR binds closer than AND: (1 or 3) and (1, 2 or 3) and (1 or 2)
        (
            "protoPayload.resourceName:r1 OR severity=INFO AND severity=INFO OR severity=NOTICE AND severity=NOTICE",
            "1",
        ),
        ("(protoPayload.resourceName=r3 severity=INFO) OR (protoPayload.resourceName=r1)", "13"),
        ("NOT (protoPayload.resourceName=r3 OR protoPayload.resourceName=r1)", "24"),
        ("severity>=NOTICE\n-- a remark\nprotoPayload.methodName:crypt", "4"),
    ],
)
def test_filters_find_what_they_say(written: Loopback, reader: Any, filter_: str, found: str) -> None:
    names = {"1": "ExchangeToken", "2": "GenerateAccessToken", "3": "Encrypt", "4": "Decrypt"}
    assert methods(reader, filter_) == [names[digit] for digit in found]


def test_times_bound_the_answer(written: Loopback, reader: Any) -> None:
    times = [entry["timestamp"] for entry in written.kernel.audit.read()]
    assert methods(reader, f'timestamp>="{times[1]}" timestamp<"{times[3]}"') == ["GenerateAccessToken", "Encrypt"]
    moment = datetime.datetime.fromisoformat(times[2]).astimezone(datetime.timezone(datetime.timedelta(hours=5)))
    assert methods(reader, f'timestamp>"{moment.isoformat()}"') == ["Decrypt"]
    assert methods(reader, f'timestamp="{times[0]}"') == ["ExchangeToken"]


def test_pages_in_both_orders_hold_every_entry_once(written: Loopback, reader: Any) -> None:
    everything = methods(reader, "")
    assert methods(reader, "", page_size=1) == everything
    assert methods(reader, "", page_size=3, order_by=logging.DESCENDING) == everything[::-1]
    token = written.token("auditor@x")
    body = {"resourceNames": [f"projects/{written.kernel.world.project_number}"], "pageSize": 2}
    first = written.call("POST", HOST, "v2/entries:list", token, body).json()
    second = written.call("POST", HOST, "v2/entries:list", token, body | {"pageToken": first["nextPageToken"]}).json()
    assert "nextPageToken" not in second
    assert [entry["protoPayload"]["methodName"] for entry in first["entries"] + second["entries"]] == everything


def test_data_access_logs_are_private(written: Loopback) -> None:
    viewer = client_of(written, "viewer@x", "roles/logging.viewer")
    assert methods(viewer, "") == ["ExchangeToken", "GenerateAccessToken"]
    with pytest.raises(exceptions.Forbidden, match=r"logging\.logEntries\.list"):
        methods(client_of(written, "nobody@x"), "")


@pytest.mark.parametrize(
    ("filter_", "text"),
    [
        ("severity>=", "Unparseable filter"),
        ("(severity=ERROR", "Unparseable filter"),
        ("severity=ERROR )", "Unparseable filter"),
        ("nonsense=1", "Field not found: 'nonsense'"),
        ("severity>=LOUD", "unknown severity"),
        ('timestamp>"yesterday"', "RFC 3339"),
        ("sample(insertId, 0.5)", "Unparseable filter"),
        ('protoPayload.methodName=~"("', "regular expression"),
    ],
)
def test_filters_that_cannot_be_read_are_refused(cloud: Loopback, reader: Any, filter_: str, text: str) -> None:
    body = {"resourceNames": ["projects/sandbox-project"], "filter": filter_}
    answer = cloud.call("POST", HOST, "v2/entries:list", cloud.token("auditor@x"), body)
    assert answer.status_code == 400
    assert text in answer.json()["error"]["message"]


def test_what_is_written_is_read_and_its_log_is_listed(written: Loopback, reader: Any) -> None:
    logger = reader.logger("pipeline")
    logger.log_text("moved 3 objects", severity="WARNING", labels={"run": "7"}, resource=logging.Resource("global", {}))
    logger.log_struct({"moved": 3}, resource=logging.Resource("global", {}))
    # the client writes an entry about itself, once a process
    ours = 'log_id("pipeline") NOT jsonPayload."logging.googleapis.com/diagnostic":*'
    found = list(reader.list_entries(filter_=ours))
    assert [entry.payload for entry in found] == ["moved 3 objects", {"moved": 3}]
    assert (found[0].severity, found[0].labels) == ("WARNING", {"run": "7"})
    assert [entry.payload for entry in reader.list_entries(filter_="jsonPayload.moved>=3")] == [{"moved": 3}]
    project = f"v2/projects/{written.kernel.world.project}/logs"
    token = written.token("auditor@x")
    listed = written.call("GET", HOST, project, token, pageSize=2).json()
    rest = written.call("GET", HOST, project, token, pageToken=listed["nextPageToken"]).json()
    assert [name.rpartition("/")[2] for name in listed["logNames"] + rest["logNames"]] == [
        "cloudaudit.googleapis.com%2Factivity",
        "cloudaudit.googleapis.com%2Fdata_access",
        "pipeline",
    ]


@pytest.mark.parametrize(
    "entry",
    [
        {"logName": "pipeline", "resource": {"type": "global"}},
        {
            "logName": "projects/sandbox-project/logs/cloudaudit.googleapis.com%2Factivity",
            "resource": {"type": "global"},
        },
        {"logName": "projects/sandbox-project/logs/x"},
        {
            "logName": "projects/sandbox-project/logs/x",
            "resource": {"type": "global"},
            "timestamp": "2026-13-41T00:00:00Z",
        },
    ],
)
def test_entries_that_cannot_be_written_are_refused(cloud: Loopback, reader: Any, entry: dict[str, Any]) -> None:
    body = {"entries": [entry | {"textPayload": "x"}]}
    answer = cloud.call("POST", HOST, "v2/entries:write", cloud.token("auditor@x"), body)
    assert answer.status_code == 400
    assert list(cloud.kernel.audit.read()) == []
