"""Files that are there whole or not at all: written beside their place, then renamed over it (rename(2)).

Nothing is flushed to the disk by force: a kill cannot harm, and after a power cut whoever reads notices a file that is
too short, because digests and sizes are checked.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

from imagekit.errors import ImagekitError, Missing

#: How files begin that are on their way; whoever holds a folder's lock may remove those that he finds there.
UNFINISHED: Final = ".imagekit-"
_FULL: Final = (errno.ENOSPC, errno.EDQUOT)


def create(folder: str, mode: int = 0o600) -> tuple[int, str]:
    """An open, empty file with a new name in an existing folder, and its path; raises OSError."""
    while True:
        path = os.path.join(folder, UNFINISHED + os.urandom(8).hex())
        with suppress(FileExistsError):
            return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode), path


def write(path: str, data: bytes, mode: int = 0o644) -> None:
    """Put `data` at `path`, replacing what is there; its folders are made. Raises OSError."""
    folder = os.path.dirname(path)
    try:
        descriptor, unfinished = create(folder)
    except FileNotFoundError:
        make_folders(folder)
        descriptor, unfinished = create(folder)
    try:
        try:
            os.fchmod(descriptor, mode)
            write_all(descriptor, data)
        finally:
            os.close(descriptor)
        os.replace(unfinished, path)
    except BaseException:
        remove(unfinished)
        raise


def write_all(descriptor: int, data: bytes) -> None:
    """All of `data`: one write(2) stops at 2 GiB or where the disk is full."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def make_folders(path: str, mode: int = 0o700) -> None:
    """A folder and those above it that are missing, all with `mode` (`os.makedirs` gives it to the last one only)."""
    above = os.path.dirname(path)
    if above not in ("", path) and not os.path.isdir(above):
        make_folders(above, mode)
    try:
        os.mkdir(path, mode)
    except FileExistsError:
        if not os.path.isdir(path):
            raise


def remove(path: str) -> bool:
    """Remove a file; False when it is gone already or may not be removed."""
    try:
        os.unlink(path)
    except OSError:
        return False
    return True


@contextmanager
def room_for(what: str, folder: str, size: int | None = None) -> Iterator[None]:
    """Turns a full disk inside the block into Missing that says what did not fit (`size` in bytes) and where."""
    try:
        yield
    except OSError as error:
        if not is_full(error):
            raise
        raise no_room(what, folder, size) from error


def is_full(error: OSError) -> bool:
    """True when the disk or the user's quota is full."""
    return error.errno in _FULL


def no_room(what: str, folder: str, size: int | None) -> ImagekitError:
    """The error for a full disk."""
    needed = f" of {size:,} bytes" if size is not None else ""
    try:
        fields = os.statvfs(folder)
    except OSError:
        free = ""
    else:
        free = f": {fields.f_bavail * fields.f_frsize:,} bytes are free there"
    return Missing(
        f"no room for {what}{needed} in {folder}{free}",
        hint="make room, for example with `imagekit cache prune`, or put the cache elsewhere with IMAGEKIT_CACHE_DIR",
    )
