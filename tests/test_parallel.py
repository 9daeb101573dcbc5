"""Several things at once: their order, and which failure is told."""

from __future__ import annotations

from threading import Event

import pytest

from imagekit import parallel


def test_results_come_in_the_order_of_the_items():
    second = Event()

    def slow_first(item: int) -> int:
        if item:
            second.set()
        else:
            assert second.wait(10)
        return item * 10

    assert parallel.each(slow_first, range(4), 2) == (0, 10, 20, 30)


def test_of_two_failures_the_first_items_is_told():
    failed = Event()

    def fail(item: int) -> None:
        if item:
            failed.set()
        else:
            assert failed.wait(10)
        raise ValueError(f"item {item}")

    with pytest.raises(ValueError, match="item 0"):
        parallel.each(fail, range(2), 2)
