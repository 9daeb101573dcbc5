"""The files of a layout in a tar, read at their offsets without unpacking it.

Such a tar comes from anywhere. It may hold plain files and folders, each once; a link, a name that climbs out, or a
size beyond the file's end is no mistake that a tool makes. Headers are bounded in number and size.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from typing import Final

from imagekit.errors import InvalidFile
from imagekit.rootfs.tar_header import BLOCK, EXTENSIONS, Header
from imagekit.values import dataclass

_PIECE: Final = 256 * 1024
#: An index of 1,000 images with 1,000 layers each would be larger; nobody has that in one file.
_MAX_MEMBERS: Final = 50_000
_MAX_EXTENSION: Final = 64 * 1024
_FILES: Final = frozenset({b"0", b"\0", b"7"})
_FOLDER: Final = b"5"
_COMPRESSIONS: Final = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd", b"\xfd7zXZ": "xz", b"BZh": "bzip2"}


@dataclass(frozen=True, kw_only=True, slots=True)
class _Member:
    offset: int
    size: int


class Tarball:
    """The `Files` of a layout in a tar."""

    def __init__(self, path: str) -> None:
        self.where = f"oci-archive:{path}"
        self._path = path

    def size(self, name: str) -> int | None:
        """Bytes of a file, None when there is none; raises InvalidFile."""
        member = self._members.get(name)
        return member.size if member else None

    @contextmanager
    def pieces(self, name: str) -> Iterator[Iterator[bytes]]:
        """The bytes of a file; raises InvalidFile."""
        member = self._members.get(name)
        if member is None:
            raise InvalidFile(f"{self.where} has no {name}")
        with self._opened() as file:
            yield _read(file, member)

    @cached_property
    def _members(self) -> Mapping[str, _Member]:
        with self._opened() as file:
            try:
                return dict(_scan(file))
            except ValueError as error:
                raise InvalidFile(
                    f"{self.where}: {error}", hint="an oci-archive is the plain tar of an image layout; write it again"
                ) from error

    @contextmanager
    def _opened(self) -> Iterator[int]:
        try:
            file = os.open(self._path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            raise InvalidFile(f"{self.where} cannot be read: {error.strerror}") from error
        try:
            if not stat.S_ISREG(os.fstat(file).st_mode):
                raise InvalidFile(f"{self.where} is not a file")
            yield file
        finally:
            os.close(file)


def _scan(file: int) -> Iterator[tuple[str, _Member]]:
    """The files of a tar; raises ValueError for one that is damaged or hostile."""
    _refuse_compressed(os.pread(file, 6, 0))
    end = os.fstat(file).st_size
    seen: set[str] = set()
    for header, offset in _headers(file):
        name = _name(header)
        if header.kind == _FOLDER:
            continue
        if header.kind not in _FILES or header.is_sparse:
            raise ValueError(f"{name!r} is neither a file nor a folder")
        if name in seen:
            raise ValueError(f"{name!r} is there twice")
        if offset + header.size > end:
            raise ValueError(f"it is cut off in {name!r}")
        seen.add(name)
        yield name, _Member(offset=offset, size=header.size)


def _headers(file: int) -> Iterator[tuple[Header, int]]:
    """Each member's header, extensions applied, and where its content begins."""
    offset = 0
    common: dict[str, bytes] = {}
    local: dict[str, bytes] = {}
    for _ in range(_MAX_MEMBERS):
        block = os.pread(file, BLOCK, offset)
        if len(block) < BLOCK:
            raise ValueError("it is cut off")
        if not any(block):
            return
        header = Header.from_block(block)
        offset += BLOCK
        if header.kind in EXTENSIONS:
            if header.size > _MAX_EXTENSION:
                raise ValueError(f"an extension header of {header.size:,} bytes")
            (common if header.kind == b"g" else local).update(header.extension(os.pread(file, header.size, offset)))
        else:
            header = header.extended({**common, **local})
            local = {}
            yield header, offset
        offset += header.size + -header.size % BLOCK
    raise ValueError(f"it has more than {_MAX_MEMBERS:,} headers")


def _name(header: Header) -> str:
    """A member's name in the layout; `tar -C DIR .` begins each with `./`."""
    name = header.name.removeprefix("./").rstrip("/")
    if name.startswith("/") or ".." in name.split("/") or "\0" in name:
        raise ValueError(f"the name {name[:100]!r} leads out of the layout")
    return name


def _refuse_compressed(start: bytes) -> None:
    for magic, name in _COMPRESSIONS.items():
        if start.startswith(magic):
            raise ValueError(f"it is compressed with {name}: unpack it to a plain tar first")


def _read(file: int, member: _Member) -> Iterator[bytes]:
    offset, left = member.offset, member.size
    while left:
        piece = os.pread(file, min(left, _PIECE), offset)
        if not piece:  # cut off since it was scanned: the digest will tell
            return
        offset += len(piece)
        left -= len(piece)
        yield piece
