"""Files on their way into a layer, looked at as they pass: those that want a newer glibc than there is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import field
from typing import Final

from imagekit.readable import Readable
from imagekit.rootfs import glibc
from imagekit.rootfs.entry import Content, Entry, Item, Kind
from imagekit.rootfs.glibc import Wanted
from imagekit.values import dataclass

#: What the loader reads stands at the beginning of a file, but for the dynamic section.
_HEAD: Final = 8 << 20
#: Bytes that say where the dynamic section is: the header, and the table that follows it.
_TABLE: Final = 64 + 56 * 64
#: glibc itself: who brings it does not start with the system's.
_ITSELF: Final = "libc.so.6"


@dataclass(frozen=True, kw_only=True, slots=True)
class Watch:
    """What passed: what each file wants of glibc by its path, and whether one of them is glibc."""

    found: dict[str, Wanted] = field(default_factory=dict)
    brings: list[str] = field(default_factory=list)

    def over(self, items: Iterator[Item]) -> Iterator[Item]:
        """The same items."""
        for entry, content in items:
            if entry.kind is Kind.FILE:
                if entry.path.rpartition("/")[2] == _ITSELF:
                    self.brings.append(entry.path)
                yield entry, self._watched(entry, content)
            else:
                yield entry, content

    def _watched(self, entry: Entry, content: Content) -> Content:
        if not callable(content):
            self._all(entry, content or b"")
            return content

        def read() -> bytes | Readable:
            given = content()
            if isinstance(given, bytes):
                self._all(entry, given)
                return given
            return _Passing(given, self, entry)

        return read

    def _all(self, entry: Entry, data: bytes) -> None:
        if data.startswith(glibc.MAGIC):
            self.note(entry, glibc.wanted(lambda at, size: data[at : at + size]))

    def note(self, entry: Entry, wanted: Wanted | None) -> None:
        """Keep what a file wants."""
        if wanted:
            self.found[entry.path] = wanted


class _Passing:
    """A stream whose beginning, and dynamic section, are kept until it ends."""

    def __init__(self, stream: Readable, watch: Watch, entry: Entry) -> None:
        self._stream, self._watch, self._entry = stream, watch, entry
        self._head, self._dynamic = bytearray(), bytearray()
        self._at = 0
        self._section = (0, 0)
        self._is_elf = True

    def read(self, size: int, /) -> bytes:
        """What the stream gives."""
        piece = self._stream.read(size)
        if self._is_elf and piece:
            self._keep(piece)
        return piece

    def close(self) -> None:
        """Judge what was kept."""
        self._stream.close()
        if self._is_elf and self._at:
            self._watch.note(self._entry, glibc.wanted(self._kept))
        self._is_elf = False

    def _keep(self, piece: bytes) -> None:
        start, self._at = self._at, self._at + len(piece)
        self._head += piece[: max(0, _HEAD - len(self._head))]
        if not glibc.MAGIC.startswith(bytes(self._head[: len(glibc.MAGIC)])):
            self._is_elf = False
            self._head.clear()
            return
        if self._section == (0, 0) and start < _TABLE:
            self._section = glibc.dynamic(bytes(self._head[:_TABLE]))
        first, length = self._section
        if start <= first + len(self._dynamic) < self._at and len(self._dynamic) < length:
            begin = first + len(self._dynamic) - start
            self._dynamic += piece[begin : begin + length - len(self._dynamic)]

    def _kept(self, at: int, size: int) -> bytes:
        first, _ = self._section
        if first and first <= at < first + len(self._dynamic):
            return bytes(self._dynamic[at - first : at - first + size])
        return bytes(self._head[at : at + size])
