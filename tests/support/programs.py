"""Programs that no machine has to run: the bytes that imagekit looks at."""

from __future__ import annotations

import struct

X86_64 = 62
ARM64 = 183


def elf(machine: int, interpreter: str = "") -> bytes:
    """A little-endian 64-bit ELF file with one program header; dynamic when it names an interpreter."""
    loader = interpreter.encode() + b"\0" if interpreter else b""
    ident = b"\x7fELF\x02\x01\x01" + bytes(9)
    header = ident + struct.pack("<HHIQQQIHHHHHH", 2, machine, 1, 0, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    kind = 3 if interpreter else 1
    return header + struct.pack("<IIQQQQQQ", kind, 4, 120, 0, 0, len(loader), len(loader), 1) + loader
