"""Sums over all processes inside, however many there are, and whatever they do meanwhile."""

from __future__ import annotations

import os
import time

from imagekit.emulator.runners.warden.child import processes

TYPE_CHECKING = False  # importing `typing` would cost a start more than all else here
if TYPE_CHECKING:
    from typing import Final

    from imagekit.emulator.runners.warden.reader import Reader

_PAGE: Final = os.sysconf("SC_PAGE_SIZE")
_FIRST: Final = 1
#: Seconds after which a sum is taken as it is: who has not been read by then waits for a turn of its own.
_LONGEST: Final = 0.5


class ResidentLap:
    """Bytes in memory, shared ones counted again and again: nobody is waited for, but it takes several looks."""

    is_exact = False

    def __init__(self) -> None:
        self.total = 0
        self._waiting = _inside()

    def go(self, end: float) -> bool:
        """Go on until then, and at least one further; whether it is over."""
        while self._waiting:
            self.total += _resident(self._waiting.pop())
            if time.monotonic() > end:
                break
        return not self._waiting


class ExactLap:
    """Bytes in memory, each page divided by those who share it."""

    is_exact = True

    def __init__(self, reader: Reader) -> None:
        self.total = 0
        self._reader = reader
        self._waiting = _inside()
        self._missing = set(self._waiting)
        self._until = time.monotonic() + _LONGEST

    def go(self, end: float) -> bool:
        """Let them be read until then; whether it is over. `total` grows as answers come."""
        while self._missing:
            self._waiting = self._reader.ask(self._waiting)
            answers = self._reader.answers(end)
            for process, size in answers:
                if process in self._missing:
                    self._missing.discard(process)
                    self.total += size
            if not answers:
                break
        return not self._missing or time.monotonic() > self._until


def _inside() -> list[int]:
    return [one for one in processes() if one != _FIRST]


def _resident(process: int) -> int:
    try:
        file = os.open(f"/proc/{process}/statm", os.O_RDONLY | os.O_CLOEXEC)
        try:
            fields = os.read(file, 256).split()
        finally:
            os.close(file)
    except OSError:
        return 0  # gone by itself
    return int(fields[1]) * _PAGE if len(fields) > 1 else 0
