"""Resources against the local cloud: everything signs in keylessly, through the libraries' own classes."""

import dagster as dg
import pytest

from wif_pipelines.demo.place import pipeline_variables
from wif_pipelines.orchestration.resources import from_environment
from wif_pipelines.sandbox.lifecycle import Sandbox


@pytest.fixture
def resources(
    sandbox: Sandbox, sandbox_environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> dict[str, object]:
    for name, value in pipeline_variables(sandbox.world).items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS")
    return from_environment()


def test_dagster_gcps_pickle_io_manager_stores_a_value(sandbox: Sandbox, resources: dict[str, object]) -> None:
    @dg.asset(io_manager_key="gcs_pickle")
    def answer() -> dict[str, int]:
        return {"answer": 42}

    @dg.asset(io_manager_key="gcs_pickle")
    def question(answer: dict[str, int]) -> int:
        return answer["answer"] - 1

    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize([answer, question], resources=resources, instance=instance)
    assert result.success
    assert result.output_for_node("question") == 41
    with dg.build_resources(resources) as ready:
        stored = ready.gcs.client().get_bucket(sandbox.world.artifact_bucket).get_blob("dagster/answer")
    assert stored is not None
    assert stored.kms_key_name.startswith(sandbox.world.kms_key)


def test_each_resource_reaches_its_service(sandbox: Sandbox, resources: dict[str, object]) -> None:
    world = sandbox.world
    with dg.build_resources(resources) as ready:
        assert ready.s3.client().head_bucket(Bucket=world.source_bucket)["ResponseMetadata"]["HTTPStatusCode"] == 200
        assert ready.kms.client().get_crypto_key(name=world.kms_key).name == world.kms_key
        agent = ready.transfer.client().get_google_service_account({"project_id": world.project})
        assert agent.subject_id == world.transfer_agent_subject
        assert ready.vertex.connection().endpoints.list_endpoints(parent=ready.vertex.connection().parent) is not None


def test_the_wrong_role_is_told_apart(resources: dict[str, object], monkeypatch: pytest.MonkeyPatch) -> None:
    from wif_pipelines.errors import IdentityError

    monkeypatch.setenv("WIF_AWS_ROLE_ARN", "arn:aws:iam::210987654321:role/somebody-else")
    identity = {"identity": from_environment()["identity"]}
    with dg.build_resources(identity) as ready, pytest.raises(IdentityError, match="somebody-else"):
        ready.identity.aws_session()
