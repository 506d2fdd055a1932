"""The main job from S3 to a served model, twice, and what it leaves behind."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from wif_pipelines.sandbox.lifecycle import Sandbox
from wif_pipelines_tests.end_to_end.conftest import MainJob

pytestmark = pytest.mark.slow

SECRET_FORMS = [
    rb"ya29\.[\w.-]{20,}",  # access tokens of Google
    rb"eyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,}",  # JSON web tokens
    rb"Signature=[0-9a-f]{64}",  # of a signed AWS request
    rb"X-Amz-Signature=[0-9a-f]{64}",
]


@pytest.fixture(scope="module")
def first(main_job: MainJob) -> tuple[str, str]:
    return main_job.run()


@pytest.fixture(scope="module")
def second(main_job: MainJob, first: tuple[str, str]) -> tuple[str, str]:
    return main_job.run()


def test_data_moves_by_both_routes_and_is_verified(main_job: MainJob, first: tuple[str, str]) -> None:
    facts = main_job.facts(first[0])
    assert facts["source_inventory"]["objects"] == 38
    assert (facts["landing"]["proxy_objects"], facts["landing"]["bulk_objects"]) == (37, 1)
    moved = facts["landing"]["proxy_bytes"] + facts["landing"]["bulk_bytes"]
    assert moved == facts["source_inventory"]["bytes"] == facts["verified_dataset"]["bytes"]


def test_the_model_is_good_and_served(main_job: MainJob, first: tuple[str, str]) -> None:
    facts = main_job.facts(first[0])
    assert facts["training_job"]["auc"] > 0.95
    assert "data:image/svg+xml;base64," in facts["training_job"]["roc_curve"]
    smoke = facts["smoke_test_prediction"]
    assert smoke["right"] >= 0.75 * smoke["asked"]
    assert smoke["version"] == facts["registered_model"]["version"] == facts["endpoint"]["version"]


def test_every_artefact_is_under_the_customers_key(sandbox: Sandbox, main_job: MainJob, first: tuple[str, str]) -> None:
    facts = main_job.facts(first[0])
    for artefact in ("landing", "verified_dataset", "training_job", "registered_model", "endpoint"):
        assert facts[artefact]["key"] == sandbox.world.kms_key, artefact


def test_the_second_run_moves_nothing_and_makes_a_new_version(
    main_job: MainJob, first: tuple[str, str], second: tuple[str, str]
) -> None:
    before, after = main_job.facts(first[0]), main_job.facts(second[0])
    assert after["landing"]["proxy_objects"] == after["landing"]["bulk_objects"] == 0
    assert after["landing"]["unchanged_objects"] == 38
    assert after["registered_model"]["model"] == before["registered_model"]["model"]
    assert int(after["registered_model"]["version"]) == int(before["registered_model"]["version"]) + 1
    assert sum(after["endpoint"]["traffic"].values()) == 100


def test_no_secret_is_left_behind(main_job: MainJob, first: tuple[str, str]) -> None:
    exact = [main_job.variables[name].encode() for name in ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")]
    forms = [re.compile(form) for form in SECRET_FORMS]
    for name, content in [("what was printed", first[1].encode()), *_files(main_job.home)]:
        assert not [secret for secret in exact if secret in content], name
        assert not [form.pattern for form in forms if form.search(content)], name


def test_the_search_knows_a_token_when_it_sees_one(main_job: MainJob, sandbox_environment: dict[str, str]) -> None:
    from wif_pipelines.identity import WorkloadIdentity

    identity = WorkloadIdentity(
        audience=main_job.variables["WIF_AUDIENCE"], service_account=main_job.variables["WIF_SERVICE_ACCOUNT"]
    )
    direct = WorkloadIdentity(audience=main_job.variables["WIF_AUDIENCE"])
    for token in (identity.token(), direct.token()):
        assert any(re.search(form, token.value.encode()) for form in SECRET_FORMS)


def _files(folder: Path) -> Iterator[tuple[str, bytes]]:
    found = [path for path in folder.rglob("*") if path.is_file()]
    assert any(path.suffix == ".db" for path in found)
    for path in found:
        yield str(path), path.read_bytes()
