"""A zip file as items of a layer (APPNOTE.TXT; Unix modes as Info-ZIP keeps them in the external attributes)."""

from __future__ import annotations

import calendar
import stat
import struct
import zlib
from collections.abc import Iterator
from typing import IO, TYPE_CHECKING, Final, cast

from imagekit.errors import BuildFailed
from imagekit.rootfs.entry import MAX_PATH, MTIME, Entry, Item, Kind, archive_mode, shown
from imagekit.rootfs.placing import Placing
from imagekit.rootfs.tar_reader import Limits

if TYPE_CHECKING:
    from zipfile import ZipFile, ZipInfo

#: Stored, deflate, bzip2: what can be unpacked in bounded memory.
_METHODS: Final = {0, 8, 12}
_ENCRYPTED: Final = 0x1
_UNIX: Final = 3
#: The directory at the end is read at once: about a million entries.
_MAX_READ: Final = 128 << 20
_HINT: Final = "get the archive again, or look at it with `unzip -Zv`"


def read_zip(path: str, placing: Placing, limits: Limits) -> Iterator[Item]:
    """The items in the order of the zip's directory; raises BuildFailed, naming archive and entry."""
    from zipfile import BadZipFile, ZipFile

    with open(path, "rb") as file:
        try:
            archive = ZipFile(cast("IO[bytes]", _Bounded(file)))
        except (BadZipFile, *_DAMAGE) as error:
            raise BuildFailed(f"{placing.source}: it is damaged ({error})", hint=_HINT) from error
        with archive:
            members = archive.infolist()
            total = sum(info.file_size for info in members)
            if len(members) > limits.entries or total > limits.total:
                raise BuildFailed(
                    f"{placing.source}: it has {len(members):,} entries and unpacks to {total:,} bytes; "
                    f"{limits.entries:,} and {limits.total:,} are allowed",
                    hint="a layer cannot be larger than an image may be",
                )
            for info in members:
                place = placing.place_of(info.orig_filename)
                if place is not None:
                    yield _item(archive, info, place, placing)


def _item(archive: ZipFile, info: ZipInfo, place: str, placing: Placing) -> Item:
    name = shown(info.orig_filename)
    if info.flag_bits & _ENCRYPTED:
        raise BuildFailed(f"{placing.source}: {name} is encrypted", hint="pack the archive without a password")
    if info.compress_type not in _METHODS:
        raise BuildFailed(
            f"{placing.source}: {name} is compressed by method {info.compress_type}", hint="pack it with deflate"
        )
    mode = info.external_attr >> 16 if info.create_system == _UNIX else 0
    if not mode & 0o777:  # packed by a system without modes
        mode |= 0o644
    if info.is_dir():
        return Entry(path=place, kind=Kind.DIRECTORY, mode=archive_mode(mode, Kind.DIRECTORY), mtime=_mtime(info)), None
    content = _Content(archive, info, placing.source)
    if stat.S_ISLNK(mode):
        return _symlink(content, info, place, placing), None
    if stat.S_IFMT(mode) not in {0, stat.S_IFREG}:
        raise BuildFailed(
            f"{placing.source}: {name} is a device, a pipe or a socket", hint="pack the archive without it"
        )
    entry = Entry(path=place, mode=archive_mode(mode, Kind.FILE), mtime=_mtime(info), size=info.file_size)
    return entry, lambda: content


def _symlink(content: _Content, info: ZipInfo, place: str, placing: Placing) -> Entry:
    """The content of a symlink is its target."""
    raw = b""
    while len(raw) <= MAX_PATH and (piece := content.read(MAX_PATH + 1)):
        raw += piece
    content.close()
    target = raw.decode("utf-8", "surrogateescape")
    placing.check_link(place, target)
    return Entry(path=place, kind=Kind.SYMLINK, mode=0o777, mtime=_mtime(info), target=target)


def _mtime(info: ZipInfo) -> int:
    """Seconds since 1970. A zip holds local time without a zone; it is taken as UTC, everywhere the same."""
    try:
        return calendar.timegm((*info.date_time, 0, 0, 0))
    except ValueError:  # many packers leave month and day at 0
        return MTIME


class _Content:
    """A member's content, opened at the first read; what is damaged raises BuildFailed."""

    def __init__(self, archive: ZipFile, info: ZipInfo, source: str) -> None:
        self._archive = archive
        self._info = info
        self._source = source
        self._left = info.file_size
        self._stream: IO[bytes] | None = None

    def read(self, size: int, /) -> bytes:
        """The next piece, checked against the size and at the end the crc that the zip says."""
        from zipfile import BadZipFile

        try:
            if self._stream is None:
                self._stream = self._archive.open(self._info)
            piece = self._stream.read(size)
        except (BadZipFile, *_DAMAGE) as error:
            raise self._damaged(str(error)) from error
        self._left -= len(piece)
        if self._left and not piece:
            raise self._damaged("it is cut off")
        return piece

    def close(self) -> None:
        """Let the member go; the archive stays open."""
        if self._stream is not None:
            self._stream.close()

    def _damaged(self, what: str) -> BuildFailed:
        return BuildFailed(f"{self._source}: {shown(self._info.orig_filename)} is damaged ({what})", hint=_HINT)


class _Bounded:
    """A file that refuses to be read into memory as a whole, whatever the zip's directory claims to be long."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.seek = file.seek
        self.tell = file.tell
        self.seekable = file.seekable

    def read(self, size: int = -1, /) -> bytes:
        """A part; raises ValueError for one that is too large."""
        if size > _MAX_READ:
            raise ValueError(f"a part of {size:,} bytes")
        return self._file.read(size if size >= 0 else _MAX_READ)


#: What zipfile and its decoders raise at hostile bytes, beside BadZipFile.
_DAMAGE: Final = (
    zlib.error,
    struct.error,
    OSError,
    EOFError,
    ValueError,
    NotImplementedError,
    RuntimeError,
    OverflowError,
    IndexError,
    MemoryError,
)
