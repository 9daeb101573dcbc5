"""What Lambda's user reaches: functions run as a user of no package, so that only what all others may counts."""

from __future__ import annotations

import stat
from collections.abc import Iterable

from imagekit.rootfs.entry import Kind


def out_of_reach(entries: Iterable[tuple[str, Kind, int]]) -> list[str]:
    """The paths, sorted, that nobody but an owner or a group can use: programs to run, files to read, and directories
    with anything in them. `entries` are paths with their kinds and modes; what is below one of those is not told again.
    """
    closed: set[str] = set()
    folders: set[str] = set()
    full: set[str] = set()
    for path, kind, mode in entries:
        if kind is Kind.DIRECTORY:
            if not mode & stat.S_IXOTH:
                folders.add(path)
            continue
        full.add(path.rpartition("/")[0])
        wanted = stat.S_IXOTH if mode & stat.S_IXUSR else stat.S_IROTH
        if kind is Kind.FILE and not mode & wanted:
            closed.add(path)
    for folder in tuple(full):
        while folder := folder.rpartition("/")[0]:
            full.add(folder)
    closed |= folders & full
    return sorted(path for path in closed if not _is_below(path, folders & full))


def _is_below(path: str, folders: set[str]) -> bool:
    while path := path.rpartition("/")[0]:
        if path in folders:
            return True
    return False
