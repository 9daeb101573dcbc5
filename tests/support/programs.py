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
#: What takes memory without end, a MiB at a time: mmap(2) with MAP_POPULATE.
_EAT = {
    X86_64: "b80900000031ffbe00001000ba0300000041ba2280000049c7c0ffffffff4531c90f05ebdb",
    ARM64: "c81b80d2000080d20102a0d2620080d2430490d204008092050080d2010000d4f8ffff17",
}
_ADDRESS = 0x400000


def cat(machine: int) -> bytes:
    """A static program that runs: it answers with what it is sent."""
    return _program(machine, bytes.fromhex(_CAT[machine]))


def eat(machine: int) -> bytes:
    """A static program that takes all the memory that it can have."""
    return _program(machine, bytes.fromhex(_EAT[machine]))


def _program(machine: int, code: bytes) -> bytes:
    size = 120 + len(code)
    ident = b"\x7fELF\x02\x01\x01" + bytes(9)
    entry = _ADDRESS + 120
    header = ident + struct.pack("<HHIQQQIHHHHHH", 2, machine, 1, entry, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    return header + struct.pack("<IIQQQQQQ", 1, 5, 0, _ADDRESS, _ADDRESS, size, size, 0x10000) + code


def wanting(
    machine: int, *symbols: tuple[str, str], weak: tuple[str, ...] = (), padding: int = 0, old: bool = False
) -> bytes:
    """A 64-bit ELF file that is linked against versions of symbols, such as ("fmod", "GLIBC_2.38") of libm.so.6.

    `weak` are versions that may be absent. The dynamic section stands at the end, behind `padding`; with `old` the
    symbols are in the older kind of hash table.
    """
    names = b"\0libm.so.6\0"
    place = {}
    for text in (text for pair in symbols for text in pair):
        place.setdefault(text, len(names))
        names += text.encode() + b"\0" if place[text] == len(names) else b""
    versions = list(dict.fromkeys(version for _, version in symbols))
    table = bytes(24) + b"".join(struct.pack("<IBBHQQ", place[name], 0x12, 0, 0, 0, 0) for name, _ in symbols)
    indexes = b"\0\0" + b"".join(struct.pack("<H", versions.index(version) + 2) for _, version in symbols)
    needs = struct.pack("<HHIII", 1, len(versions), 1, 16, 0)
    for number, version in enumerate(versions):
        following = 16 if number + 1 < len(versions) else 0
        needs += struct.pack("<IHHII", 0, 2 if version in weak else 0, number + 2, place[version], following)
    hashes = struct.pack("<II", 1, len(symbols) + 1) + bytes(8 + 4 * len(symbols))
    parts, at, places = [], 64 + 2 * 56, []
    for part in (names, table, indexes, needs, hashes, bytes(padding)):
        parts.append(part + bytes(-len(part) % 8))
        places.append(at)
        at += len(parts[-1])
    tags = [(5, places[0]), (6, places[1]), (0x6FFFFFF0, places[2]), (0x6FFFFFFE, places[3]), (0x6FFFFFFF, 1)]
    tags += [(4 if old else 0x6FFFFEF5, places[4]), (0, 0)]
    section = b"".join(struct.pack("<QQ", *tag) for tag in tags)
    ident = b"\x7fELF\x02\x01\x01" + bytes(9)
    header = ident + struct.pack("<HHIQQQIHHHHHH", 3, machine, 1, 0, 64, 0, 0, 64, 56, 2, 0, 0, 0)
    header += struct.pack("<IIQQQQQQ", 1, 4, 0, 0, 0, at + len(section), at + len(section), 1)
    header += struct.pack("<IIQQQQQQ", 2, 4, at, at, at, len(section), len(section), 8)
    return header + b"".join(parts) + section
