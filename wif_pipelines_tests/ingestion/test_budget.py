"""The memory budget under many threads."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

from wif_pipelines.ingestion.budget import MemoryBudget


def test_never_lets_in_more_than_fits() -> None:
    budget, lock, used, most = MemoryBudget(100), threading.Lock(), 0, 0

    def body(size: int) -> None:
        nonlocal used, most
        with budget.hold(size):
            with lock:
                used += size
                most = max(most, used)
            time.sleep(0.001)
            with lock:
                used -= size

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(body, [7, 30, 99, 1, 50] * 40))
    assert most <= 100
    assert used == 0


def test_a_body_above_the_limit_comes_in_alone() -> None:
    budget = MemoryBudget(100)
    order: list[str] = []

    def large() -> None:
        with budget.hold(1000):
            order.append("large")

    with budget.hold(1):
        thread = threading.Thread(target=large)
        thread.start()
        time.sleep(0.05)
        order.append("small")
    thread.join(5)
    assert order == ["small", "large"]


def test_small_bodies_do_not_overtake_a_large_one_that_waits() -> None:
    budget = MemoryBudget(100)
    order: list[str] = []

    def enter(name: str, size: int) -> None:
        with budget.hold(size):
            order.append(name)

    with budget.hold(50):
        large = threading.Thread(target=enter, args=("large", 100))
        large.start()
        time.sleep(0.05)
        small = threading.Thread(target=enter, args=("small", 1))
        small.start()
        time.sleep(0.05)
        assert order == []
    large.join(5)
    small.join(5)
    assert order == ["large", "small"]
