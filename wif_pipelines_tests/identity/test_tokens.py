import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from wif_pipelines.identity.tokens import AccessToken, TokenSource
from wif_pipelines.wire import SteppedClock
from wif_pipelines_tests.identity.forks import holds_in_a_child

START = datetime(2026, 1, 1, tzinfo=UTC)


def token(value: str = "v", *, lives: float = 3600.0, issued: datetime = START) -> AccessToken:
    return AccessToken(value, issued, issued + timedelta(seconds=lives))


class Mint:
    """Makes numbered tokens by the clock; counts them."""

    def __init__(self, clock: SteppedClock, *, lives: float = 3600.0) -> None:
        self.clock, self.lives, self.made = clock, lives, 0

    def __call__(self) -> AccessToken:
        self.made += 1
        return token(f"token-{self.made}", lives=self.lives, issued=self.clock.now())


def in_threads(count: int, call: Callable[[], object]) -> list[object]:
    """What each thread's call returned or raised; all start at once."""
    barrier = threading.Barrier(count)

    def run(_: int) -> object:
        barrier.wait(timeout=20)
        try:
            return call()
        except ConnectionError as error:
            return error

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))


def test_a_token_shows_only_its_fingerprint() -> None:
    secret = token("ya29.secret")
    assert "secret" not in repr(secret)
    assert len(secret.fingerprint) == 12
    assert secret.fingerprint != token("ya29.other").fingerprint


@pytest.mark.parametrize(
    ("lives", "fresh_until"), [(3600.0, 3300.0), (43_200.0, 42_900.0), (600.0, 450.0), (4.0, 3.0), (-5.0, -5.0)]
)
def test_a_token_is_replaced_some_time_before_its_end(lives: float, fresh_until: float) -> None:
    assert not token(lives=lives).stale(START + timedelta(seconds=fresh_until - 0.1))
    assert token(lives=lives).stale(START + timedelta(seconds=max(fresh_until, 0)))


def test_one_fetch_for_each_expiry() -> None:
    clock = SteppedClock(START)
    source = TokenSource(mint := Mint(clock), clock=clock)
    for _ in range(5):
        assert {source.token().value for _ in range(10)} == {f"token-{mint.made}"}
        clock.step(3301.0)
    assert mint.made == 5


def test_threads_that_ask_at_once_share_a_fetch() -> None:
    clock = SteppedClock(START)
    mint, slow = Mint(clock), threading.Event()

    def fetch() -> AccessToken:
        slow.wait(0.05)
        return mint()

    source = TokenSource(fetch, clock=clock)
    for expiry in range(1, 4):
        assert set(in_threads(64, lambda: source.token().value)) == {f"token-{expiry}"}
        clock.step(3600.0)
    assert mint.made == 3


def test_a_failure_goes_to_all_who_waited_and_to_nobody_later() -> None:
    calls = 0
    arrived = threading.Barrier(17)

    def fetch() -> AccessToken:
        nonlocal calls
        calls += 1
        if calls == 1:
            arrived.wait(timeout=20)
            threading.Event().wait(0.1)
            raise ConnectionError("refused")
        return token(issued=datetime.now(tz=UTC))

    source = TokenSource(fetch)

    def ask() -> object:
        return source.token()

    def late() -> object:
        arrived.wait(timeout=20)
        return source.token()

    with ThreadPoolExecutor(17) as pool:
        first = pool.submit(ask)
        others = [pool.submit(late) for _ in range(16)]
        failures = [future.exception(timeout=20) for future in [first, *others]]
    assert all(isinstance(failure, ConnectionError) for failure in failures)
    assert calls == 1
    assert source.token().value == "v"


def test_an_interrupted_thread_leaves_the_fetch_to_those_who_waited() -> None:
    started = threading.Event()
    waiting = threading.Event()
    calls = 0

    def fetch() -> AccessToken:
        nonlocal calls
        calls += 1
        if calls == 1:
            started.set()
            waiting.wait(20)
            raise KeyboardInterrupt
        return token(issued=datetime.now(tz=UTC))

    source = TokenSource(fetch)
    with ThreadPoolExecutor(2) as pool:
        interrupted = pool.submit(source.token)
        started.wait(20)
        other = pool.submit(source.token)
        threading.Event().wait(0.05)
        waiting.set()
        assert isinstance(interrupted.exception(timeout=20), KeyboardInterrupt)
        assert other.result(timeout=20).value == "v"
    assert calls == 2


def test_a_refused_token_is_replaced_once_for_all_who_held_it() -> None:
    clock = SteppedClock(START)
    source = TokenSource(mint := Mint(clock), clock=clock)
    held = source.token().value
    assert set(in_threads(16, lambda: source.replacement(held).value)) == {"token-2"}
    assert source.token().value == "token-2"
    assert mint.made == 2


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_waits_for_nobody() -> None:
    clock = SteppedClock(START)
    in_flight, release = threading.Event(), threading.Event()
    parent = os.getpid()
    mint = Mint(clock)

    def fetch() -> AccessToken:
        if os.getpid() == parent:
            in_flight.set()
            release.wait(20)
        return mint()

    source = TokenSource(fetch, clock=clock)
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(source.token)
        in_flight.wait(20)
        same = holds_in_a_child(lambda: source.token().value == "token-1")
        release.set()
        assert same
        assert future.result(timeout=20).value == "token-1"
