"""Where the files of packages go in an image, with which owners; what two packages cannot both have is refused."""

from __future__ import annotations

import re
import stat
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from imagekit.engines.native.accounts import Accounts
from imagekit.engines.native.incoming import Incoming
from imagekit.errors import BuildFailed
from imagekit.oci.digest import Digest
from imagekit.rootfs.base_layout import BaseLayout
from imagekit.rootfs.entry import Entry, Kind, checked, shown
from imagekit.rpm.files import FileKind, PackagedFile
from imagekit.values import dataclass

_KINDS: Final = {
    FileKind.FILE: Kind.FILE,
    FileKind.DIRECTORY: Kind.DIRECTORY,
    FileKind.SYMLINK: Kind.SYMLINK,
}
_ID: Final = re.compile(r"[0-9]{1,9}")
_CAPABILITY: Final = "security.capability"


@dataclass(frozen=True, kw_only=True, slots=True)
class Placed:
    """A file of a package, and the path that the image's symlinks lead to."""

    path: str
    kind: Kind
    file: PackagedFile
    package: str


class Ways:
    """Paths of the image as packages change it: the base's symlinks, and theirs."""

    def __init__(self, layout: BaseLayout) -> None:
        self._links = dict(layout.symlinks)
        self._layout = BaseLayout(symlinks=self._links)
        self._folders: dict[str, str] = {"": ""}

    def link(self, path: str, target: str) -> None:
        """Another symlink."""
        self._links[path] = target
        self._folders = {"": ""}

    def place_of(self, path: str) -> str:
        """Where an entry for a path goes: its parents resolved, its own name kept."""
        parent, _, name = path.rpartition("/")
        place = self.folder(parent)
        return f"{place}/{name}" if place else name

    def folder(self, path: str) -> str:
        """Where a directory is."""
        place = self._folders.get(path)
        if place is None:
            place = self._folders[path] = self._layout.resolved(path)
        return place


class Placement:
    """The files of all packages of one layer. `warn` is told what an image cannot hold."""

    def __init__(self, layout: BaseLayout, warn: Callable[[str], None]) -> None:
        self.ways = Ways(layout)
        self._warn = warn
        #: By the place in the image; the first package that has a path has it.
        self.places: dict[str, Placed] = {}
        #: By package and number of the file in it: what its payload brings.
        self.chosen: dict[tuple[str, int], Placed] = {}
        #: By package the numbers of the files that are not laid down, though it has them.
        self.left_out: dict[str, set[int]] = {}

    def add(self, packages: Sequence[Incoming], wanted: Callable[[PackagedFile], bool]) -> None:
        """Place the files of packages that are wanted; raises BuildFailed for two that differ at one path."""
        links = [file for one in packages for file in one.files if _is_link(file) and wanted(file)]
        for file in sorted(links, key=lambda link: (link.path.count("/"), link.path)):
            self.ways.link(self.ways.place_of(checked(file.path)), file.target)
        for one in packages:
            for file in one.files:
                if not file.path or file.is_ghost:
                    continue
                if not wanted(file) or file.kind not in _KINDS:
                    self.left_out.setdefault(one.nevra, set()).add(file.index)
                if wanted(file):
                    self._place(one, file)

    def take_back(self, placed: Placed) -> None:
        """Leave what the base has in a file's place."""
        del self.places[placed.path]
        del self.chosen[placed.package, placed.file.index]

    def rename(self, placed: Placed, path: str) -> None:
        """Put a file elsewhere."""
        self.take_back(placed)
        self.places[path] = self.chosen[placed.package, placed.file.index] = replace(placed, path=path)

    def _place(self, package: Incoming, file: PackagedFile) -> None:
        kind = _KINDS.get(file.kind)
        if kind is None:
            self._warn(f"{package.nevra}: /{file.path} is a {file.kind}, which an image cannot hold, and is left out")
            return
        path = checked(file.path, package.nevra)
        place = self.ways.folder(path) if kind is Kind.DIRECTORY else self.ways.place_of(path)
        there = self.places.get(place)
        if there:
            if not _same(there.file, file):
                raise _clash(place, there.package, package.nevra)
            return
        placed = Placed(path=place, kind=kind, file=file, package=package.nevra)
        self.places[place] = placed
        self.chosen[package.nevra, file.index] = placed


