"""Programs of another architecture: whether this machine runs them, and by what."""

from __future__ import annotations

import os
import struct
from typing import Final

from imagekit import architecture as architectures
from imagekit.architecture import Architecture
from imagekit.emulator.runners.means import Means
from imagekit.errors import Missing
from imagekit.values import dataclass

_BINFMT: Final = "/proc/sys/fs/binfmt_misc"
#: ELF64, little-endian, an executable or a shared object, of a machine that follows.
_MAGIC: Final = b"\x7fELF\x02\x01\x01" + b"\0" * 9 + b"\x02\0"
_MASK: Final = b"\xff" * 7 + b"\0" + b"\xff" * 8 + b"\xfe\xff\xff\xff"
#: The first kernel with rules of its own in each user namespace.
_OWN_RULES: Final = (6, 7)


@dataclass(frozen=True, kw_only=True, slots=True)
class Interpreter:
    """What a sandbox registers for itself: a rule as binfmt_misc takes it, and the program; empty where it need not."""

    rule: str = ""
    program: str = ""


def interpreter(architecture: Architecture, means: Means) -> Interpreter | Missing:
    """How programs of this architecture run here, or what is missing for it."""
    if is_native(architecture) or _is_registered(architecture):
        return Interpreter()
    program = means.program(f"qemu-{architecture.rpm}-static", f"qemu-{architecture.rpm}")
    if program and kernel() >= _OWN_RULES:
        return Interpreter(rule=_rule(architecture), program=program)
    return lacking(architecture)


def lacking(architecture: Architecture) -> Missing:
    """What to install where programs of an architecture do not run."""
    return Missing(
        f"this machine does not run programs of {architecture} in a sandbox",
        hint="install the package qemu-user-static (Debian, Ubuntu, Fedora), which registers itself with binfmt_misc; "
        f"or choose --platform {native().platform}",
    )


def is_native(architecture: Architecture) -> bool:
    """True for the architecture of this machine."""
    return architecture == native()


def native() -> Architecture:
    """The architecture of this machine; raises UsageError for one that Lambda has not."""
    return architectures.from_text(os.uname().machine)


def kernel_runs(architecture: Architecture) -> bool:
    """True when the kernel itself runs such programs in any root file system."""
    return is_native(architecture) or _is_registered(architecture)


def kernel() -> tuple[int, int]:
    """The version of the kernel."""
    words = os.uname().release.split("-")[0].split(".")
    return int(words[0]), int(words[1]) if len(words) > 1 and words[1].isdigit() else 0


def _rule(architecture: Architecture) -> str:
    magic = _MAGIC + struct.pack("<H", architecture.elf_machine)
    return f":imagekit-{architecture.rpm}:M::{_escaped(magic)}:{_escaped(_MASK)}"


def _escaped(data: bytes) -> str:
    return "".join(f"\\x{byte:02x}" for byte in data)


def _is_registered(architecture: Architecture) -> bool:
    """True when an enabled rule holds its interpreter open (flag F), so that it works in any root file system."""
    try:
        names = os.listdir(_BINFMT)
    except OSError:
        return False
    machine = struct.pack("<H", architecture.elf_machine).hex()
    for name in names:
        if name in {"register", "status"}:
            continue
        try:
            with open(f"{_BINFMT}/{name}", encoding="utf-8", errors="replace") as file:
                lines = file.read(4096).splitlines()
        except OSError:
            continue
        fields = dict(line.partition(" ")[::2] for line in lines[1:])
        if lines[:1] == ["enabled"] and "F" in fields.get("flags:", "") and fields.get("magic", "")[36:40] == machine:
            return True
    return False
