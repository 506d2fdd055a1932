from datetime import timedelta

from wif_pipelines.vertex.operations import Polling


def test_waits_grow_to_a_bound_and_stay_there() -> None:
    polling = Polling(first_wait=1.0, max_wait=5.0, deadline=timedelta(hours=1))
    waits = [polling.wait(looks) for looks in range(1, 8)]
    assert waits[:4] == [1.0, 1.5, 2.25, 3.375]
    assert waits[4:] == [5.0, 5.0, 5.0]
    assert polling.wait(100_000) == 5.0
