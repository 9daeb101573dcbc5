"""Files on their way into a container and out of one: as tar (Docker Engine API, PutContainerArchive).

What comes out was made by whatever ran there, and is read as any hostile archive is.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Final

from imagekit.errors import BuildFailed
from imagekit.readable import Pieces, Readable
from imagekit.rootfs import tar
from imagekit.rootfs.entry import Entry, Item, Kind, normalised, shown, user_mode
from imagekit.rootfs.placing import Placing
from imagekit.rootfs.tar_reader import Limits, Member, MemberKind, TarReader

_PIECE: Final = 1 << 20
_NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def archive(items: Iterable[Item]) -> Iterator[bytes]:
    """The tar of these, in pieces; raises BuildFailed for a file that is not as long as its entry says."""
    waiting = bytearray()
    for piece in _archive(items):
        # Each piece is a chunk of the request: thousands of small ones would take longer than what is in them.
        waiting += piece
        if len(waiting) >= _PIECE:
            yield bytes(waiting)
            waiting.clear()
    yield bytes(waiting)


def _archive(items: Iterable[Item]) -> Iterator[bytes]:
    for entry, content in items:
        yield tar.header(entry)
        if entry.kind is not Kind.FILE or content is None:
            continue
        given = content() if callable(content) else content
        size = 0
        for piece in (given,) if isinstance(given, bytes) else _pieces(given):
            size += len(piece)
            if size <= entry.size and piece:
                yield piece
        if size != entry.size:
            raise BuildFailed(
                f"{shown(entry.path)} changed while it was read",
                hint="let nothing write to the files while they are copied into a container, and build again",
            )
        if padding := tar.padding(size):
            yield padding
    yield tar.END


def with_parents(items: Iterable[Item]) -> Iterator[Item]:
    """The same, each directory once and before what is in it; those that nobody names are 0755."""
    known = {""}
    for entry, content in items:
        names = entry.path.split("/")
        for count in range(1, len(names)):
            parent = "/".join(names[:count])
            if parent not in known:
                known.add(parent)
                yield Entry(path=parent, kind=Kind.DIRECTORY, mode=0o755), None
        if entry.path not in known or entry.kind is not Kind.DIRECTORY:
            known.add(entry.path)
            yield entry, content


@contextmanager
def reading(pieces: Iterable[bytes], source: str, limits: Limits) -> Iterator[TarReader]:
    """A tar that an engine gives in pieces; messages call it `source`."""
    yield TarReader(_Sent(iter(pieces)), source, limits)


def unpack(reader: TarReader, folder: str, source: str) -> tuple[str, ...]:
    """Write what a tar holds into an empty folder that is nobody else's; returns the paths of its files, in order.

    Files are 0644, or 0755 where anyone may execute them. Symlinks are kept and never followed; hard links lead to the
    same file. Raises BuildFailed for what is hostile, for devices and sockets, and for one name twice.
    """
    unpacking = _Unpacking(folder, source)
    for member in reader:
        unpacking.take(member, reader)
    return tuple(unpacking.files)


class _Unpacking:
    """What was written so far; nobody else writes there, so names are judged here and never by the disk."""

    def __init__(self, folder: str, source: str) -> None:
        self.files: dict[str, None] = {}
        self._directories = {""}
        self._links: set[str] = set()
        self._folder = folder
        self._placing = Placing(source=source, target="", strip=0)

    def take(self, member: Member, reader: TarReader) -> None:
        """Write one more."""
        place = self._placing.place_of(member.name)
        if place is None:
            return
        if member.kind is MemberKind.DIRECTORY:
            self._make(place)
            return
        if place in self.files or place in self._links or place in self._directories:
            raise self._hostile(f"{shown(place)} is in it twice")
        self._make(os.path.dirname(place))
        self._write(place, member, reader)

    def _make(self, place: str) -> None:
        """A directory, and those that it lies in."""
        names = place.split("/") if place not in self._directories else []
        for count in range(1, len(names) + 1):
            part = "/".join(names[:count])
            if part in self.files or part in self._links:
                raise self._hostile(f"{shown(part)} is in it twice, and once no folder")
            if part not in self._directories:
                os.mkdir(self._disk(part), 0o755)
                self._directories.add(part)

    def _write(self, place: str, member: Member, reader: TarReader) -> None:
        match member.kind:
            case MemberKind.FILE:
                descriptor = os.open(self._disk(place), _NEW, 0o644)
                with open(descriptor, "wb") as file:
                    file.writelines(_pieces(reader.content()))
                    os.fchmod(descriptor, user_mode(member.mode))
                self.files[place] = None
            case MemberKind.SYMLINK:
                self._placing.check_link(place, member.target)
                os.symlink(member.target, self._disk(place))
                self._links.add(place)
            case MemberKind.HARDLINK:
                origin = normalised(member.target)
                if origin not in self.files:
                    raise self._hostile(f"the hard link {shown(place)} leads to {shown(member.target)}")
                os.link(self._disk(origin), self._disk(place), follow_symlinks=False)
                self.files[place] = None
            case _:
                raise self._hostile(f"{shown(place)} is a {member.kind}")

    def _disk(self, place: str) -> str:
        return os.path.join(self._folder, place)

    def _hostile(self, what: str) -> BuildFailed:
        return BuildFailed(
            f"{self._placing.source}: {what}",
            hint="only files, directories and symlinks, each once, are taken out of a container; leave out what is not",
        )


def _pieces(stream: Readable) -> Iterator[bytes]:
    try:
        while piece := stream.read(_PIECE):
            yield piece
    finally:
        stream.close()


class _Sent(Pieces):
    """A tar without compression: its own mark says where it ends."""

    proves_end = False
