"""The state is written soon, between changes, again after a failure, and once more at the end."""

import threading
import time
from collections.abc import Callable

from wif_pipelines.sandbox.aws.keeper import StateKeeper
from wif_pipelines.sandbox.aws.snapshot import Snapshots


class Recorder(Snapshots):
    """Writes nothing but remembers when it was asked to; fails as often as it is told to."""

    def __init__(self, failures: int = 0) -> None:
        self.written: list[str] = []
        self.failures = failures
        self.frozen = threading.Event()

    def freeze(self, service: str) -> Callable[[], None]:
        self.frozen.set()
        if self.failures:
            self.failures -= 1
            raise RuntimeError("dictionary changed size during iteration")
        return lambda: self.written.append(service)


def _keeper(recorder: Recorder) -> StateKeeper:
    keeper = StateKeeper(recorder)
    keeper.start()
    return keeper


def test_a_change_is_written_within_a_second() -> None:
    recorder = Recorder()
    keeper = _keeper(recorder)
    with keeper.changing(["s3"]):
        pass
    deadline = time.monotonic() + 1

    while not recorder.written and time.monotonic() < deadline:
        time.sleep(0.01)

    assert recorder.written == ["s3"]
    keeper.stop()
    assert recorder.written == ["s3"]


def test_nothing_is_taken_while_a_change_is_under_way() -> None:
    recorder = Recorder()
    keeper = _keeper(recorder)
    with keeper.changing(["s3"]):
        keeper.touch(["iam"])
        assert not recorder.frozen.wait(0.6)
    assert recorder.frozen.wait(1)

    keeper.stop()
    assert sorted(recorder.written) == ["iam", "s3"]


def test_what_failed_is_written_at_the_end() -> None:
    recorder = Recorder(failures=1)
    keeper = _keeper(recorder)
    keeper.touch(["sqs"])
    assert recorder.frozen.wait(2)

    keeper.stop()

    assert recorder.written == ["sqs"]


def test_a_failure_for_good_does_not_hold_up_the_end() -> None:
    keeper = _keeper(Recorder(failures=1000))
    keeper.touch(["sqs"])
    started = time.monotonic()
    keeper.stop()

    assert time.monotonic() - started < 2
