"""How much the cache holds, and how it is made smaller: by last use, which stands in each file's mtime."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from imagekit.store import atomic
from imagekit.store.cache import ROOTS

#: Seconds. A use is noted once a day, and a build may take a while: what was noted within this time may be in use.
_MAYBE_IN_USE: Final = 2 * 86_400
_PARTS: Final = ("blobs", "records")


@dataclass(frozen=True, kw_only=True, slots=True)
class Usage:
    """A number of files, and their `size` together in bytes."""

    files: int = 0
    size: int = 0


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class _File:
    used: float
    path: str
    size: int
    is_root: bool = False

    @property
    def unfinished(self) -> bool:
        """True for what a build is writing, or was when it was killed."""
        return os.path.basename(self.path).startswith(atomic.UNFINISHED)


def usage(folder: str) -> Usage:
    """What a cache holds."""
    files = list(_files(folder))
    return Usage(files=len(files), size=sum(file.size for file in files))


def prune(folder: str, *, now: float, older_than: float | None, max_size: int | None, alone: bool) -> Usage:
    """Remove the oldest; `alone` says that no other process uses the cache. Returns what was removed."""
    files = sorted(_files(folder))
    total = sum(file.size for file in files)
    removed = []
    for file in files:
        age = now - file.used
        too_old = file.unfinished or (older_than is not None and age > older_than)
        too_much = max_size is not None and total > max_size
        if (too_old or too_much) and (alone or age > _MAYBE_IN_USE) and _remove(file):
            total -= file.size
            removed.append(file.size)
    return Usage(files=len(removed), size=sum(removed))


def _remove(file: _File) -> bool:
    """A blob goes before the size that stands beside it: without it the blob would lie there unseen."""
    if file.is_root:
        from imagekit.rootfs import unpack

        unpack.remove(file.path)
        return True
    gone = atomic.remove(file.path)
    atomic.remove(file.path + ".size")
    return gone


def _files(folder: str) -> Iterator[_File]:
    """Blobs, unfinished blobs, records, and root file systems; sizes beside blobs go with their blobs."""
    yield from _roots(os.path.join(folder, ROOTS))
    for part in _PARTS:
        for where, _, names in os.walk(os.path.join(folder, part)):
            for name in names:
                path = os.path.join(where, name)
                with suppress(OSError):  # another process may remove it meanwhile
                    state = os.lstat(path)
                    if stat.S_ISREG(state.st_mode) and not (part == "blobs" and name.endswith(".size")):
                        yield _File(used=state.st_mtime, path=path, size=state.st_size)


def _roots(folder: str) -> Iterator[_File]:
    """Unpacked root file systems, and what a killed unpacking left; a folder's time is that of its last use."""
    with suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                used = entry.stat(follow_symlinks=False).st_mtime
                yield _File(used=used, path=entry.path, size=_size(entry.path), is_root=True)


def _size(top: str) -> int:
    """Bytes of the files below a folder; what may not be looked into counts as nothing."""
    total = 0
    for where, _, names in os.walk(top):
        for name in names:
            with suppress(OSError):
                total += os.lstat(os.path.join(where, name)).st_size
    return total
