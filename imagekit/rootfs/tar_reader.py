"""The tar reader: members of a hostile tar stream, one after the other (POSIX.1-2017 pax; GNU tar's long names).

It exists beside Python's own because its memory is bounded whatever the headers claim, and because the same archive
gives the same members under every Python.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import Final, Protocol

from imagekit.decompression import Damaged
from imagekit.errors import BuildFailed
from imagekit.readable import Readable
from imagekit.rootfs import tar_header
from imagekit.rootfs.entry import shown
from imagekit.rootfs.tar_header import BLOCK, Header
from imagekit.values import dataclass

_PIECE: Final = 1 << 20
#: Of one extension header (a pax header, a GNU long name) in bytes, and of those before one member.
_MAX_EXTENSION: Final = 1 << 20
_MAX_EXTENSIONS: Final = 16


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """What is taken from one archive or image: uncompressed bytes (Lambda's limit for images) and members."""

    total: int = 10 << 30
    entries: int = 1_000_000


class Stream(Protocol):
    """A tar's bytes, as `Decompressed` gives them; `proves_end` is asked for at the end."""

    @property
    def proves_end(self) -> bool:
        """True when a stream that was cut off would have raised."""

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes; empty at the end. Raises Damaged."""


class MemberKind(StrEnum):
    """What a member of a tar is; `SPECIAL` stands for devices and pipes."""

    FILE = "file"
    DIRECTORY = "directory"
    SYMLINK = "symlink"
    HARDLINK = "hard link"
    SPECIAL = "device or pipe"


@dataclass(frozen=True, kw_only=True, slots=True)
class Member:
    """A member as the archive says, unchecked; what is not UTF-8 in its names is surrogate-escaped.

    `capability` are the bytes of `security.capability`.
    """

    number: int
    name: str
    kind: MemberKind
    mode: int
    uid: int
    gid: int
    mtime: int
    size: int
    target: str
    capability: bytes = b""


_KINDS: Final = {
    b"0": MemberKind.FILE,
    b"\0": MemberKind.FILE,
    b"7": MemberKind.FILE,
    b"1": MemberKind.HARDLINK,
    b"2": MemberKind.SYMLINK,
    b"3": MemberKind.SPECIAL,
    b"4": MemberKind.SPECIAL,
    b"5": MemberKind.DIRECTORY,
    b"6": MemberKind.SPECIAL,
}


class TarReader:
    """Members in order; each one's content is there until the next one is asked for.

    Raises BuildFailed, naming `source` and the last member, for what is damaged, cut off or beyond the limits.
    """

    def __init__(self, stream: Stream, source: str, limits: Limits) -> None:
        self._stream = stream
        self._source = source
        self._limits = limits
        self._total = 0
        self._number = -1
        self._last = ""
        self._left = 0
        self._padding = 0
        self._global: dict[str, bytes] = {}

    def __iter__(self) -> Iterator[Member]:
        while True:
            self._skip(self._left + self._padding)
            self._left = self._padding = 0
            header = self._header()
            if header is None:
                self._drain()
                return
            if header.kind == b"V":  # a GNU volume label
                continue
            self._number += 1
            if self._number >= self._limits.entries:
                raise self._damaged(f"it has more than {self._limits.entries:,} entries")
            member = self._member(header)
            self._last = member.name
            self._left, self._padding = member.size, -member.size % BLOCK
            yield member

    def content(self) -> Readable:
        """The content of the member that came last."""
        return _Content(self, self._number)

    def read_content(self, number: int, size: int) -> bytes:
        """A piece of the content of the member with this number, while it is the last one."""
        if number != self._number or not size:
            return b""
        piece = self._some(min(size, self._left)) if self._left else b""
        if self._left and not piece:
            raise self._damaged("it is cut off")
        self._left -= len(piece)
        return piece

    def _header(self) -> Header | None:
        """The next member's header, extensions applied; None at the end."""
        local: dict[str, bytes] = {}
        for _ in range(_MAX_EXTENSIONS):
            block = self._block()
            if block is None:
                return None
            try:
                header = Header.from_block(block)
                if header.kind not in tar_header.EXTENSIONS:
                    return header.extended({**self._global, **local})
                if header.size > _MAX_EXTENSION:
                    raise ValueError(f"an extension header of {header.size:,} bytes")
                body = self._exactly(header.size + -header.size % BLOCK)[: header.size]
                (self._global if header.kind == b"g" else local).update(header.extension(body))
            except ValueError as error:
                raise self._damaged(f"it is damaged or not a tar archive: {error}") from error
        raise self._damaged("it has too many extension headers in a row")

    def _block(self) -> bytes | None:
        """A header block; None at the end-of-archive mark, or where a compression proves that there is no more."""
        block = self._some(BLOCK)
        while block and len(block) < BLOCK:
            piece = self._some(BLOCK - len(block))
            if not piece:
                raise self._damaged("it is cut off")
            block += piece
        if not block and (not self._stream.proves_end or self._number < 0):
            raise self._damaged("it is cut off: the mark at the end is missing" if self._total else "it is empty")
        return None if block.count(0) == len(block) else block

    def _member(self, header: Header) -> Member:
        kind = _KINDS.get(header.kind)
        if kind is None or header.is_sparse:
            what = "a sparse file" if header.is_sparse else f"a member of the unknown type {header.kind!a}"
            raise BuildFailed(
                f"{self._source}: {shown(header.name)} is {what}", hint="pack the archive without it (tar without -S)"
            )
        if kind is MemberKind.FILE and header.name.endswith("/"):  # how tars before POSIX marked directories
            kind = MemberKind.DIRECTORY
        return Member(
            number=self._number,
            name=header.name,
            kind=kind,
            mode=header.mode & 0o7777,
            uid=header.uid,
            gid=header.gid,
            mtime=header.mtime,
            size=header.size if kind is MemberKind.FILE else 0,
            target=header.target,
            capability=header.capability,
        )

    def _some(self, size: int) -> bytes:
        """At most `size` bytes of the stream, counted."""
        try:
            piece = self._stream.read(size)
        except (Damaged, OSError) as error:
            raise self._damaged(str(error)) from error
        self._total += len(piece)
        if self._total > self._limits.total:
            raise self._damaged(f"it unpacks to more than {self._limits.total:,} bytes")
        return piece

    def _exactly(self, size: int) -> bytes:
        data = bytearray()
        while len(data) < size:
            piece = self._some(size - len(data))
            if not piece:
                raise self._damaged("it is cut off")
            data += piece
        return bytes(data)

    def _skip(self, size: int) -> None:
        while size:
            piece = self._some(min(size, _PIECE))
            if not piece:
                raise self._damaged("it is cut off")
            size -= len(piece)

    def _drain(self) -> None:
        """Read on to the end: a compression's checksum, and a blob's digest, are judged there."""
        while self._some(_PIECE):
            pass

    def _damaged(self, what: str) -> BuildFailed:
        after = f" (after {shown(self._last)})" if self._last else ""
        return BuildFailed(
            f"{self._source}: {what}{after}", hint="get the archive again, or look at it with `tar -tvf`"
        )


class _Content:
    """One member's content; empty once the reader has gone on."""

    def __init__(self, reader: TarReader, number: int) -> None:
        self._reader = reader
        self._number = number

    def read(self, size: int, /) -> bytes:
        """The next piece."""
        return self._reader.read_content(self._number, size)

    def close(self) -> None:
        """Nothing is held."""
