"""How much memory a sandbox's processes use: asked of their control group, or summed up over them."""

from __future__ import annotations

import os
import time

from imagekit.emulator.runners.warden.laps import ExactLap, ResidentLap
from imagekit.emulator.runners.warden.reader import Reader

TYPE_CHECKING = False  # importing `typing` would cost a start more than all else here
if TYPE_CHECKING:
    from typing import Final

#: Seconds that one look may take.
_LONGEST: Final = 0.05


class Meter:
    """Usage now and at most, in bytes. `files` are the open `memory.current` and `memory.stat` of a control group.

    It is made before the stage is inside. What /tmp and the page cache hold does not count: on Lambda /tmp is a disk.
    """

    def __init__(self, files: tuple[int, int] | None) -> None:
        self.peak = 0
        self._files = files
        self._reader = None if files else Reader()
        self._lap: ResidentLap | ExactLap | None = None

    def measure(self, seconds: float = _LONGEST) -> int:
        """Usage now; exact when it is more than ever before, else it may be counted too high.

        A crowd takes several looks, as whoever has to end it waits for each of them: until the last one it is what was
        counted so far.
        """
        usage = self._group(*self._files) if self._files else self._tree(time.monotonic() + seconds)
        self.peak = max(self.peak, usage)
        return usage

    def forget(self) -> None:
        """Whoever was looked at is dead."""
        self._lap = None

    def close(self) -> None:
        """Nothing is measured any more."""
        if self._reader:
            self._reader.close()

    def _group(self, current: int, details: int) -> int:
        """Anonymous and kernel memory and mapped files (cgroup-v2, "memory.stat")."""
        total = int(os.pread(current, 32, 0))
        fields = dict(line.split() for line in os.pread(details, 8192, 0).decode().splitlines() if line.count(" ") == 1)
        return max(0, total - int(fields.get("file", 0)) + int(fields.get("file_mapped", 0)))

    def _tree(self, end: float) -> int:
        """Resident sets; where their sum would be a new peak, shared pages are told from own ones."""
        assert self._reader
        lap = self._lap or ResidentLap()
        is_over = lap.go(end)
        if is_over and not lap.is_exact and lap.total > self.peak:
            lap = ExactLap(self._reader)
            is_over = lap.go(end)
        self._lap = None if is_over else lap
        return lap.total if is_over or lap.is_exact else 0
