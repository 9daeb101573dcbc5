"""Capabilities of files: the text that headers hold as the bytes of `security.capability` (capabilities(7))."""

from __future__ import annotations

import re
from struct import pack
from typing import Final

from imagekit.errors import BuildFailed

#: In the kernel's order (include/uapi/linux/capability.h): the position is the bit.
_NAMES: Final = (
    *("chown", "dac_override", "dac_read_search", "fowner", "fsetid", "kill", "setgid", "setuid", "setpcap"),
    *("linux_immutable", "net_bind_service", "net_broadcast", "net_admin", "net_raw", "ipc_lock", "ipc_owner"),
    *("sys_module", "sys_rawio", "sys_chroot", "sys_ptrace", "sys_pacct", "sys_admin", "sys_boot", "sys_nice"),
    *("sys_resource", "sys_time", "sys_tty_config", "mknod", "lease", "audit_write", "audit_control", "setfcap"),
    *("mac_override", "mac_admin", "syslog", "wake_alarm", "block_suspend", "audit_read", "perfmon", "bpf"),
    "checkpoint_restore",
)
_BITS: Final = {f"cap_{name}": 1 << number for number, name in enumerate(_NAMES)}
_ALL: Final = (1 << len(_NAMES)) - 1
_CLAUSE: Final = re.compile(r"([A-Za-z_0-9,]*)((?:[=+-][eip]*)+)")
_ACTION: Final = re.compile(r"([=+-])([eip]*)")
#: VFS_CAP_REVISION_2 and VFS_CAP_FLAGS_EFFECTIVE.
_REVISION: Final = 0x02000000
_EFFECTIVE: Final = 1


def encoded(text: str) -> bytes:
    """`cap_net_raw,cap_net_admin=ep`, `= cap_net_raw+ep` and so on as 20 bytes; none for no capabilities at all.

    Raises BuildFailed for a text that cap_from_text(3) would refuse, or that the kernel cannot keep of a file.
    """
    sets = {"e": 0, "i": 0, "p": 0}
    for clause in text.split():
        match = _CLAUSE.fullmatch(clause)
        if not match:
            raise _unknown(text)
        bits = _bits(match[1], text)
        for sign, flags in _ACTION.findall(match[2]):
            _act(sets, bits, sign, flags)
    effective, inheritable, permitted = sets["e"], sets["i"], sets["p"]
    if effective and effective != permitted | inheritable:
        raise _unknown(text)
    if not permitted | inheritable:
        return b""
    low, high = 0xFFFFFFFF, 32
    return pack(
        "<5I",
        _REVISION | (_EFFECTIVE if effective else 0),
        *(permitted & low, inheritable & low, permitted >> high, inheritable >> high),
    )


def _bits(names: str, text: str) -> int:
    """The capabilities that a clause names; all of them where it names none."""
    if names.lower() in {"", "all"}:
        return _ALL
    bits = 0
    for name in names.lower().split(","):
        if name not in _BITS:
            raise _unknown(text)
        bits |= _BITS[name]
    return bits


def _act(sets: dict[str, int], bits: int, sign: str, flags: str) -> None:
    """`=` clears the capabilities in all sets before it raises them in some."""
    for name in sets:
        if sign == "=" or (sign == "-" and name in flags):
            sets[name] &= ~bits
        if sign != "-" and name in flags:
            sets[name] |= bits


def _unknown(text: str) -> BuildFailed:
    return BuildFailed(
        f"{text[:200]!r} are no capabilities of a file",
        hint="the package that has them is damaged, or newer than this imagekit",
    )
