"""Doing the same to several things at once, and stopping at the first failure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


def each(function: Callable[[_Item], _Result], items: Iterable[_Item], workers: int) -> tuple[_Result, ...]:
    """The results in the order of the items; of several failures that of the first item is raised.

    After a failure what has not begun is not begun; what runs is waited for, so that nothing writes behind the back
    of the one who handles the error.
    """
    given = tuple(items)
    if len(given) < 2 or workers < 2:
        return tuple(map(function, given))
    from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait

    with ThreadPoolExecutor(max_workers=min(workers, len(given))) as pool:
        futures = [pool.submit(function, item) for item in given]
        try:
            wait(futures, return_when=FIRST_EXCEPTION)
        finally:
            for future in futures:
                future.cancel()
    # What was not begun comes after all that was: the first failure is met before the first that was cancelled.
    return tuple(future.result() for future in futures)
