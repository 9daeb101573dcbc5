"""What the user sees of the work under way."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Final

from imagekit.cli.console import Console
from imagekit.progress import Progress, Silent, Task

#: Seconds below which a duration is not worth saying.
BLINK: Final = 0.2
#: Seconds after which a task's word is news of its own: whoever reads a log wants to know that it is alive.
_LONG: Final = 10.0
_UNITS: Final = ("B", "kB", "MB", "GB", "TB")


def shown_on(console: Console, *, quiet: bool = False) -> AbstractContextManager[Progress]:
    """The Progress that fits the console."""
    if quiet:
        return nullcontext(Silent())
    if console.live:
        from imagekit.cli.live import Live

        return Live(console, clock=time.monotonic)
    return nullcontext(Plain(console, clock=time.monotonic))


class Counter:
    """One task's count; `clock` gives seconds. One thread works and another draws it."""

    def __init__(self, title: str, total: int | None, clock: Callable[[], float]) -> None:
        self.title = title
        self.total = total
        self.note = ""
        self.done = 0
        self._clock = clock
        self._started = clock()
        self._lock = threading.Lock()

    def advance(self, amount: int) -> None:
        """So many more bytes are done."""
        with self._lock:
            self.done += amount

    def say(self, text: str) -> None:
        """What became of it."""
        self.note = text

    @property
    def seconds(self) -> float:
        """Since it began."""
        return self._clock() - self._started

    def outcome(self) -> str:
        """The task as one line when it is over; what is not worth saying is left out."""
        seconds = self.seconds
        size = amount(self.done) if self.done else ""
        took = f"in {duration(seconds)}" if seconds >= BLINK else ""
        words = " ".join(filter(None, (size, took)))
        return f"{self.title}: {', '.join(filter(None, (self.note, words))) or 'done'}"


class Plain:
    """A line for each task that is over, for logs."""

    def __init__(self, console: Console, clock: Callable[[], float]) -> None:
        self._console = console
        self._clock = clock

    @contextmanager
    def task(self, title: str, total: int | None = None) -> Iterator[Task]:
        """A task; one that fails says nothing, the error does."""
        counter = _Logged(title, total, self._clock, self._console)
        yield counter
        self._console.say(counter.outcome())

    def say(self, text: str) -> None:
        """A line of its own."""
        self._console.say(text)


class _Logged(Counter):
    def __init__(self, title: str, total: int | None, clock: Callable[[], float], console: Console) -> None:
        super().__init__(title, total, clock)
        self._console = console

    def say(self, text: str) -> None:
        """Said at once when the task takes long, else at its end."""
        if self.seconds >= _LONG:
            self._console.say(f"{self.title}: {text}")
        else:
            super().say(text)


def amount(number: float) -> str:
    """Bytes in SI units, as registries and disks count: `12.3 MB`."""
    size, unit = float(number), 0
    while size >= 999.95 and unit < len(_UNITS) - 1:
        size, unit = size / 1000, unit + 1
    return f"{size:.1f} {_UNITS[unit]}" if unit else f"{number:.0f} B"


def duration(seconds: float) -> str:
    """Seconds as `0.4 s`, `12 s` or `3 min 5 s`."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
