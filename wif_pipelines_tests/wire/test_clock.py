import threading
from datetime import UTC, datetime

from wif_pipelines.wire import SYSTEM, SteppedClock


def test_the_systems_time_has_a_zone_and_passes() -> None:
    assert SYSTEM.now().tzinfo is UTC
    started = SYSTEM.monotonic()
    SYSTEM.sleep(0.01)
    assert SYSTEM.monotonic() - started >= 0.01


def test_a_stepped_clock_moves_only_when_stepped() -> None:
    clock = SteppedClock(datetime(2026, 5, 1, tzinfo=UTC))
    clock.sleep(90.0)
    assert clock.now() == datetime(2026, 5, 1, 0, 1, 30, tzinfo=UTC)
    assert (clock.monotonic(), clock.sleeps) == (90.0, [90.0])


def test_steps_of_many_threads_all_count() -> None:
    clock = SteppedClock()
    threads = [threading.Thread(target=lambda: [clock.step(1.0) for _ in range(1000)]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert clock.monotonic() == 8000.0
