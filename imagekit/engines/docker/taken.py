"""What commands left in a container, as the entries of a layer: what differs from the base, less what no image needs.

Engines tell which paths differ, their export holds all that there is. Both were made by whatever ran there: names are
judged where the layer is written, sizes and numbers where the tar is read.
"""

from __future__ import annotations

import os
import re
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import field, replace
from functools import partial
from tempfile import TemporaryFile
from typing import Final

from imagekit.errors import BuildFailed
from imagekit.readable import Pieces, Readable
from imagekit.rootfs.base_layout import BaseLayout, Directory
from imagekit.rootfs.entry import MTIME, Entry, Item, Kind, normalised, shown
from imagekit.rootfs.tar_reader import Member, MemberKind, TarReader
from imagekit.values import dataclass

#: Folders and files that engines mount or make: what is in them is no part of the image.
MOUNTED: Final = re.compile(
    r"(?:dev|proc|sys)(?:/.*)?|etc/(?:hosts|hostname|resolv\.conf|mtab)|\.dockerenv|run/\.containerenv"
)
#: What is left in these folders is nobody's any more once the container is gone.
PASSING: Final = re.compile(r"(?:run|tmp|var/tmp)/.+")
#: What package managers keep for themselves, and copies that are made before accounts change.
_KEPT: Final = re.compile(
    r"var/(?:cache|lib)/(?:dnf|libdnf5?|yum)(?:/.*)?|etc/dnf/modules\.d|usr/lib/sysimage/libdnf5(?:/.*)?|var/cache/ldconfig(?:/.*)?"
    r"|var/lib/rpm/(?:\.rpm\.lock|__db\..*)|etc/(?:passwd|group|shadow|gshadow|subuid|subgid)-|etc/\.pwd\.lock"
)
_LOGS: Final = "var/log/"
_PIECE: Final = 1 << 20
_CAPABILITY: Final = "security.capability"


@dataclass(frozen=True, kw_only=True, slots=True)
class Rules:
    """What becomes of what differs. `own` are paths that imagekit itself put there; `owned` are files of packages,
    `unneeded` those of them that are left out; `since` is when commands began to run, in seconds by the engine's clock.
    """

    layout: BaseLayout
    own: frozenset[str]
    since: int
    owned: frozenset[str] = frozenset()
    unneeded: frozenset[str] = frozenset()

    def is_left_out(self, path: str) -> bool:
        """True for what belongs into no image."""
        if path in self.unneeded or any(path == one or path.startswith(f"{one}/") for one in self.own):
            return True
        if PASSING.fullmatch(path):
            return path not in self.owned
        return bool(MOUNTED.fullmatch(path) or _KEPT.fullmatch(path))

    def is_log(self, path: str, kind: MemberKind) -> bool:
        """True for what was written while commands ran: a log that no package brings."""
        return path.startswith(_LOGS) and kind is not MemberKind.DIRECTORY and path not in self.owned

    def mtime(self, mtime: int) -> int:
        """Times of what packages brought stay; those of the clock are one constant."""
        return MTIME if mtime >= self.since else mtime


class Contents:
    """Contents of files, one after the other in a file without a name: nothing of it can be left behind."""

    def __init__(self) -> None:
        with TemporaryFile() as file:
            self._descriptor = os.dup(file.fileno())
        weakref.finalize(self, os.close, self._descriptor)
        self._end = 0

    def add(self, stream: Readable) -> int:
        """Write one; returns where it begins."""
        start = self._end
        while piece := stream.read(_PIECE):
            rest = memoryview(piece)
            while rest:
                written = os.pwrite(self._descriptor, rest, self._end)
                rest = rest[written:]
                self._end += written
        return start

    def opened(self, start: int, size: int) -> Readable:
        """One of them."""
        return _Part(self, start, size)

    def read(self, start: int, size: int) -> bytes:
        """A piece."""
        return os.pread(self._descriptor, size, start)


