import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from wif_pipelines.identity.sharing import PerProcess, forget
from wif_pipelines_tests.identity.forks import holds_in_a_child


def test_the_first_makes_and_the_others_share() -> None:
    made: list[object] = []
    shared: PerProcess[str, object] = PerProcess(inherit=True)

    def make() -> object:
        threading.Event().wait(0.01)
        made.append(thing := object())
        return thing

    with ThreadPoolExecutor(16) as pool:
        values = set(pool.map(lambda _: shared.get("key", make), range(64)))
    assert values == set(made)
    assert len(made) == 1
    assert shared.get("other", make) not in values


def test_a_failure_is_not_kept() -> None:
    shared: PerProcess[str, int] = PerProcess(inherit=True)
    with pytest.raises(ZeroDivisionError):
        shared.get("key", lambda: 1 // 0)
    assert shared.get("key", lambda: 7) == 7


def test_forgetting_is_for_everything() -> None:
    one: PerProcess[str, int] = PerProcess(inherit=True)
    two: PerProcess[str, int] = PerProcess(inherit=False)
    assert (one.get("key", lambda: 1), two.get("key", lambda: 1)) == (1, 1)
    forget()
    assert (one.get("key", lambda: 2), two.get("key", lambda: 2)) == (2, 2)


@pytest.mark.parametrize(("inherit", "found"), [(True, 1), (False, 2)])
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_child_inherits_or_starts_anew_whoever_held_the_lock(*, inherit: bool, found: int) -> None:
    shared: PerProcess[str, int] = PerProcess(inherit=inherit)
    shared.get("key", lambda: 1)
    held, release = threading.Event(), threading.Event()

    def hold() -> int:
        held.set()
        release.wait(20)
        return 0

    holder = threading.Thread(target=shared.get, args=("slow", hold))
    holder.start()
    held.wait(20)
    same = holds_in_a_child(lambda: shared.get("key", lambda: 2) == found)
    release.set()
    holder.join()
    assert same
