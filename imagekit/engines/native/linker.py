"""The dynamic linker's cache (glibc, sysdeps/generic/dl-cache.h), written for any architecture without ldconfig(8).

ld.so looks into /lib64 and /usr/lib64 by itself; what lies elsewhere, where a file of ld.so.conf.d says, it finds by
the cache alone. So the base's cache is taken over, and the libraries of new packages are added to it.
"""

from __future__ import annotations

import fnmatch
import posixpath
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cmp_to_key
from struct import Struct, error, unpack_from
from typing import Final, NamedTuple

from imagekit.values import dataclass

CACHE: Final = "etc/ld.so.cache"
SETTINGS: Final = "etc/ld.so.conf"
SETTINGS_FOLDER: Final = "etc/ld.so.conf.d/"
_MAGIC: Final = b"glibc-ld.so.cache1.1"
#: Magic, entries, bytes of strings, byte order (2 is little-endian), offset of extensions, padding.
_HEADER: Final = Struct("<20sIIB3xI12x")
#: Flags, name, path (both from the header's beginning), OS version, hardware capabilities.
_ENTRY: Final = Struct("<iIIIQ")
_LITTLE: Final = 2
#: What the cache calls a 64-bit library, by the machine in the ELF header.
_FLAGS: Final = {62: 0x0303, 183: 0x0A03}
#: Where ld.so looks in any case, as ldconfig names it.
_STANDARD: Final = ("/lib64", "/usr/lib64")
_LIBRARY: Final = re.compile(r"(?:lib|ld-)[^/]*\.so(?:$|\.)[^/]*")
_DIGITS: Final = re.compile(r"[0-9]+|[^0-9]")
_PT_LOAD, _PT_DYNAMIC, _DT_STRTAB, _DT_SONAME = 1, 2, 5, 14
#: Of program headers and dynamic entries.
_MAX_HEADERS: Final = 4096
_MAX_ENTRIES: Final = 1 << 16


class Library(NamedTuple):
    """One line of the cache: a name, where it leads, for what machine."""

    name: str
    path: str
    flags: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """A file or symlink in a folder of libraries; `soname` and `flags` are those of the library that it leads to."""

    path: str
    is_link: bool
    soname: str
    flags: int


def folders(read: Callable[[str], bytes], names: Iterable[str]) -> tuple[str, ...]:
    """The folders that ld.so.conf names, absolute, in order; `names` are the files of the image below /etc."""
    found: dict[str, None] = {}
    waiting = [SETTINGS]
    seen: set[str] = set()
    every = sorted(names)
    while waiting:
        path = waiting.pop(0)
        if path in seen:
            continue
        seen.add(path)
        for line in read(path).decode("utf-8", "replace").splitlines():
            text = line.partition("#")[0].strip()
            if text.startswith("include "):
                for pattern in text.split()[1:]:
                    whole = posixpath.normpath(posixpath.join("/etc", pattern)).lstrip("/")
                    waiting += [name for name in every if fnmatch.fnmatchcase(name, whole)]
            elif text.startswith("/"):
                found.setdefault(posixpath.normpath(text.partition("=")[0].strip()))
    return tuple(found)


def is_library(path: str) -> bool:
    """True for a name that ldconfig looks at."""
    return _LIBRARY.fullmatch(path.rpartition("/")[2]) is not None


def libraries(folder: str, files: Sequence[Found]) -> Iterator[Library]:
    """What ldconfig would find in a folder (elf/ldconfig.c, search_dir): each library by its soname, once."""
    best: dict[str, tuple[str, bool, int]] = {}
    for file in sorted(files, key=lambda one: one.path):
        name = file.path.rpartition("/")[2]
        known = file.soname or name
        is_link = file.is_link and name != known and name.endswith(".so")
        key = name if is_link else known
        there = best.get(key)
        if there is None or (there[1] and not is_link) or (there[1] == is_link and compare(there[0], name) < 0):
            best[key] = name, is_link, file.flags
    for key, (_, _, flags) in best.items():
        yield Library(key, f"{folder}/{key}", flags)


def soname(data: bytes) -> tuple[str, int] | None:
    """The name in a shared library (empty where it has none) and its flags; None for anything else."""
    try:
        if data[:6] != b"\x7fELF\x02\x01":
            return None
        kind, machine = unpack_from("<HH", data, 16)
        if kind != 3 or machine not in _FLAGS:
            return None
        start, size, count = *unpack_from("<Q", data, 32), *unpack_from("<HH", data, 54)
        if count > _MAX_HEADERS:
            return None
        segments = [unpack_from("<II6Q", data, start + number * size) for number in range(count)]
        return _name(data, segments), _FLAGS[machine]
    except (error, ValueError, OverflowError):
        return None


