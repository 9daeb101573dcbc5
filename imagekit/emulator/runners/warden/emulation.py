"""Programs of another architecture by an interpreter that only this sandbox knows (binfmt_misc in user namespaces)."""

from __future__ import annotations

import os

from imagekit.emulator.runners.warden import calls

TYPE_CHECKING = False  # importing `typing` would cost a start more than all else here
if TYPE_CHECKING:
    from typing import Final

_PLACE: Final = "/proc/sys/fs/binfmt_misc"


def register(rule: str, interpreter: int) -> bool:
    """Register an open interpreter in this user namespace; False where the kernel is older than 6.7.

    `rule` is name, type, offset, magic and mask as binfmt_misc takes them, without the interpreter and the flags.
    """
    try:
        calls.mount("none", _PLACE, "binfmt_misc", calls.MS_NOSUID | calls.MS_NODEV | calls.MS_NOEXEC)
    except OSError:
        return False
    try:
        file = os.open(f"{_PLACE}/register", os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.write(file, f"{rule}:/proc/self/fd/{interpreter}:PF".encode())
        finally:
            os.close(file)
    except OSError:
        return False
    finally:
        calls.detach(_PLACE)
    return True
