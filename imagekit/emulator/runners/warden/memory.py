"""How much memory a sandbox's processes use: asked of their control group, or summed up over them."""

from __future__ import annotations

import os
import time

from imagekit.emulator.runners.warden.child import processes

TYPE_CHECKING = False  # importing `typing` would cost a start more than all else here
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Final

_PAGE: Final = os.sysconf("SC_PAGE_SIZE")
_FIRST: Final = 1
#: Seconds that one look at all processes may take.
_LONGEST: Final = 0.05


class Meter:
    """Usage now and at most, in bytes. `files` are the open `memory.current` and `memory.stat` of a control group.

    What /tmp and the page cache hold does not count: on Lambda /tmp is a disk.
    """

    def __init__(self, files: tuple[int, int] | None) -> None:
        self.peak = 0
        self._files = files

    def measure(self) -> int:
        """Usage now; exact when it is more than ever before, else it may be counted too high."""
        usage = self._group(*self._files) if self._files else self._tree()
        self.peak = max(self.peak, usage)
        return usage

    def _group(self, current: int, details: int) -> int:
        """Anonymous and kernel memory and mapped files (cgroup-v2, "memory.stat")."""
        total = int(os.pread(current, 32, 0))
        fields = dict(line.split() for line in os.pread(details, 8192, 0).decode().splitlines() if line.count(" ") == 1)
        return max(0, total - int(fields.get("file", 0)) + int(fields.get("file_mapped", 0)))

    def _tree(self) -> int:
        """Resident sets; where their sum would be a new peak, shared pages are told from own ones."""
        inside = [one for one in processes() if one != _FIRST]
        end = time.monotonic() + _LONGEST
        resident = _sum(inside, _resident, end)
        return resident if resident <= self.peak else _sum(inside, _proportional, end)


def _sum(inside: list[int], measured: Callable[[int], int], end: float) -> int:
    """Over all of them, as far as time allows: a crowd that comes and goes does not keep whoever has to end it."""
    total = 0
    for one in inside:
        total += measured(one)
        if time.monotonic() > end:
            break
    return total


def _resident(process: int) -> int:
    fields = _read(f"/proc/{process}/statm").split()
    return int(fields[1]) * _PAGE if len(fields) > 1 else 0


def _proportional(process: int) -> int:
    """Each page divided by those who share it (proc_pid_smaps_rollup(5))."""
    for line in _read(f"/proc/{process}/smaps_rollup").splitlines():
        if line.startswith(b"Pss:"):
            return int(line.split()[1]) * 1024
    return _resident(process)


def _read(path: str) -> bytes:
    """A small file of /proc; empty when its process is gone."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            return os.read(file, 4096)
        finally:
            os.close(file)
    except OSError:
        return b""