def _name(data: bytes, segments: Sequence[tuple[int, ...]]) -> str:
    dynamic = next((one for one in segments if one[0] == _PT_DYNAMIC), None)
    if dynamic is None:
        return ""
    offset, size = dynamic[2], min(dynamic[5], _MAX_ENTRIES * 16)
    tags: dict[int, int] = {}
    for at in range(offset, offset + size, 16):
        tag, value = unpack_from("<qQ", data, at)
        if not tag:
            break
        tags.setdefault(tag, value)
    if _DT_SONAME not in tags or _DT_STRTAB not in tags:
        return ""
    table = tags[_DT_STRTAB]
    load = next((one for one in segments if one[0] == _PT_LOAD and one[3] <= table < one[3] + one[5]), None)
    if load is None:
        return ""
    begin = table - load[3] + load[2] + tags[_DT_SONAME]
    end = data.index(b"\0", begin)
    name = data[begin:end].decode("ascii")
    return name if name and "/" not in name else ""


def read_cache(data: bytes) -> tuple[Library, ...]:
    """The entries of a cache for 64-bit machines; none for one that cannot be read."""
    start = data.find(_MAGIC)
    if start < 0:
        return ()
    data = data[start:]
    try:
        _, count, _, _, _ = _HEADER.unpack_from(data)
        if count > _MAX_ENTRIES:
            return ()
        found = [_ENTRY.unpack_from(data, _HEADER.size + number * _ENTRY.size) for number in range(count)]
        return tuple(
            Library(_text(data, name), _text(data, path), flags)
            for flags, name, path, _, capabilities in found
            if flags in _FLAGS.values() and not capabilities
        )
    except (error, ValueError, OverflowError):
        return ()


def write_cache(entries: Iterable[Library]) -> bytes:
    """A cache with these entries; of two with one name the first stays before the other."""
    ordered = sorted(entries, key=cmp_to_key(_order))
    strings = bytearray()
    offsets: dict[str, int] = {}
    base = _HEADER.size + len(ordered) * _ENTRY.size
    for entry in ordered:
        for text in (entry.name, entry.path):
            if text not in offsets:
                offsets[text] = base + len(strings)
                strings += text.encode("utf-8", "surrogateescape") + b"\0"
    rows = [_ENTRY.pack(one.flags, offsets[one.name], offsets[one.path], 0, 0) for one in ordered]
    return _HEADER.pack(_MAGIC, len(ordered), len(strings), _LITTLE, 0) + b"".join(rows) + bytes(strings)


def compare(one: str, two: str) -> int:
    """glibc's order of library names, in which numbers count as numbers (elf/dl-cache.c, _dl_cache_libcmp)."""
    left, right = _DIGITS.findall(one), _DIGITS.findall(two)
    for mine, theirs in zip(left, right, strict=False):
        if mine.isdigit() and theirs.isdigit():
            if int(mine) != int(theirs):
                return int(mine) - int(theirs)
        elif mine.isdigit() != theirs.isdigit():
            return 1 if mine.isdigit() else -1
        elif mine != theirs:
            return ord(mine) - ord(theirs)
    return len(left) - len(right)


def standard(folder: str, resolved: Callable[[str], str]) -> str:
    """The name that ldconfig has for a folder: the standard one for all that lead to the same place."""
    place = resolved(folder.lstrip("/"))
    return next((one for one in _STANDARD if resolved(one.lstrip("/")) == place), folder)


def merged(before: Iterable[Library], new: Mapping[str, Sequence[Library]], order: Sequence[str]) -> list[Library]:
    """The entries of the base with new ones, folder by folder in ldconfig's order; what is in both is the new one."""
    mine = {library.path for found in new.values() for library in found}
    kept = [library for library in before if library.path not in mine]
    by_folder: dict[str, list[Library]] = {folder: list(new.get(folder, ())) for folder in order}
    for library in kept:
        by_folder.setdefault(library.path.rpartition("/")[0], []).append(library)
    return [library for found in by_folder.values() for library in found]


def _order(one: Library, two: Library) -> int:
    return compare(two.name, one.name) or two.flags - one.flags


def _text(data: bytes, offset: int) -> str:
    return data[offset : data.index(b"\0", offset)].decode("utf-8", "surrogateescape")
