"""What stands from the start stands once: a later start neither renews nor undoes anything."""

from pathlib import Path

from wif_pipelines.sandbox.google.iam.accounts import Accounts
from wif_pipelines.sandbox.google.iam.pools import Pools
from wif_pipelines.sandbox.google.kernel import Kernel
from wif_pipelines.sandbox.google.seed import seed_identity
from wif_pipelines.sandbox.world import World


def test_a_grant_that_was_taken_away_stays_away(tmp_path: Path) -> None:
    world = World()
    account = f"projects/{world.project}/serviceAccounts/{world.service_account}"
    first = Kernel(tmp_path, world)
    seed_identity(first, Pools(first), Accounts(first))
    granted = first.policies.get(account)["bindings"]
    first.policies.set(account, {"bindings": []})
    first.store.close()

    second = Kernel(tmp_path, world)
    seed_identity(second, Pools(second), Accounts(second))

    assert {binding["role"] for binding in granted} == {
        "roles/iam.workloadIdentityUser",
        "roles/iam.serviceAccountUser",
    }
    assert second.policies.get(account)["bindings"] == []
    assert Pools(second).active(world.provider_name) is not None
    second.store.close()
