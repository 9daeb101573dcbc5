"""Programs of another architecture by an interpreter that only this sandbox knows (binfmt_misc in user namespaces)."""

from __future__ import annotations

import os

from imagekit.emulator.runners.warden import calls

TYPE_CHECKING = False  # importing `typing` would cost a start more than all else here
if TYPE_CHECKING:
    from typing import Final

_PLACE: Final = "/proc/sys/fs/binfmt_misc"


def register(rule: str, interpreter: int) -> bool:
    """Enter a user namespace whose programs of another architecture run by an open interpreter.

    The namespaces within it inherit that. False where the kernel is older than 6.7. `rule` is name, type, offset, magic
    and mask as binfmt_misc takes them, without the interpreter and the flags.
    """
    user, group = os.geteuid(), os.getegid()
    calls.unshare(calls.CLONE_NEWUSER | calls.CLONE_NEWNS)
    for name, text in (("setgroups", "deny"), ("uid_map", f"0 {user} 1"), ("gid_map", f"0 {group} 1")):
        _write(f"/proc/self/{name}", text)
    try:
        calls.mount("none", _PLACE, "binfmt_misc", calls.MS_NOSUID | calls.MS_NODEV | calls.MS_NOEXEC)
        os.open(_PLACE, os.O_RDONLY | os.O_CLOEXEC)  # the rules live as long as this is open
        _write(f"{_PLACE}/register", f"{rule}:/proc/self/fd/{interpreter}:PF")
    except OSError:
        return False
    return True


def _write(path: str, text: str) -> None:
    file = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(file, text.encode())
    finally:
        os.close(file)