class _Part:
    """A part of them, which others read too."""

    def __init__(self, contents: Contents, start: int, size: int) -> None:
        self._contents, self._place, self._end = contents, start, start + size

    def read(self, size: int, /) -> bytes:
        """The next piece."""
        piece = self._contents.read(self._place, min(size, self._end - self._place))
        self._place += len(piece)
        return piece

    def close(self) -> None:
        """They stay for others."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Taken:
    """A root file system as it differs from its base. `present` are all paths that it has; `starts` is where a file's
    content begins in `contents`.
    """

    rules: Rules
    contents: Contents
    entries: Mapping[str, Entry]
    starts: Mapping[str, int]
    present: frozenset[str]
    special: tuple[str, ...] = ()

    def items(self) -> Iterator[Item]:
        """Directories first, then all else, by path."""
        for path, entry in sorted(self.entries.items(), key=lambda one: (one[1].kind is not Kind.DIRECTORY, one[0])):
            content = partial(self.contents.opened, self.starts[path], entry.size) if path in self.starts else None
            yield entry, content

    def gone(self) -> Iterator[str]:
        """Paths of the base that are no longer there."""
        layout = self.rules.layout
        for path in (*layout.directories, *layout.symlinks, *layout.files):
            if path not in self.present and not MOUNTED.fullmatch(path):
                yield path

    def read(self, path: str) -> bytes | None:
        """The content of a file that differs; None where it does not, or is no file."""
        if path not in self.starts:
            return None
        stream = self.contents.opened(self.starts[path], self.entries[path].size)
        return b"".join(iter(lambda: stream.read(_PIECE), b""))

    def with_content(self, path: str, data: bytes) -> Taken:
        """The same with other content of a file."""
        start = self.contents.add(Pieces(iter((data,))))
        entry = replace(self.entries[path], size=len(data))
        return replace(self, entries={**self.entries, path: entry}, starts={**self.starts, path: start})

    def without(self, paths: Iterable[str]) -> Taken:
        """The same less some entries."""
        left = set(paths)
        return replace(self, entries={path: one for path, one in self.entries.items() if path not in left})


@dataclass(frozen=True, kw_only=True, slots=True)
class _Reading:
    """What was read of an export so far."""

    rules: Rules
    wanted: frozenset[str]
    contents: Contents
    entries: dict[str, Entry] = field(default_factory=dict)
    starts: dict[str, int] = field(default_factory=dict)
    present: set[str] = field(default_factory=set)
    special: list[str] = field(default_factory=list)
    #: Hard links whose content is under a path that does not differ.
    links: dict[str, str] = field(default_factory=dict)

    def take(self, member: Member, reader: TarReader) -> None:
        """One member of the export."""
        path = normalised(member.name).lstrip("/")
        if not path:
            return
        self.present.add(path)
        if path not in self.wanted or self.rules.is_log(path, member.kind):
            return
        entry = self.entry(path, member)
        match member.kind:
            case MemberKind.FILE:
                self.entries[path] = entry
                self.starts[path] = self.contents.add(reader.content())
            case MemberKind.DIRECTORY:
                self._directory(entry)
            case MemberKind.SYMLINK:
                self.entries[path] = replace(entry, kind=Kind.SYMLINK, mode=0o777, target=member.target)
            case MemberKind.HARDLINK:
                self._link(entry, normalised(member.target).lstrip("/"))
            case MemberKind.SPECIAL:
                self.special.append(path)

    def entry(self, path: str, member: Member) -> Entry:
        """A member as it goes into a layer."""
        return Entry(
            path=path,
            mode=member.mode,
            uid=member.uid,
            gid=member.gid,
            mtime=self.rules.mtime(member.mtime),
            size=member.size,
            xattrs={_CAPABILITY: member.capability} if member.capability else {},
        )

    def _directory(self, entry: Entry) -> None:
        """A directory of the base is only an entry where its mode or owner is another now."""
        known = self.rules.layout.directories.get(entry.path)
        if known is None:
            self.entries[entry.path] = replace(entry, kind=Kind.DIRECTORY, size=0)
        elif _differs(known, entry):
            self.entries[entry.path] = replace(entry, kind=Kind.DIRECTORY, size=0, mtime=known.mtime)

    def _link(self, entry: Entry, target: str) -> None:
        """No layer has hard links (Lambda takes none): each is a file of its own."""
        if target in self.starts:
            one = self.entries[target]
            self.entries[entry.path] = replace(one, path=entry.path)
            self.starts[entry.path] = self.starts[target]
        else:
            self.links[entry.path] = target


def taken(
    changed: Iterable[str],
    reader: TarReader,
    rules: Rules,
    single: Callable[[str], Iterator[tuple[Member, Readable]]],
) -> Taken:
    """What of an export is different; `changed` are the paths that the engine names, relative to the root.

    `single` gives the member of one path by itself, for a file whose content stands under another name in the export.
    Raises BuildFailed for a damaged export, and for names that no layer can hold.
    """
    # An engine may tell files apart by their size and time alone: what packages bring is taken in any case.
    wanted = frozenset(path for path in (*changed, *rules.owned) if not rules.is_left_out(path))
    for path in sorted(wanted):
        if "\N{REPLACEMENT CHARACTER}" in path:
            raise BuildFailed(
                f"the path {shown('/' + path)} in the container is not UTF-8",
                hint="have the commands remove it; Lambda takes no image with such a name",
            )
    reading = _Reading(rules=rules, wanted=wanted, contents=Contents())
    for member in reader:
        reading.take(member, reader)
    for path in reading.links:
        for member, stream in single(path):
            if member.kind is not MemberKind.FILE:
                raise BuildFailed(f"the hard link {shown('/' + path)} in the container leads to no file")
            reading.entries[path] = reading.entry(path, member)
            reading.starts[path] = reading.contents.add(stream)
    return Taken(
        rules=rules,
        contents=reading.contents,
        entries=reading.entries,
        starts=reading.starts,
        present=frozenset(reading.present),
        special=tuple(sorted(reading.special)),
    )


def _differs(known: Directory, entry: Entry) -> bool:
    return (known.mode, known.uid, known.gid) != (entry.mode, entry.uid, entry.gid)
