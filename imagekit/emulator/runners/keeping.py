"""What a sandbox's /tmp held, for a look afterwards: foreign files, so nothing is followed, and no more than fits.

Files and folders are their new owner's, with the modes they had for him; what is neither, nor a symlink, is left out.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from typing import Final

from imagekit.errors import BuildFailed
from imagekit.readable import Pieces
from imagekit.rootfs.tar_reader import Limits, Member, MemberKind, TarReader

#: Names, and folders in folders.
_MOST: Final = 100_000
_DEEPEST: Final = 64
_PIECE: Final = 1 << 20
#: Bytes of a tar for each name beside its content: headers, long names, padding.
_HEADERS: Final = 8192
_NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_KNOWN: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def copied(source: int, folder: str) -> int:
    """Copy what is in an open folder into an empty one; how many things could not be."""
    return _Copy().into(source, folder, _DEEPEST)


def extracted(pieces: Iterable[bytes], folder: str, room: int) -> int:
    """Unpack the tar of a folder into an empty one; how many things of it could not be.

    `room` is how many bytes files could hold together there. Raises BuildFailed for more than that, or a damaged tar.
    """
    left_out = 0
    limits = Limits(total=room + _MOST * _HEADERS, entries=_MOST)
    reader = TarReader(_Stream(iter(pieces)), "/tmp", limits)
    for member in reader:
        if member.kind is MemberKind.FILE and member.size > room:
            raise BuildFailed(f"/tmp holds a file of {member.size:,} bytes, of which most is a hole")
        try:
            left_out += not _extract(member, reader, folder)
        except (OSError, ValueError):
            left_out += 1
    return left_out


class _Copy:
    """One copying."""

    def __init__(self) -> None:
        self._room = _MOST

    def into(self, source: int, folder: str, depth: int) -> int:
        """Copy a folder's content; how many things could not be."""
        left_out = 0
        with os.scandir(source) as entries:
            for entry in entries:
                self._room -= 1
                try:
                    left_out += self._one(source, entry, f"{folder}/{entry.name}", depth) if self._room >= 0 else 1
                except OSError:
                    left_out += 1
        return left_out

    def _one(self, source: int, entry: os.DirEntry[str], place: str, depth: int) -> int:
        if entry.is_symlink():
            os.symlink(os.readlink(entry.name, dir_fd=source), place)
            return 0
        if entry.is_dir(follow_symlinks=False):
            return self._folder(source, entry.name, place, depth)
        if not entry.is_file(follow_symlinks=False):
            return 1
        file = os.open(entry.name, _KNOWN, dir_fd=source)
        try:
            _copy(file, place)
        finally:
            os.close(file)
        return 0

    def _folder(self, source: int, name: str, place: str, depth: int) -> int:
        if depth == 0:
            return 1
        inner = os.open(name, _KNOWN | os.O_DIRECTORY, dir_fd=source)
        try:
            os.mkdir(place, 0o700)
            return self.into(inner, place, depth - 1)
        finally:
            os.close(inner)


def _copy(source: int, place: str) -> None:
    """A file, whose holes stay holes: a function may claim a size that no disk has."""
    state = os.fstat(source)
    target = os.open(place, _NEW, _mode(state.st_mode))
    try:
        at = 0
        while at < state.st_size:
            at = _next_data(source, at, state.st_size)
            end = os.lseek(source, at, os.SEEK_HOLE) if at < state.st_size else at
            while at < end:
                sent = os.pwrite(target, os.pread(source, min(_PIECE, end - at), at), at)
                if not sent:
                    return  # it became shorter meanwhile
                at += sent
        os.ftruncate(target, state.st_size)
    finally:
        os.close(target)


def _next_data(source: int, at: int, size: int) -> int:
    try:
        return os.lseek(source, at, os.SEEK_DATA)
    except OSError:  # ENXIO: nothing but a hole follows (lseek(2))
        return size


def _extract(member: Member, reader: TarReader, folder: str) -> bool:
    """Put a member into the folder; False when it is left out."""
    names = [name for name in member.name.split("/") if name not in {"", "."}]
    if ".." in names or len(names) > _DEEPEST:
        return False
    parent, place = _parent(folder, names)
    match member.kind:
        case MemberKind.DIRECTORY:
            os.makedirs(place, 0o700, exist_ok=True)
        case MemberKind.FILE if parent:
            _write(reader, place, _mode(member.mode))
        case MemberKind.SYMLINK if parent:
            os.symlink(member.target, place)
        case _:
            return False
    return True


def _parent(folder: str, names: list[str]) -> tuple[str, str]:
    """The folder that a name is in, and its own place; raises OSError where a symlink is on the way."""
    place = folder
    for name in names[:-1]:
        place = f"{place}/{name}"
        if not stat.S_ISDIR(os.lstat(place).st_mode):
            raise NotADirectoryError(place)
    return place if names else "", f"{place}/{names[-1]}" if names else folder


def _write(reader: TarReader, place: str, mode: int) -> None:
    content = reader.content()
    with open(os.open(place, _NEW, mode), "wb") as file:
        while piece := content.read(_PIECE):
            file.write(piece)


def _mode(mode: int) -> int:
    return mode & 0o777 | stat.S_IRUSR | stat.S_IWUSR


class _Stream(Pieces):
    """Pieces as TarReader reads them."""

    proves_end = False
