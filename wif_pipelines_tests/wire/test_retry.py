import pytest
import requests
from google.api_core.exceptions import TooManyRequests

from wif_pipelines.wire import Backoff, SteppedClock, retrying
from wif_pipelines.wire.google_errors import is_transient


class BusyError(Exception):
    def __init__(self, retry_after: float | None = None) -> None:
        super().__init__("busy")
        self.retry_after = retry_after


class Line:
    """Fails so many times, then answers; counts how often it was asked."""

    def __init__(self, *failures: Exception) -> None:
        self.failures = list(failures)
        self.calls = 0

    def __call__(self) -> str:
        self.calls += 1
        if self.failures:
            raise self.failures.pop(0)
        return "answer"


def test_asks_again_until_it_is_answered() -> None:
    line, clock = Line(BusyError(), BusyError()), SteppedClock()
    assert retrying(line, on=BusyError, clock=clock) == "answer"
    assert line.calls == 3
    assert len(clock.sleeps) == 2


def test_waits_stay_below_a_doubling_bound() -> None:
    clock = SteppedClock()
    line = Line(*[BusyError() for _ in range(7)])
    backoff = Backoff(attempts=8, deadline=1e6, first_wait=1.0, max_wait=8.0)
    retrying(line, on=BusyError, backoff=backoff, clock=clock)
    bounds = [1, 2, 4, 8, 8, 8, 8]
    assert all(0 <= wait <= bound for wait, bound in zip(clock.sleeps, bounds, strict=True))


def test_waits_differ_between_workers() -> None:
    waits = {Backoff(first_wait=1.0).wait(1) for _ in range(20)}
    assert len(waits) > 15


def test_another_exception_passes_at_once() -> None:
    line = Line(ValueError("final"))
    with pytest.raises(ValueError, match="final"):
        retrying(line, on=BusyError, clock=SteppedClock())
    assert line.calls == 1


def test_a_function_may_judge() -> None:
    line = Line(ValueError("busy"), ValueError("final"))
    with pytest.raises(ValueError, match="final"):
        retrying(line, on=lambda error: "busy" in str(error), clock=SteppedClock())
    assert line.calls == 2


def test_gives_up_with_the_last_failure_after_its_attempts() -> None:
    line = Line(*[BusyError() for _ in range(9)])
    with pytest.raises(BusyError):
        retrying(line, on=BusyError, backoff=Backoff(attempts=3), clock=SteppedClock())
    assert line.calls == 3


def test_begins_no_attempt_after_the_deadline() -> None:
    clock = SteppedClock()

    def slow() -> None:
        clock.step(4.0)
        raise BusyError

    with pytest.raises(BusyError):
        retrying(
            slow, on=BusyError, backoff=Backoff(attempts=99, deadline=10.0, first_wait=0.0, max_wait=0.0), clock=clock
        )
    assert clock.monotonic() == 12.0


def test_believes_the_service_about_the_wait() -> None:
    clock = SteppedClock()
    retrying(Line(BusyError(retry_after=7.0)), on=BusyError, clock=clock)
    assert clock.sleeps == [7.0]


def test_reads_the_wait_off_a_google_clients_exception() -> None:
    answer = requests.Response()
    answer.headers["Retry-After"] = "7"
    clock = SteppedClock()
    retrying(Line(TooManyRequests("busy", response=answer)), on=is_transient, clock=clock)
    assert clock.sleeps == [7.0]


def test_does_not_wait_past_the_deadline_for_any_service() -> None:
    clock = SteppedClock()
    with pytest.raises(BusyError):
        retrying(Line(BusyError(retry_after=3600.0)), on=BusyError, clock=clock)
    assert clock.sleeps == []


def test_an_interrupt_is_nobodys_retry() -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        retrying(interrupted, on=lambda _: True, clock=SteppedClock())
