"""System calls that Python has no name for before 3.12, or none at all. Each raises OSError."""

from __future__ import annotations

import ctypes
import os

TYPE_CHECKING = False  # importing `typing` would cost a start more than all else here
if TYPE_CHECKING:
    from typing import Final

# linux/sched.h, linux/mount.h, linux/prctl.h
CLONE_NEWNS: Final = 0x00020000
CLONE_NEWUTS: Final = 0x04000000
CLONE_NEWIPC: Final = 0x08000000
CLONE_NEWUSER: Final = 0x10000000
CLONE_NEWPID: Final = 0x20000000
CLONE_NEWNET: Final = 0x40000000

MS_RDONLY: Final = 1
MS_NOSUID: Final = 2
MS_NODEV: Final = 4
MS_NOEXEC: Final = 8
MS_REMOUNT: Final = 32
MS_NOATIME: Final = 1024
MS_NODIRATIME: Final = 2048
MS_BIND: Final = 4096
MS_REC: Final = 16384
MS_PRIVATE: Final = 1 << 18
MS_RELATIME: Final = 1 << 21

_MNT_DETACH: Final = 2
_PR_SET_PDEATHSIG: Final = 1
_PR_CAPBSET_DROP: Final = 24
_PR_SET_NO_NEW_PRIVS: Final = 38
_SIGKILL: Final = 9
#: linux/capability.h, version 3
_CAPABILITY_VERSION: Final = 0x20080522
_MAX_CAPABILITY: Final = 63

_libc: Final = ctypes.CDLL(None, use_errno=True)
_libc.mount.argtypes = (ctypes.c_char_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_ulong, ctypes.c_char_p)
_libc.prctl.argtypes = (ctypes.c_int, ctypes.c_ulong, ctypes.c_ulong, ctypes.c_ulong, ctypes.c_ulong)


def mount(source: str, target: str, kind: str = "", flags: int = 0, options: str = "") -> None:
    """mount(2)."""
    words = [os.fsencode(word) or None for word in (source, target, kind, options)]
    _check(_libc.mount(words[0], words[1], words[2], flags, words[3]), target)


def detach(target: str) -> None:
    """umount2(2), also of what is in use."""
    _check(_libc.umount2(os.fsencode(target), _MNT_DETACH), target)


def unshare(flags: int) -> None:
    """unshare(2)."""
    _check(_libc.unshare(flags), "unshare")


def enter(file: int, kind: int) -> None:
    """setns(2)."""
    _check(_libc.setns(file, kind), "setns")


def pivot_root(new: str, old: str) -> None:
    """pivot_root(2)."""
    _check(_libc.pivot_root(os.fsencode(new), os.fsencode(old)), new)


def name_host(name: str) -> None:
    """sethostname(2)."""
    raw = name.encode()
    _check(_libc.sethostname(raw, len(raw)), name)


def die_with_parent() -> None:
    """SIGKILL for this process when the one that made it ends."""
    _check(_libc.prctl(_PR_SET_PDEATHSIG, _SIGKILL, 0, 0, 0), "prctl")


def drop_privileges() -> None:
    """From here on this process is an ordinary one, and so is what it executes: no capabilities, no setuid."""
    for capability in range(_MAX_CAPABILITY + 1):
        if _libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0):
            break  # the first that the kernel does not know
    _check(_libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "prctl")
    header, none = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION, 0), (ctypes.c_uint32 * 6)()
    _check(_libc.capset(header, none), "capset")


def _check(result: int, what: str) -> None:
    if result:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), what)
