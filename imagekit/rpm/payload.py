"""The payload: the files' contents, streamed, and compared with what the header says while they pass."""

from __future__ import annotations

import hashlib
import stat
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import BinaryIO, Final

from imagekit.decompression import Decompressed
from imagekit.errors import WrongChecksum
from imagekit.readable import Readable
from imagekit.rpm.cpio import Cpio, Member
from imagekit.rpm.files import KINDS, FileKind, PackagedFile, files
from imagekit.rpm.header import damaged
from imagekit.rpm.package import Package
from imagekit.rpm.tag import Tag

_COMPRESSORS: Final = frozenset({"gzip", "bzip2", "xz", "lzma", "zstd"})
#: Contents up to this size come as bytes, larger ones as streams.
_SMALL: Final = 1 << 20
_PIECE: Final = 1 << 18

#: The bytes, or what gives a stream of them, which is read before the next file is asked for; None for no file.
Content = bytes | Callable[[], Readable] | None
Pair = tuple[PackagedFile, Content]


def unpacked(package: Package, stream: Readable) -> Readable:
    """The archive in a payload; `stream` stands where `Package.read` left it, and is read when the archive is."""
    return _Unpacked(stream, lzma=package.compressor == "lzma")


def payload(
    package: Package,
    archive: Readable,
    *,
    spool: Callable[[], BinaryIO],
    listed: Sequence[PackagedFile] | None = None,
) -> Iterator[Pair]:
    """All files but ghosts, in the order of the `unpacked` archive, all of which is read.

    Each hard link has the content of its own; `spool` makes a file for one that is too large to be held. `listed` are
    the package's files, where they are known already. Raises BuildFailed for a payload that is damaged or says
    something else than the header, WrongChecksum for a content with another digest.
    """
    source = package.source
    if package.header.text(Tag.PAYLOADFORMAT) not in {"", "cpio"} or package.compressor not in _COMPRESSORS:
        form = f"{package.header.text(Tag.PAYLOADFORMAT)}, {package.compressor}"
        raise damaged(source, f"its payload is of an unknown form ({form[:100]})")
    yield from _Payload(Cpio(archive, source), files(package.header) if listed is None else listed, source, spool)


class _Unpacked:
    """What a stream holds, which is looked at when it is first asked for."""

    def __init__(self, stream: Readable, *, lzma: bool) -> None:
        self._stream = stream
        self._lzma = lzma
        self._content: Decompressed | None = None

    def read(self, size: int, /) -> bytes:
        """The next piece; raises Damaged."""
        if self._content is None:
            self._content = Decompressed(self._stream, lzma=self._lzma)
        return self._content.read(size)

    def close(self) -> None:
        """Close the stream."""
        self._stream.close()


