from collections.abc import Sequence
from dataclasses import dataclass

import pytest
from google.auth.credentials import AnonymousCredentials

from wif_pipelines.compliance import AllOf, AnyOf, Cloud, Finding, KeyInRegion, KeyName, Policy, check, examine
from wif_pipelines.errors import ComplianceError

KEY = KeyName("p", "europe-west1", "pipelines", "landing")
IN_EUROPE, IN_AMERICA, IN_ASIA = (KeyInRegion(KEY, region) for region in ("europe-west1", "us-east1", "asia-east1"))


@pytest.fixture
def cloud() -> Cloud:
    """Nobody is asked: these policies judge by names."""
    return Cloud(AnonymousCredentials(), "p")


def codes(findings: Sequence[Finding]) -> list[str]:
    return [finding.code for finding in findings]


@pytest.mark.parametrize(
    ("policy", "count"),
    [
        (AllOf(()), 0),
        (AllOf((IN_EUROPE, IN_EUROPE)), 0),
        (AllOf((IN_EUROPE, IN_AMERICA, IN_ASIA)), 2),
        (AnyOf((IN_AMERICA, IN_EUROPE)), 0),
        (AnyOf((IN_AMERICA, IN_ASIA)), 2),
        (AnyOf(()), 1),
        (AllOf((AnyOf((IN_AMERICA, IN_EUROPE)), IN_ASIA)), 1),
    ],
)
def test_policies_compose(policy: Policy, count: int, cloud: Cloud) -> None:
    assert len(policy.examine(cloud)) == count


def test_a_check_that_holds_says_nothing(cloud: Cloud) -> None:
    check([IN_EUROPE], cloud)
    check([], cloud)


def test_a_check_tells_everything_at_once(cloud: Cloud) -> None:
    with pytest.raises(ComplianceError) as caught:
        check([IN_AMERICA, IN_EUROPE, IN_ASIA], cloud, before="the training job")
    error = caught.value
    assert error.message.startswith("2 things are to be put right before the training job:")
    assert len(error.findings) == 2
    assert "is in europe-west1, and what it is to encrypt is in us-east1" in error.message
    assert "--location us-east1 --keyring pipelines --project p" in error.remedy
    assert "--location asia-east1 --keyring pipelines --project p" in error.remedy


def test_the_same_finding_is_told_once(cloud: Cloud) -> None:
    assert codes(examine([IN_AMERICA, AllOf((IN_AMERICA,))], cloud)) == ["key-other-region"]


def test_policies_are_values() -> None:
    @dataclass(frozen=True)
    class Never:
        def examine(self, cloud: Cloud) -> Sequence[Finding]:
            return [Finding("never", "", "Never.", "Give up.")]

    assert AllOf((IN_EUROPE, Never())) == AllOf((KeyInRegion(KEY, "europe-west1"), Never()))
    assert hash(AnyOf((IN_EUROPE,))) == hash(AnyOf((IN_EUROPE,)))
