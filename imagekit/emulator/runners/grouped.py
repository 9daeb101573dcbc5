"""A control group for a sandbox, where this process may make one: as root, or below what is delegated (version 2).

A number of processes does not bind root (setrlimit(2), RLIMIT_NPROC), whose functions are bound by a group of either
version.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import replace
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
    """A control group; `folder` is empty where there is none, `text` says how the memory is kept.

    `crowd` is another one, of version 1, that bounds how many processes there are.
    """

    folder: str = ""
    text: str = _BY_SAMPLES
    crowd: str = ""

    @property
    def counts(self) -> bool:
        """Whether it bounds how many processes there are."""
        return bool(self.crowd) or bool(self.folder and os.path.exists(f"{self.folder}/pids.max"))

    def opened(self) -> list[int]:
        """What a stage needs of it; the caller closes them. Raises OSError."""
        return [os.open(f"{self.folder}/{name}", flags | os.O_CLOEXEC) for name, flags in _FILES if self.folder]

    def counting(self) -> list[int]:
        """Where processes are put in to be counted, if anywhere; the caller closes it. Raises OSError."""
        return [os.open(f"{self.crowd}/cgroup.procs", os.O_WRONLY | os.O_CLOEXEC)] if self.crowd else []

    def remove(self) -> None:
        """Remove it once its last process is gone; the next one that is made removes what is left over."""
        for folder in filter(None, (self.folder, self.crowd)):
            _remove(folder)


def made(confines: Confines, *, mounts: str = "/proc/self/mounts", own: str = "/proc/self/cgroup") -> Group:
    """A new group with the memory of `confines`, or none.

    What /tmp holds is charged to the group as well, and on Lambda it is a disk: the group's own bound is both together,
    behind which the kernel kills all that is in it; the limit itself is kept by whoever reads `memory.stat`.
    """
    for parent in _parents(mounts, own):
        _sweep(parent)
        folder = _name(parent)
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
            if os.path.exists(f"{folder}/pids.max"):
                _write(f"{folder}/pids.max", str(rules.PROCESSES))
                return group
        except OSError:
            group.remove()
            continue
        return replace(group, crowd=_crowd(mounts, own))
    return Group(crowd=_crowd(mounts, own))


def _crowd(mounts: str, own: str) -> str:
    """A new group of version 1 with a number of processes (cgroup-v1/pids); empty where none can be made."""
    top = next((line.split()[1] for line in _lines(mounts) if _counts(line)), "")
    path = next((line.split(":", 2)[2] for line in _lines(own) if line.split(":")[1:2] == ["pids"]), "")
    if not (top and path):
        return ""
    parent = (top + path).rstrip("/")
    folder = _name(parent)
    try:
        os.mkdir(folder)
        _sweep(parent)
        _write(f"{folder}/pids.max", str(rules.PROCESSES))
    except OSError:
        _remove(folder)
        return ""
    return folder


def _counts(mount: str) -> bool:
    fields = mount.split()
    return fields[2:3] == ["cgroup"] and "pids" in fields[3].split(",")


def _name(parent: str) -> str:
    return f"{parent}/{_PREFIX}{os.getpid()}-{os.urandom(4).hex()}"


def _remove(folder: str) -> None:
    for _ in range(_TRIES):
        try:
            os.rmdir(folder)
        except FileNotFoundError:
            return
        except OSError:
            time.sleep(_PAUSE)
        else:
            return


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
