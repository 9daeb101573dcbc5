"""A container's processes and memory as this machine's kernel shows them, where the engine runs on it."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection
from typing import Final

from imagekit.emulator.runners.warden.child import belonging, processes

_GROUPS: Final = "/sys/fs/cgroup"


class Processes:
    """The processes of a container; `first` is its first, `number` its ID, which its control group is named by."""

    def __init__(self, first: int, number: str) -> None:
        self._first = first
        self._number = number
        #: False where the engine has another kernel, or another view of it.
        self.are_seen = self._is_mine(first)

    def belonging(self, top: int, others: Collection[int]) -> list[int]:
        """The process `top`, what it started, and what comes from none of `others`."""
        mine = [one for one in processes() if one != self._first and self._is_mine(one)]
        return belonging(top, others, mine)

    def signal(self, process: int, number: int) -> bool:
        """Send a signal; False when that is not allowed."""
        if not self._is_mine(process):
            return True  # it has ended, and its number may be another's by now
        try:
            os.kill(process, number)
        except PermissionError:
            return False
        except ProcessLookupError:
            return True
        return True

    def number_inside(self, process: int) -> int:
        """The number that a process has inside; 0 when it has ended (proc_pid_status(5), "NSpid")."""
        for line in _lines(f"/proc/{process}/status"):
            if line.startswith("NSpid:"):
                return int(line.split()[-1])
        return 0

    def _is_mine(self, process: int) -> bool:
        return any(self._number in line for line in _lines(f"/proc/{process}/cgroup"))


class Meter:
    """Usage now and at most, in bytes, without what /tmp and the page cache hold."""

    def __init__(self, file: int, usage: Callable[[dict[str, int]], int], base: int | None) -> None:
        self.peak = 0
        self._file = file
        self._usage = usage
        self._base = base

    def measure(self) -> int:
        """Usage now; 0 when the container is gone."""
        try:
            lines = os.pread(self._file, 8192, 0).decode().splitlines()
            total = int(os.pread(self._base, 32, 0)) if self._base is not None else 0
        except OSError:
            return 0
        fields = {"total": total, **{name: int(value) for name, _, value in (line.partition(" ") for line in lines)}}
        usage = max(0, self._usage(fields))
        self.peak = max(self.peak, usage)
        return usage

    def close(self) -> None:
        """Let go of the control group."""
        for file in (self._file, self._base):
            if file is not None:
                os.close(file)


def meter(first: int, number: str) -> Meter | None:
    """The meter of a container's control group, of either version; None where it is not seen."""
    for line in _lines(f"/proc/{first}/cgroup"):
        _, controllers, path = line.split(":", 2)
        if number not in path:
            continue
        try:
            if controllers == "":
                folder = f"{_GROUPS}{path}"
                base = os.open(f"{folder}/memory.current", os.O_RDONLY | os.O_CLOEXEC)
                return Meter(os.open(f"{folder}/memory.stat", os.O_RDONLY | os.O_CLOEXEC), _second, base)
            if "memory" in controllers.split(","):
                folder = f"{_GROUPS}/memory{path}"
                return Meter(os.open(f"{folder}/memory.stat", os.O_RDONLY | os.O_CLOEXEC), _first, None)
        except OSError:
            continue
    return None


def _second(fields: dict[str, int]) -> int:
    """Anonymous and kernel memory, and mapped files (cgroup-v2, "memory.stat")."""
    return fields["total"] - fields.get("file", 0) + fields.get("file_mapped", 0)


def _first(fields: dict[str, int]) -> int:
    """Anonymous memory and mapped files (cgroup-v1/memory, "stat file")."""
    return fields.get("total_rss", 0) + fields.get("total_mapped_file", 0)


def _lines(path: str) -> list[str]:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read().splitlines()
    except OSError:
        return []
