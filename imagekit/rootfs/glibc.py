"""Which glibc a program or a library was linked against: the versions of symbols that it wants (ELF gABI, "Dynamic
Section"; LSB Core, "Symbol Versioning"). What the dynamic loader reads is read, and nothing of a file's sections."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from imagekit.values import dataclass

#: Gives so many bytes from a place of the file; fewer where they are not there, or not known.
Reads = Callable[[int, int], bytes]

#: 64 bits, little-endian: the two architectures of Lambda.
MAGIC: Final = b"\x7fELF\x02\x01"
_PT_LOAD, _PT_DYNAMIC = 1, 2
_HASH, _STRTAB, _SYMTAB, _GNU_HASH = 4, 5, 6, 0x6FFFFEF5
_VERSYM, _VERNEED, _VERNEEDNUM = 0x6FFFFFF0, 0x6FFFFFFE, 0x6FFFFFFF
_WEAK: Final = 2
_GLIBC: Final = re.compile(rb"GLIBC_(2(?:\.[0-9]{1,4}){1,3})\0")
_NAME: Final = re.compile(rb"([A-Za-z0-9_.$]{1,200})\0")
_MAX_SEGMENTS: Final = 512
_MAX_DYNAMIC: Final = 4096
_MAX_VERSIONS: Final = 4096
_MAX_SYMBOLS: Final = 1 << 18
_MAX_NAME: Final = 256


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """The newest glibc that a file wants, and one of the symbols that it wants of it; empty when it has no name."""

    version: str
    symbol: str = ""


def wanted(read: Reads) -> Wanted | None:
    """What a file wants of glibc; None for one that wants nothing, is no ELF file, or is broken."""
    try:
        file = _File(read=read, segments=tuple(_segments(read)))
        return file.wanted()
    except struct.error:  # a file that ends, or is not known, where it says that something is
        return None


def dynamic(head: bytes) -> tuple[int, int]:
    """Offset and size of the dynamic section that the head of a file speaks of; nothing for a static program."""
    try:
        found = [one for one in _segments(lambda at, size: head[at : at + size]) if one.kind == _PT_DYNAMIC]
    except struct.error:
        return 0, 0
    return (found[0].offset, min(found[0].size, _MAX_DYNAMIC * 16)) if found else (0, 0)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Segment:
    kind: int
    offset: int
    address: int
    size: int


def _segments(read: Reads) -> Iterator[_Segment]:
    head = read(0, 64)
    if not head.startswith(MAGIC):
        return
    (table,) = struct.unpack_from("<Q", head, 32)
    size, count = struct.unpack_from("<HH", head, 54)
    for number in range(min(count, _MAX_SEGMENTS) if size == 56 else 0):
        kind, _, offset, address, _, length = struct.unpack("<IIQQQQ", read(table + number * 56, 40))
        yield _Segment(kind=kind, offset=offset, address=address, size=length)


@dataclass(frozen=True, kw_only=True, slots=True)
class _File:
    read: Reads
    segments: tuple[_Segment, ...]

    def wanted(self) -> Wanted | None:
        tags = self._tags()
        names, needs = self._place(tags.get(_STRTAB, 0)), self._place(tags.get(_VERNEED, 0))
        if names is None or needs is None or not tags.get(_VERNEEDNUM):
            return None
        found: dict[tuple[int, ...], tuple[str, int]] = {}
        for name, index in self._versions(needs, tags[_VERNEEDNUM], names):
            if match := _GLIBC.match(name):
                text = match[1].decode("ascii")
                found[tuple(map(int, text.split(".")))] = text, index
        if not found:
            return None
        version, index = found[max(found)]
        return Wanted(version=version, symbol=self._symbol(tags, names, index))

    def _tags(self) -> Mapping[int, int]:
        tags: dict[int, int] = {}
        for segment in self.segments:
            if segment.kind == _PT_DYNAMIC:
                data = self.read(segment.offset, min(segment.size, _MAX_DYNAMIC * 16))
                tags |= dict(struct.iter_unpack("<QQ", data[: len(data) // 16 * 16]))
        return tags

    def _place(self, address: int) -> int | None:
        """Where in the file an address of memory is; the table of addresses begins with zero, which stands for none."""
        for one in self.segments:
            if address and one.kind == _PT_LOAD and one.address <= address < one.address + one.size:
                return address - one.address + one.offset
        return None

    def _versions(self, place: int, count: int, names: int) -> Iterator[tuple[bytes, int]]:
        """The names of the versions that are needed, with their numbers; weak ones may be absent."""
        left = _MAX_VERSIONS
        for _ in range(min(count, _MAX_VERSIONS)):
            _, number, _, first, following = struct.unpack("<HHIII", self.read(place, 16))
            at = place + first
            for _ in range(min(number, left)):
                _, flags, index, name, further = struct.unpack("<IHHII", self.read(at, 16))
                if not flags & _WEAK:
                    yield self.read(names + name, 32), index
                at += further
                left -= 1
            place += following

    def _symbol(self, tags: Mapping[int, int], names: int, index: int) -> str:
        """The first symbol with the version of this number; empty where there is none."""
        versions, symbols = self._place(tags.get(_VERSYM, 0)), self._place(tags.get(_SYMTAB, 0))
        if versions is None or symbols is None:
            return ""
        data = self.read(versions, 2 * self._imported(tags))
        for number, (version,) in enumerate(struct.iter_unpack("<H", data[: len(data) // 2 * 2])):
            if version & 0x7FFF == index:
                (name,) = struct.unpack("<I", self.read(symbols + 24 * number, 4))
                found = _NAME.match(self.read(names + name, _MAX_NAME))
                return found[1].decode("ascii") if found else ""
        return ""

    def _imported(self, tags: Mapping[int, int]) -> int:
        """How many symbols there are up to the last that is imported: those stand before the ones that are hashed."""
        new, old = self._place(tags.get(_GNU_HASH, 0)), self._place(tags.get(_HASH, 0))
        place = new if new is not None else old
        if place is None:
            return 0
        (count,) = struct.unpack("<I", self.read(place + 4, 4))
        return min(int(count), _MAX_SYMBOLS)
