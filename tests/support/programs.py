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


#: What copies stdin to stdout until it ends, as machine code: read(2) to the stack, write(2) from there, exit(2).
_CAT = {
    X86_64: "4881ec0000010031c031ff4889e6ba000001000f054885c07e1089c2b801000000bf010000000f05ebddb83c00000031ff0f05",
    ARM64: "ff4340d1000080d2e10300912200a0d2e80780d2010000d41f0000f1ed000054e20300aa200080d2e1030091080880d2010000d4"
    "f4ffff17000080d2a80b80d2010000d4",
}
_ADDRESS = 0x400000


def cat(machine: int) -> bytes:
    """A static program that runs: it answers with what it is sent."""
    code = bytes.fromhex(_CAT[machine])
    size = 120 + len(code)
    ident = b"\x7fELF\x02\x01\x01" + bytes(9)
    entry = _ADDRESS + 120
    header = ident + struct.pack("<HHIQQQIHHHHHH", 2, machine, 1, entry, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    return header + struct.pack("<IIQQQQQQ", 1, 5, 0, _ADDRESS, _ADDRESS, size, size, 0x10000) + code
