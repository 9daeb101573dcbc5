"""The archive in a payload: cpio in the form "newc", and rpm's own form for files that are too large for that.

Both have a header of hex digits before each member, and pad to four bytes. rpm's form has no names and no sizes, only
each file's place in the package's header (rpm, lib/cpio.c).
"""

from __future__ import annotations

from struct import Struct
from typing import Final

from imagekit.decompression import Damaged
from imagekit.errors import BuildFailed
from imagekit.readable import Readable
from imagekit.rpm.header import damaged
from imagekit.values import dataclass

_NEWC: Final = (b"070701", b"070702")
_BY_INDEX: Final = b"07070X"
_TRAILER: Final = b"TRAILER!!!"
#: After the magic: inode, mode, uid, gid, links, mtime, size, four of devices, size of the name, checksum.
_FIELDS: Final = Struct(">13I")
_MAX_NAME: Final = 4096
_BLOCK: Final = 1 << 20
#: What may follow the trailer: cpio fills its last block with zeros.
_MAX_PADDING: Final = 1 << 20


@dataclass(frozen=True, kw_only=True, slots=True)
class Member:
    """A file of the archive: by its name, with mode and size; or by its `index` alone, which is else negative."""

    name: bytes = b""
    mode: int = 0
    size: int = 0
    index: int = -1


class Cpio:
    """Members in order, each one's content after it. Raises BuildFailed, naming `source`."""

    def __init__(self, stream: Readable, source: str) -> None:
        self._stream = stream
        self._source = source
        self._block = b""
        self._at = 0
        self._read = 0
        self._left = 0

    def member(self) -> Member | None:
        """The next member; what is left of the last one's content is passed over. None at the end of the archive."""
        while self._left:
            self.content(_BLOCK)
        self._pad()
        magic = self._exactly(6)
        if magic == _BY_INDEX:
            index = int.from_bytes(self._hex(4))
            self._pad()
            return Member(index=index)
        if magic not in _NEWC:
            raise self.damaged("it does not go on as an archive does")
        _, mode, *_, size, _, _, _, _, length, _ = _FIELDS.unpack(self._hex(_FIELDS.size))
        if not 1 < length <= _MAX_NAME:
            raise self.damaged(f"a name of {length:,} bytes")
        name = self._exactly(length)
        if name.find(0) != length - 1:
            raise self.damaged("a name that does not end where it says")
        self._pad()
        if name[:-1] == _TRAILER:
            self._end()
            return None
        self._left = size
        return Member(name=name[:-1], mode=mode, size=size)

    def expect(self, size: int) -> None:
        """Say how large the member is that came last, by its index."""
        self._left = size

    def whole(self) -> bytes:
        """All the content of the member that came last."""
        size, self._left = self._left, 0
        return self._exactly(size)

    def content(self, size: int) -> bytes:
        """A piece of the content of the member that came last; empty at its end."""
        size = min(size, self._left)
        if not size:
            return b""
        if self._at == len(self._block):
            self._fill()
        piece = self._block[self._at : self._at + size]
        self._at += len(piece)
        self._read += len(piece)
        self._left -= len(piece)
        return piece

    def damaged(self, what: str) -> BuildFailed:
        """The error for this payload."""
        return damaged(f"{self._source}: the payload", what)

    def _hex(self, size: int) -> bytes:
        try:
            data = bytes.fromhex(self._exactly(2 * size).decode("ascii"))
        except ValueError as error:
            raise self.damaged("a number that is none") from error
        if len(data) != size:  # spaces
            raise self.damaged("a number that is none")
        return data

    def _pad(self) -> None:
        padding = -self._read % 4
        if padding:
            self._exactly(padding)

    def _exactly(self, size: int) -> bytes:
        end = self._at + size
        if end > len(self._block):
            return self._across(size)
        piece = self._block[self._at : end]
        self._at = end
        self._read += size
        return piece

    def _across(self, size: int) -> bytes:
        """So many bytes from more than one block."""
        pieces = [self._block[self._at :]]
        missing = size - len(pieces[0])
        while missing:
            self._fill()
            piece = self._block[:missing]
            self._at = len(piece)
            missing -= len(piece)
            pieces.append(piece)
        self._read += size
        return b"".join(pieces)

    def _fill(self) -> None:
        self._block, self._at = self._some(), 0
        if not self._block:
            raise self.damaged("it is cut off")

    def _some(self) -> bytes:
        try:
            return self._stream.read(_BLOCK)
        except (Damaged, OSError) as error:
            raise self.damaged(str(error)) from error

    def _end(self) -> None:
        """Read on to the end: a compression's checksum is judged there."""
        rest, size = self._block[self._at :], 0
        while True:
            size += len(rest)
            if rest.strip(b"\0") or size > _MAX_PADDING:
                raise self.damaged("something follows its end")
            rest = self._some()
            if not rest:
                return
