"""A lease: who uses the cache holds a lock shared with the others, who removes from it wants it alone (flock(2))."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from fcntl import LOCK_EX, LOCK_NB, LOCK_SH, flock

from imagekit.store import atomic


class Lease:
    """The lock file of a cache; held from the first `take` until this object goes. The kernel drops it on a kill."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._file = -1
        self._lock = threading.Lock()

    def take(self, *, make: bool = False) -> None:
        """Say that this process uses the cache; with `make` its folder is made first (raises OSError).

        Where there is no lock file and none can be made, nobody can remove anything either.
        """
        if self._file < 0:
            with self._lock:
                if self._file < 0 and self._open(make):
                    flock(self._file, LOCK_SH)

    @contextmanager
    def exclusive(self) -> Iterator[bool]:
        """True inside the block when no other process uses the cache; nobody else starts to meanwhile."""
        self.take()
        if self._file < 0:
            yield True
            return
        try:
            flock(self._file, LOCK_EX | LOCK_NB)
            alone = True
        except OSError:
            alone = False
        try:
            yield alone
        finally:
            flock(self._file, LOCK_SH)

    def _open(self, make: bool) -> bool:
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        if make:
            atomic.make_folders(os.path.dirname(self._path))
        with suppress(OSError):
            self._file = os.open(self._path, flags, 0o600)
            # Closed, not unlocked: a forked process shares the lock and must not drop it for its parent.
            weakref.finalize(self, os.close, self._file)
        return self._file >= 0
