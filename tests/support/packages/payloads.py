"""Payloads: the cpio archives in packages, in both forms that rpm writes, and how they are compressed."""

from __future__ import annotations

import bz2
import gzip
import lzma
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import zstandard

COMPRESSORS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": lambda data: gzip.compress(data, 6, mtime=0),
    "bzip2": bz2.compress,
    "xz": lambda data: lzma.compress(data, lzma.FORMAT_XZ, preset=1),
    "lzma": lambda data: lzma.compress(data, lzma.FORMAT_ALONE, preset=1),
    "zstd": lambda data: zstandard.ZstdCompressor(level=3).compress(data),
}


@dataclass(frozen=True)
class Member:
    """An entry of the archive; `size` says something else than its data holds, for packages that lie."""

    name: str
    data: bytes = b""
    mode: int = 0o100644
    inode: int = 1
    links: int = 1
    mtime: int = 0
    size: int | None = None


def newc(members: Iterable[Member]) -> bytes:
    """The archive in the form "newc" (cpio(5))."""
    made = b""
    for member in (*members, Member("TRAILER!!!", mode=0, inode=0)):
        name = member.name.encode() + b"\0"
        size = len(member.data) if member.size is None else member.size
        numbers = (member.inode, member.mode, 0, 0, member.links, member.mtime, size, 0, 0, 0, 0, len(name), 0)
        head = b"070701" + b"".join(b"%08x" % number for number in numbers) + name
        made += head + bytes(-len(head) % 4) + member.data + bytes(-len(member.data) % 4)
    return made


def stripped(members: Iterable[tuple[int, bytes]]) -> bytes:
    """The form for large files: the number that each has in the header, and its data (rpm's `lib/cpio.c`)."""
    made = b""
    for number, data in members:
        head = b"07070X%08x" % number
        made += head + bytes(-len(head) % 4) + data + bytes(-len(data) % 4)
    return made + newc([])
