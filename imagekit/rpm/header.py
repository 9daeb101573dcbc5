"""A header: what a package says about itself, and what an RPM database keeps of it (rpm, docs/format.md).

    u32 entries, u32 size of the data; entries of (u32 tag, u32 type, i32 offset, u32 count); data. All big-endian.

In files eight magic bytes come before it. Everything in it is foreign: each entry is checked before anything is read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import field
from struct import Struct, unpack
from typing import Final, NamedTuple, Self

from imagekit.errors import BuildFailed
from imagekit.rpm.evr import Evr, Nevra
from imagekit.rpm.tag import Tag
from imagekit.values import dataclass

MAGIC: Final = b"\x8e\xad\xe8\x01\0\0\0\0"
#: rpm's own limits (lib/header.c: HEADER_TAGS_MAX, HEADER_DATA_MAX).
MAX_ENTRIES: Final = 0xFFFF
MAX_DATA: Final = 256 << 20
#: Of the counts before the entries, and of an entry.
INTRO: Final = 8
ENTRY: Final = 16
_ENTRY: Final = Struct(">IIiI")
_NULL, _CHAR, _INT8, _INT16, _INT32, _INT64, _STRING, _BINARY, _ARRAY, _I18N = range(10)
_SIZES: Final = {_CHAR: 1, _INT8: 1, _INT16: 2, _INT32: 4, _INT64: 8, _BINARY: 1}
_CODES: Final = {_CHAR: "B", _INT8: "B", _INT16: "H", _INT32: "I", _INT64: "Q"}
_TEXTS: Final = (_STRING, _ARRAY, _I18N)


#: What rpmbuild lets them be (rpm, build/parsePreamble.c), and in versions the macros that it did not know.
_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+~^-]*")
_VERSION: Final = re.compile(r"[A-Za-z0-9._+~^%{}?]+")
_ARCH: Final = re.compile(r"[A-Za-z0-9_]*")


class Entry(NamedTuple):
    """Where a field is: its type, the offset into the data, and how many values it has (of bytes: their number)."""

    type: int
    offset: int
    size: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Header:
    """A header whose entries all lie inside it. Values are read when they are asked for.

    `raw` is all of it without the magic bytes; `entries` its fields by tag, where the last one of a tag counts, as
    for rpm, which appends what changes. `source` is what messages call it, `hint` what they say to do.
    """

    raw: bytes
    entries: Mapping[int, Entry] = field(repr=False, compare=False)
    source: str = field(default="the header", compare=False)
    hint: str = field(default="", repr=False, compare=False)

    @classmethod
    def from_bytes(cls, data: bytes, source: str = "the header") -> Self:
        """A header as files hold it, magic bytes first. Raises BuildFailed for anything damaged."""
        if not data.startswith(MAGIC):
            raise damaged(source, "it does not begin as a header does")
        return cls.from_blob(data[len(MAGIC) :], source)

    @classmethod
    def from_blob(cls, data: bytes, source: str = "the header", hint: str = "") -> Self:
        """A header as databases hold it, without magic bytes. Raises BuildFailed for anything damaged."""
        entries, size = sizes(data[:INTRO], source, hint)
        if len(data) != INTRO + entries * ENTRY + size:
            raise damaged(source, f"it has {len(data):,} bytes and promises {INTRO + entries * ENTRY + size:,}", hint)
        index = memoryview(data)[INTRO : INTRO + entries * ENTRY]
        fields: dict[int, Entry] = {}
        for tag, kind, offset, count in _ENTRY.iter_unpack(index):
            width = _SIZES.get(kind)
            if width is None and kind not in _TEXTS and kind != _NULL:
                raise damaged(source, f"tag {tag} is of the unknown type {kind}", hint)
            # A string has at least its closing NUL.
            end = offset + count * (width or 1)
            if offset < 0 or end > size or not count:
                raise damaged(source, f"tag {tag} lies outside its data", hint)
            if width and offset % width:
                raise damaged(source, f"tag {tag} is not aligned", hint)
            fields[tag] = Entry(kind, offset, count)
        return cls(raw=data, entries=fields, source=source, hint=hint)

    def __contains__(self, tag: int) -> bool:
        return tag in self.entries

    @property
    def nevra(self) -> Nevra:
        """The package's full name; a key in a database has no architecture. Raises BuildFailed for what can be none."""
        name, version, release = self.text(Tag.NAME), self.text(Tag.VERSION), self.text(Tag.RELEASE)
        if not (name and version and release):
            raise self.damaged("it lacks a name, a version or a release")
        arch = self.text(Tag.ARCH)
        for text, known in ((name, _NAME), (version, _VERSION), (release, _VERSION), (arch, _ARCH)):
            if not known.fullmatch(text):
                raise self.damaged(f"{text[:100]!a} can be no name, version, release or architecture of a package")
        epoch = self.integers(Tag.EPOCH)
        evr = Evr(epoch=epoch[0] if epoch else 0, version=version, release=release)
        return Nevra(name=name, evr=evr, arch=arch)

    def integers(self, tag: int) -> tuple[int, ...]:
        """The numbers of a field, none where it is not there. Raises BuildFailed for a field of another type."""
        entry = self.entries.get(tag)
        if entry is None:
            return ()
        code = _CODES.get(entry.type)
        if code is None:
            raise self.damaged(f"tag {tag} holds no numbers")
        return unpack(f">{entry.size}{code}", self._data(entry.offset, entry.size * _SIZES[entry.type]))

    def integer(self, tag: int, default: int = 0) -> int:
        """The first number of a field."""
        entry = self.entries.get(tag)
        return default if entry is None else self.integers(tag)[0]

    def texts(self, tag: int) -> tuple[str, ...]:
        """The texts of a field, none where it is not there; what is no UTF-8 in them is surrogate-escaped.

        Raises BuildFailed for a field of another type.
        """
        entry = self.entries.get(tag)
        if entry is None:
            return ()
        if entry.type not in _TEXTS:
            raise self.damaged(f"tag {tag} holds no text")
        data = self.field(tag)
        return tuple(data[:-1].decode("utf-8", "surrogateescape").split("\0"))

    def text(self, tag: int) -> str:
        """The first text of a field (of a translated one the English), empty where it is not there."""
        texts = self.texts(tag)
        return texts[0] if texts else ""

    def binary(self, tag: int) -> bytes:
        """The bytes of a field, none where it is not there. Raises BuildFailed for a field of another type."""
        entry = self.entries.get(tag)
        if entry is None:
            return b""
        if entry.type != _BINARY:
            raise self.damaged(f"tag {tag} holds no bytes")
        return self._data(entry.offset, entry.size)

    def field(self, tag: int) -> bytes:
        """A field that is there, as it stands in the data, with the NUL after its last text."""
        entry = self.entries[tag]
        width = _SIZES.get(entry.type)
        if width or entry.type == _NULL:
            return self._data(entry.offset, entry.size * (width or 0))
        if entry.type == _STRING and entry.size != 1:
            raise self.damaged(f"tag {tag} is one text and claims to be {entry.size}")
        start = end = self._start + entry.offset
        for _ in range(entry.size):
            end = self.raw.find(b"\0", end) + 1
            if not end:
                raise self.damaged(f"tag {tag} ends outside its data")
        return self.raw[start:end]

    def damaged(self, what: str) -> BuildFailed:
        """The error for a header that contradicts itself."""
        return damaged(self.source, what, self.hint)

    @property
    def _start(self) -> int:
        return INTRO + int.from_bytes(self.raw[:4]) * ENTRY

    def _data(self, offset: int, size: int) -> bytes:
        start = self._start + offset
        return self.raw[start : start + size]


def sizes(intro: bytes, source: str, hint: str = "") -> tuple[int, int]:
    """How many entries and how many bytes of data a header promises; raises BuildFailed for too much or nothing."""
    if len(intro) < INTRO:
        raise damaged(source, "it is cut off", hint)
    entries, size = int.from_bytes(intro[:4]), int.from_bytes(intro[4:])
    if not 0 < entries <= MAX_ENTRIES or size > MAX_DATA:
        raise damaged(source, f"it claims {entries:,} entries and {size:,} bytes of data", hint)
    return entries, size


def damaged(source: str, what: str, hint: str = "") -> BuildFailed:
    """The error for a package that is not what packages are."""
    hint = hint or "get the package again, or look at it with `rpm -qip`"
    return BuildFailed(f"{source} is damaged: {what}", hint=hint)