class _Payload:
    """A payload that is being read."""

    def __init__(
        self, archive: Cpio, listed: Sequence[PackagedFile], source: str, spool: Callable[[], BinaryIO]
    ) -> None:
        self._archive = archive
        self._listed = listed
        self._source = source
        self._spool = spool
        self._by_path = {file.path: file for file in listed}
        self._links = _links(listed)
        #: Files that the archive has, and those of them whose content has been given out.
        self._seen: set[int] = set()
        self._given: set[int] = set()

    def __iter__(self) -> Iterator[Pair]:
        while member := self._archive.member():
            file = self._file(member)
            if file.index in self._seen:
                raise self._archive.damaged(f"it has /{file.path} twice")
            self._seen.add(file.index)
            if file.is_ghost:
                continue
            if file.kind is FileKind.FILE:
                yield from self._contents(file, self._size(file, member))
            else:
                self._check_special(file, member)
                yield file, None
        missing = [f for f in self._listed if not f.is_ghost and f.index not in self._seen]
        missing += [f for group in self._links.values() for f in group if f.index not in self._given]
        if missing:
            raise self._archive.damaged(f"/{missing[0].path} is missing in it")

    def _file(self, member: Member) -> PackagedFile:
        """What the header says of a member; it has to be of the same kind."""
        if member.index >= 0:
            if member.index >= len(self._listed):
                raise self._archive.damaged("it has a file that the header does not have")
            return self._listed[member.index]
        name = member.name.decode("utf-8", "surrogateescape")
        file = self._by_path.get(name[2:] if name.startswith("./") else name)
        if file is None:
            file = self._by_path.get("/".join(part for part in name.split("/") if part not in {"", "."}))
        if file is None:
            raise self._archive.damaged(f"it has {name[:200]!r}, which the header does not have")
        if KINDS.get(stat.S_IFMT(member.mode)) is not file.kind:
            raise self._archive.damaged(f"/{file.path} is no {file.kind} there")
        return file

    def _size(self, file: PackagedFile, member: Member) -> int:
        """How much content follows: what the header says, or nothing for a hard link whose content is elsewhere."""
        group = self._links.get(file.index)
        if member.index >= 0:
            size = file.size if group is None or group[-1] is file else 0
            self._archive.expect(size)
            return size
        if member.size != file.size and (member.size or group is None):
            raise self._archive.damaged(f"/{file.path} has {member.size:,} bytes there instead of {file.size:,}")
        return member.size

    def _check_special(self, file: PackagedFile, member: Member) -> None:
        """A symlink's content is where it leads to; nothing else has one."""
        target = file.target.encode("utf-8", "surrogateescape")
        if member.index >= 0:
            self._archive.expect(len(target))
        elif member.size != len(target):
            raise self._archive.damaged(f"/{file.path} has another size there")
        if self._archive.whole() != target:
            raise self._archive.damaged(f"/{file.path} leads elsewhere there")

    def _contents(self, file: PackagedFile, size: int) -> Iterator[Pair]:
        """The file with its content, and with it the hard links that wait for it."""
        group = self._links.get(file.index)
        if group is None:
            waiting = [file]
        elif not size:
            return
        else:
            waiting = [link for link in group if link.index not in self._given]
            if file not in waiting:
                raise self._archive.damaged(f"/{file.path} has its content twice")
            self._given.update(link.index for link in waiting)
        if size <= _SMALL:
            data = self._archive.whole()
            if file.digest and hashlib.new(file.algorithm, data, usedforsecurity=False).hexdigest() != file.digest:
                raise wrong_content(self._source, file)
            yield from ((link, data) for link in waiting)
            return
        stream = _Content(self._archive, self._source, file)
        if len(waiting) == 1:
            yield waiting[0], lambda: stream
        else:
            yield from self._spooled(waiting, stream)
        while stream.read(_PIECE):  # what nobody wanted is judged too
            pass

    def _spooled(self, waiting: list[PackagedFile], stream: Readable) -> Iterator[Pair]:
        with self._spool() as spool:
            while piece := stream.read(_PIECE):
                spool.write(piece)
            for file in waiting:
                spool.seek(0)
                copy = _Copy(spool)
                yield file, lambda copy=copy: copy  # type: ignore[misc]  # a default binds this turn's copy


class _Content:
    """One file's content; the digest is judged before the last piece is given out."""

    def __init__(self, archive: Cpio, source: str, file: PackagedFile) -> None:
        self._archive = archive
        self._source = source
        self._file = file
        self._left = file.size
        self._hash = hashlib.new(file.algorithm, usedforsecurity=False) if file.digest else None

    def read(self, size: int, /) -> bytes:
        """The next piece."""
        if not self._left:
            return b""
        piece = self._archive.content(size)
        self._left -= len(piece)
        if self._hash:
            self._hash.update(piece)
            if not self._left and self._hash.hexdigest() != self._file.digest:
                raise wrong_content(self._source, self._file)
        return piece

    def close(self) -> None:
        """The archive goes on."""


class _Copy:
    """The spooled content for one hard link; closing it leaves the file to the next one."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def read(self, size: int, /) -> bytes:
        """The next piece."""
        return self._file.read(size)

    def close(self) -> None:
        """The file is closed after its last hard link."""


def wrong_content(source: str, file: PackagedFile) -> WrongChecksum:
    """The error for a content that is not the one that the header means."""
    return WrongChecksum(f"{source}: the content of /{file.path} has another {file.algorithm} than the header says")


def _links(listed: Sequence[PackagedFile]) -> dict[int, list[PackagedFile]]:
    """For the index of each hard link with a content: all links of its file (rpm, lib/rpmfi.c, rpmfilesBuildNLink)."""
    groups: defaultdict[tuple[int, int, int, str], list[PackagedFile]] = defaultdict(list)
    for file in listed:
        if file.kind is FileKind.FILE and file.size and file.inode and not file.is_ghost:
            groups[file.device, file.inode, file.size, file.digest].append(file)
    return {file.index: group for group in groups.values() if len(group) > 1 for file in group}
