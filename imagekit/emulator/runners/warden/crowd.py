"""How many processes and threads a sandbox has, where the kernel does not keep them below a number."""

from __future__ import annotations

import os

from imagekit.emulator.runners.warden.child import processes

TYPE_CHECKING = False  # importing `typing` would cost a start more than all else here
if TYPE_CHECKING:
    from typing import Final

_FIRST: Final = 1


def is_crowd(most: int) -> bool:
    """Whether there are more inside than so many; the first process does not count."""
    inside = [one for one in processes() if one != _FIRST]
    return len(inside) > most or sum(map(_threads, inside)) > most


def _threads(process: int) -> int:
    """Of one process: its folder of them has a link for each, beside its own two (proc_pid_task(5))."""
    try:
        return os.stat(f"/proc/{process}/task").st_nlink - 2
    except OSError:
        return 0  # gone by itself
