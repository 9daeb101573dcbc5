"""Progress on a terminal: a row for each task under way, drawn again and again, and a line for each that took long."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Final, Self

from imagekit.cli.console import Console
from imagekit.cli.progress import BLINK, Counter, amount, duration
from imagekit.progress import Task

#: Seconds between two drawings.
_FRAME: Final = 0.1
#: Tasks that are drawn; more are counted.
_ROWS: Final = 8
_BAR: Final = 20


class Live:
    """A Progress between `with` and its end; nothing of it stays on the terminal but lines."""

    def __init__(self, console: Console, clock: Callable[[], float]) -> None:
        self._console = console
        self._clock = clock
        self._tasks: list[Counter] = []
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._drawer = threading.Thread(target=self._keep_drawing, name="progress", daemon=True)

    def __enter__(self) -> Self:
        self._drawer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._drawer.join()
        self._console.draw(())

    @contextmanager
    def task(self, title: str, total: int | None = None) -> Iterator[Task]:
        """A task; it leaves a line when it took longer than a blink."""
        counter = Counter(title, total, self._clock)
        with self._lock:
            self._tasks.append(counter)
        try:
            yield counter
        finally:
            with self._lock:
                self._tasks.remove(counter)
        if counter.seconds >= BLINK:
            self._console.say(counter.outcome())

    def say(self, text: str) -> None:
        """A line that stays, above what is under way."""
        self._console.say(text)

    def draw(self) -> None:
        """Show all that is under way now."""
        with self._lock:
            tasks = tuple(self._tasks)
        rows = [_row(task) for task in tasks[:_ROWS]]
        if len(tasks) > _ROWS:
            rows.append(f"  and {len(tasks) - _ROWS} more")
        self._console.draw(rows)

    def _keep_drawing(self) -> None:
        while not self._over.wait(_FRAME):
            try:
                self.draw()
            except OSError:  # the terminal is gone: whoever writes the next line will say so
                return


def _row(task: Counter) -> str:
    """One task: title, bar, bytes, rate, time, its word."""
    seconds = task.seconds
    rate = f"{amount(task.done / seconds)}/s" if task.done and seconds >= BLINK else ""
    words = [_bar(task), _size(task), rate, duration(seconds), task.note]
    return f"  {task.title}  {'  '.join(filter(None, words))}"


def _bar(task: Counter) -> str:
    if not task.total:
        return ""
    filled = min(_BAR, _BAR * task.done // task.total)
    return f"[{'#' * filled}{'.' * (_BAR - filled)}]"


def _size(task: Counter) -> str:
    if not task.done and not task.total:
        return ""
    return f"{amount(task.done)} of {amount(task.total)}" if task.total else amount(task.done)
