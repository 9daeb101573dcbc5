"""One thread that waits for sockets, pipes, moments, and for what other threads hand in."""

from __future__ import annotations

import heapq
import selectors
import socket
import time
from collections import deque
from collections.abc import Callable
from itertools import count

Call = Callable[[], None]


class Timer:
    """A call at a moment; `cancel` takes it back."""

    __slots__ = ("call", "moment")

    def __init__(self, moment: float, call: Call) -> None:
        self.moment = moment
        self.call: Call | None = call

    def cancel(self) -> None:
        """It will not be called; a second time does nothing."""
        self.call = None


class _Watch:
    """What is to be called for one descriptor."""

    __slots__ = ("read", "write")

    def __init__(self) -> None:
        self.read: Call | None = None
        self.write: Call | None = None

    @property
    def events(self) -> int:
        """As selectors take them; 0 for none."""
        return (selectors.EVENT_READ if self.read else 0) | (selectors.EVENT_WRITE if self.write else 0)


class Loop:
    """Calls back what is ready, one after the other, in the thread that runs it."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._watches: dict[int, _Watch] = {}
        self._timers: list[tuple[float, int, Timer]] = []
        self._numbers = count()
        self._handed: deque[Call] = deque()
        self._woken, self._waker = socket.socketpair()
        self._woken.setblocking(False)
        self._waker.setblocking(False)
        self.read(self._woken.fileno(), self._drain)

    @staticmethod
    def now() -> float:
        """Seconds on the clock of timers."""
        return time.monotonic()

    def read(self, fd: int, call: Call | None) -> None:
        """Call whenever the descriptor can be read; None ends it."""
        self._watch(fd, "read", call)

    def write(self, fd: int, call: Call | None) -> None:
        """Call whenever the descriptor can be written; None ends it."""
        self._watch(fd, "write", call)

    def forget(self, fd: int) -> None:
        """Nothing more for this descriptor; before it is closed."""
        if self._watches.pop(fd, None) is not None:
            self._selector.unregister(fd)

    def after(self, seconds: float, call: Call) -> Timer:
        """Call once, so many seconds from now."""
        timer = Timer(self.now() + max(seconds, 0), call)
        heapq.heappush(self._timers, (timer.moment, next(self._numbers), timer))
        return timer

    def call(self, call: Call) -> None:
        """Call once and soon; from any thread."""
        self._handed.append(call)
        try:
            self._waker.send(b"!")
        except BlockingIOError:
            return  # so many wait already that it will wake up
        except OSError:
            return  # closed: nobody is left to call

    def run(self, until: Callable[[], bool], seconds: float | None = None) -> bool:
        """Call back until `until` is true, at most so many seconds; whether it is true."""
        end = None if seconds is None else self.now() + seconds
        while not until():
            if end is not None and self.now() >= end:
                return False
            self._turn(end)
        return True

    def close(self) -> None:
        """Give its own descriptors back."""
        self._selector.close()
        self._woken.close()
        self._waker.close()

    def _turn(self, end: float | None) -> None:
        for key, events in self._selector.select(self._patience(end)):
            watch: _Watch = key.data
            if events & selectors.EVENT_READ and watch.read:
                watch.read()
            if events & selectors.EVENT_WRITE and watch.write:
                watch.write()
        while self._timers and self._timers[0][0] <= self.now():
            timer = heapq.heappop(self._timers)[2]
            if timer.call is not None:
                timer.call()

    def _patience(self, end: float | None) -> float | None:
        """Seconds until something has to be done without any descriptor."""
        while self._timers and self._timers[0][2].call is None:
            heapq.heappop(self._timers)
        moments = [self._timers[0][0]] if self._timers else []
        if end is not None:
            moments.append(end)
        return max(min(moments) - self.now(), 0) if moments else None

    def _drain(self) -> None:
        try:
            self._woken.recv(4096)
        except BlockingIOError:
            return
        while self._handed:
            self._handed.popleft()()

    def _watch(self, fd: int, way: str, call: Call | None) -> None:
        watch = self._watches.get(fd)
        if watch is None:
            if call is None:
                return
            watch = self._watches[fd] = _Watch()
        before = watch.events
        setattr(watch, way, call)
        if not before:
            self._selector.register(fd, watch.events, watch)
        elif not watch.events:
            self.forget(fd)
        elif watch.events != before:
            self._selector.modify(fd, watch.events, watch)
