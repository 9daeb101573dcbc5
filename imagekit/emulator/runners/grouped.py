"""A control group for a sandbox (cgroup v2), where this process may make one: as root, or below what is delegated."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from typing import Final

from imagekit.emulator.ports import Confines
from imagekit.emulator.runners import rules
from imagekit.values import dataclass

_PREFIX: Final = "imagekit-"
#: What a sandbox's stage gets, in this order: where processes are put in, and what is read while they run.
_FILES: Final = (("cgroup.procs", os.O_WRONLY), ("memory.current", os.O_RDONLY), ("memory.stat", os.O_RDONLY))
_BY_GROUP: Final = "by a control group, where 20 ms may pass before it is noticed that the limit is crossed"
_BY_SAMPLES: Final = "by looking every 20 ms at what its processes use, as no control group can be made here"
_TRIES: Final = 100
_PAUSE: Final = 0.01


@dataclass(frozen=True, kw_only=True, slots=True)
class Group:
    """A control group; `folder` is empty where there is none, `text` says how the memory is kept."""

    folder: str = ""
    text: str = _BY_SAMPLES

    def opened(self) -> list[int]:
        """What a stage needs of it; the caller closes them. Raises OSError."""
        return [os.open(f"{self.folder}/{name}", flags | os.O_CLOEXEC) for name, flags in _FILES if self.folder]

    def remove(self) -> None:
        """Remove it once its last process is gone; the next one that is made removes what is left over."""
        for _ in range(_TRIES if self.folder else 0):
            try:
                os.rmdir(self.folder)
            except FileNotFoundError:
                return
            except OSError:
                time.sleep(_PAUSE)
            else:
                return


def made(confines: Confines, *, mounts: str = "/proc/self/mounts", own: str = "/proc/self/cgroup") -> Group:
    """A new group with the memory of `confines`, or none.

    What /tmp holds is charged to the group as well, and on Lambda it is a disk: the group's own bound is both together,
    behind which the kernel kills all that is in it; the limit itself is kept by whoever reads `memory.stat`.
    """
    for parent in _parents(mounts, own):
        _sweep(parent)
        folder = f"{parent}/{_PREFIX}{os.getpid()}-{os.urandom(4).hex()}"
        bound = str((confines.memory + confines.temporary) * rules.MIB)
        try:
            os.mkdir(folder)
        except OSError:
            continue  # not ours to make one in
        group = Group(folder=folder, text=_BY_GROUP)
        try:
            _write(f"{folder}/memory.max", bound)
            _write(f"{folder}/memory.oom.group", "1")
            if os.path.exists(f"{folder}/memory.swap.max"):
                _write(f"{folder}/memory.swap.max", "0")
        except OSError:
            group.remove()
            continue
        return group
    return Group()


def _parents(mounts: str, own: str) -> Iterator[str]:
    """Groups that this process may make others in, nearest first: its own group's parent and those above."""
    top = next((line.split()[1] for line in _lines(mounts) if line.split()[2:3] == ["cgroup2"]), "")
    path = next((line[3:] for line in _lines(own) if line.startswith("0::/")), "")
    while top and path:
        here = (top + path).rstrip("/")
        controlled = " ".join(_lines(f"{here}/cgroup.subtree_control")).split()
        if "memory" in controlled and os.access(f"{here}/cgroup.procs", os.W_OK):
            yield here
        if path == "/":
            return
        path = os.path.dirname(path)


def _sweep(parent: str) -> None:
    """Remove groups of runs that were killed: they are empty, and their process is gone."""
    for name in os.listdir(parent):
        number = name.removeprefix(_PREFIX).partition("-")[0]
        if name.startswith(_PREFIX) and number.isdigit() and not os.path.exists(f"/proc/{number}"):
            try:
                os.rmdir(f"{parent}/{name}")
            except OSError:
                continue  # not empty yet, or another user's


def _lines(path: str) -> list[str]:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read().splitlines()
    except OSError:
        return []


def _write(path: str, text: str) -> None:
    file = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(file, text.encode())
    finally:
        os.close(file)
