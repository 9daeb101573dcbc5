"""Reading a file that a person names: a regular one only, and never more of it than there is a use for."""

from __future__ import annotations

import errno
import os
import stat


def read(path: str | os.PathLike[str], limit: int) -> bytes:
    """The file's bytes, at most `limit` and one more, which says that it is longer.

    Raises OSError, also for what is no regular file: a pipe would wait for a writer, a device may never end.
    """
    # Looked at before it is opened, because opening a device may do something (rewind a tape, for example), and after,
    # because another file may have taken the name.
    _check(os.stat(path), path)
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    with open(descriptor, "rb") as file:
        _check(os.fstat(descriptor), path)
        return file.read(limit + 1)


def _check(state: os.stat_result, path: str | os.PathLike[str]) -> None:
    if stat.S_ISDIR(state.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), os.fspath(path))
    if not stat.S_ISREG(state.st_mode):
        raise OSError(errno.EINVAL, "it is not a regular file", os.fspath(path))
