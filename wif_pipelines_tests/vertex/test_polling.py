from datetime import timedelta

from wif_pipelines.vertex.polling import Polling, look_until
from wif_pipelines.wire import SteppedClock


def test_waits_grow_to_a_bound_and_stay_there() -> None:
    polling = Polling(first_wait=1.0, max_wait=5.0)
    waits = [polling.wait(looks) for looks in range(1, 8)]
    assert waits[:4] == [1.0, 1.5, 2.25, 3.375]
    assert waits[4:] == [5.0, 5.0, 5.0]
    assert polling.wait(100_000) == 5.0


def test_looks_until_it_is_done_and_tells_each_look() -> None:
    clock, told = SteppedClock(), list[int]()
    seen = iter([1, 2, 3, 4])
    found = look_until(
        lambda: next(seen),
        done=lambda number: number == 3,
        polling=Polling(first_wait=1.0),
        clock=clock,
        on_look=told.append,
    )
    assert found == 3
    assert told == [1, 2, 3]
    assert clock.sleeps == [1.0, 1.5]


def test_the_deadline_ends_it_without_a_last_wait() -> None:
    clock = SteppedClock()
    polling = Polling(first_wait=4.0, max_wait=4.0, deadline=timedelta(seconds=10))
    assert look_until(lambda: 0, done=bool, polling=polling, clock=clock) is None
    assert clock.sleeps == [4.0, 4.0]


def test_a_deployment_of_an_hour_is_not_given_up_at_900_seconds() -> None:
    clock = SteppedClock()
    done = look_until(clock.monotonic, done=lambda seconds: seconds > 3600, polling=Polling(), clock=clock)
    assert done is not None
    assert max(clock.sleeps) == 30.0
