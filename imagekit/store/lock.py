"""One process at a time in a folder: flock(2) on a file in it, which the kernel lets go however the process ends."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from fcntl import LOCK_EX, LOCK_NB, LOCK_SH, flock
from typing import Final

from imagekit.errors import Missing
from imagekit.store import atomic

#: Seconds between two tries, and tries before the user is told.
_PAUSE: Final = 0.05
_TRIES: Final = 20


@contextmanager
def locked(path: str, *, shared: bool = False) -> Iterator[None]:
    """Hold the lock file, made when it is missing, for the block; says through logging when that takes over a second.

    Many may hold it `shared`. Raises Missing when the file cannot be made.
    """
    descriptor = _acquired(path, LOCK_SH if shared else LOCK_EX)
    try:
        yield
    finally:
        os.close(descriptor)


def _acquired(path: str, kind: int) -> int:
    while True:
        descriptor = _opened(path)
        try:
            _wait(descriptor, kind, path)
            if _is_there(descriptor, path):
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _opened(path: str) -> int:
    folder = os.path.dirname(path)
    try:
        atomic.make_folders(folder, 0o777)
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
    except OSError as error:
        raise Missing(
            f"{folder} cannot be written: {error.strerror}", hint="name a folder that you may write to"
        ) from error


def _wait(descriptor: int, kind: int, path: str) -> None:
    for _ in range(_TRIES):
        try:
            flock(descriptor, kind | LOCK_NB)
        except BlockingIOError:
            time.sleep(_PAUSE)
        else:
            return
    import logging

    logging.getLogger(__name__).warning("another imagekit is at work in %s; waiting for it", os.path.dirname(path))
    flock(descriptor, kind)


def _is_there(descriptor: int, path: str) -> bool:
    """False when the holder before removed the file, so that others would lock another one."""
    try:
        there = os.stat(path, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return os.path.samestat(os.fstat(descriptor), there)
