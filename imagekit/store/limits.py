"""How long one request may take: no read longer than the idle time, its tries not longer than its budget."""

from __future__ import annotations

from collections.abc import Callable


class Limits:
    """The time of one request, in seconds of `clock`. `end` is when its answer has to be there, None: no such time."""

    __slots__ = ("_budget", "_clock", "end", "idle")

    def __init__(self, *, idle: float, budget: float, end: float | None, clock: Callable[[], float]) -> None:
        self.idle = idle
        self.end = end
        self._budget = budget
        self._clock = clock

    def seconds(self) -> float:
        """How long the next read or connect may wait; raises TimeoutError when the time is over."""
        if self.end is None:
            return self.idle
        left = self.end - self._clock()
        if left <= 0:
            raise TimeoutError("the time for this request is over")
        return min(self.idle, left)

    def begin_answer(self) -> None:
        """The request is sent: a streamed body had no time limit, the answer's status and headers have."""
        if self.end is None:
            self.end = self._clock() + self._budget

    def lift(self) -> None:
        """The headers are there; a streamed body has only the idle time."""
        self.end = None

    def close_in(self, seconds: float) -> None:
        """Whatever is still to be read has to be there in this time."""
        self.end = self._clock() + seconds