class Owners:
    """Entries for files of packages: the numbers of their owners are those of the finished image."""

    def __init__(self, accounts: Accounts, warn: Callable[[str], None]) -> None:
        self._accounts = accounts
        self._warn = warn
        self._unknown: set[tuple[str, str]] = set()

    def entry(self, placed: Placed) -> Entry:
        """The entry for a file."""
        file, kind = placed.file, placed.kind
        digest = file.digest if kind is Kind.FILE and file.algorithm == "sha256" else ""
        uid, gid = self._accounts.uid(file.user), self._accounts.gid(file.group)
        # What was to run as somebody who is not there must not run as root (rpm, lib/fsm.c).
        lost = (stat.S_ISUID if uid is None else 0) | (stat.S_ISGID if gid is None else 0)
        return Entry(
            path=placed.path,
            kind=kind,
            mode=0o777 if kind is Kind.SYMLINK else file.mode & ~lost,
            uid=self._number(placed, "user", file.user, uid),
            gid=self._number(placed, "group", file.group, gid),
            mtime=file.mtime,
            size=file.size,
            target=file.target,
            xattrs={_CAPABILITY: file.capabilities} if file.capabilities else {},
            digest=Digest(digest) if digest else None,
        )

    def given(self, entry: Entry, user: str, group: str) -> Entry:
        """An entry with other owners, by name or number; an empty one stays."""
        uid = _given(user, self._accounts.uid) if user else entry.uid
        gid = _given(group, self._accounts.gid) if group else entry.gid
        if uid is None or gid is None:
            raise BuildFailed(f"{shown('/' + entry.path)} is to belong to {user}:{group}, which no package has")
        return replace(entry, uid=uid, gid=gid)

    def _number(self, placed: Placed, what: str, name: str, number: int | None) -> int:
        """An owner's number; root's for one that nobody has, as rpm does it."""
        if number is None and (what, name) not in self._unknown:
            self._unknown.add((what, name))
            self._warn(f"{placed.package}: no package has the {what} {shown(name)} of its files; they belong to root")
        return number or 0


def clashes(placed: Mapping[str, Placed], others: Iterable[tuple[str, PackagedFile, str]]) -> None:
    """Raise BuildFailed where a package that stays has a path otherwise; `others` are place, file and owner."""
    for place, file, owner in others:
        mine = placed.get(place)
        if mine and not _same(mine.file, file):
            raise _clash(place, mine.package, owner)


def _given(text: str, known: Callable[[str], int | None]) -> int | None:
    """The number of an owner by name or number; None for one that nobody has, or can have."""
    return int(text) if _ID.fullmatch(text) else known(text)


def _is_link(file: PackagedFile) -> bool:
    return file.kind is FileKind.SYMLINK and not file.is_ghost and bool(file.path)


def _same(one: PackagedFile, two: PackagedFile) -> bool:
    """True for what rpm lets two packages share: directories, and files that do not differ (rpmfilesCompare)."""
    if one.kind is not two.kind:
        return False
    if one.kind is FileKind.DIRECTORY:
        return True
    if one.kind is FileKind.SYMLINK:
        return one.target == two.target
    return (one.digest, one.size, one.mode, one.user, one.group) == (
        two.digest,
        two.size,
        two.mode,
        two.user,
        two.group,
    )


def _clash(place: str, one: str, two: str) -> BuildFailed:
    return BuildFailed(
        f"the packages {one} and {two} both have {shown('/' + place)}, and not the same",
        hint="leave one of them out of `packages`",
    )
