"""Making permissions bind root too: tests of unreadable files run as whoever runs the tests."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager

#: `_LINUX_CAPABILITY_VERSION_3` (linux/capability.h).
_VERSION = 0x20080522
#: CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH: what lets root pass by permissions (capabilities(7)).
_PASSING_BY = 1 << 1 | 1 << 2


@contextmanager
def binding() -> Iterator[None]:
    """In this thread, and those that it starts, permissions bind as they bind any other user."""
    if os.geteuid() != 0:
        yield
        return
    libc = ctypes.CDLL(None, use_errno=True)
    header = (ctypes.c_uint32 * 2)(_VERSION, 0)
    before = (ctypes.c_uint32 * 6)()
    _check(libc.capget(header, before))
    effective = before[0]
    before[0] = effective & ~_PASSING_BY
    _check(libc.capset(header, before))
    try:
        yield
    finally:
        before[0] = effective
        _check(libc.capset(header, before))


def _check(result: int) -> None:
    if result != 0:
        raise OSError(ctypes.get_errno(), "the capabilities of this thread cannot be changed")
