"""How long one request may take: no read longer than the idle time, its tries not longer than its budget."""

from __future__ import annotations

from imagekit.store.retry import Retry


class Limits:
    """The time of one request. `end` is when its answer has to be there, on the clock; None: no such time."""

    __slots__ = ("_retry", "end")

    def __init__(self, retry: Retry, end: float | None) -> None:
        self._retry = retry
        self.end = end

    @property
    def idle(self) -> float:
        """Seconds that a connection may stand still."""
        return self._retry.idle

    def seconds(self) -> float:
        """How long the next read or connect may wait; raises TimeoutError when the time is over."""
        if self.end is None:
            return self.idle
        left = self.end - self._retry.clock()
        if left <= 0:
            raise TimeoutError("the time for this request is over")
        return min(self.idle, left)

    def begin_answer(self) -> None:
        """The request is sent: a streamed body had no time limit, the answer's status and headers have."""
        if self.end is None:
            self.end = self._retry.clock() + self._retry.budget

    def stream(self, bound: int) -> None:
        """The headers are there; a body of up to `bound` bytes has its own time, in which no read may stand still."""
        self.end = self._retry.clock() + self._retry.streaming + bound / self._retry.slowest

    def close_in(self) -> None:
        """All that is wanted was read; what follows it, such as trailers, has a little time."""
        self.end = self._retry.clock() + self._retry.closing
