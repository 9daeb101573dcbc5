"""The files of a package, out of its header: what the payload says of them beside their content is not looked at."""

from __future__ import annotations

import stat
from enum import IntEnum, StrEnum
from typing import Final, TypeVar

from imagekit.errors import BuildFailed
from imagekit.rpm.capabilities import encoded
from imagekit.rpm.header import Header
from imagekit.rpm.package import ALGORITHMS
from imagekit.rpm.tag import Tag
from imagekit.values import dataclass

_T = TypeVar("_T")


class FileKind(StrEnum):
    """What a file is."""

    FILE = "file"
    DIRECTORY = "directory"
    SYMLINK = "symlink"
    CHARACTER_DEVICE = "character device"
    BLOCK_DEVICE = "block device"
    PIPE = "pipe"
    SOCKET = "socket"


KINDS: Final = {
    stat.S_IFREG: FileKind.FILE,
    stat.S_IFDIR: FileKind.DIRECTORY,
    stat.S_IFLNK: FileKind.SYMLINK,
    stat.S_IFCHR: FileKind.CHARACTER_DEVICE,
    stat.S_IFBLK: FileKind.BLOCK_DEVICE,
    stat.S_IFIFO: FileKind.PIPE,
    stat.S_IFSOCK: FileKind.SOCKET,
}


class FileFlag(IntEnum):
    """Bits of a file's flags (rpm, include/rpm/rpmfiles.h)."""

    CONFIG = 1 << 0
    DOC = 1 << 1
    ICON = 1 << 2
    MISSINGOK = 1 << 3
    NOREPLACE = 1 << 4
    SPECFILE = 1 << 5
    GHOST = 1 << 6
    LICENSE = 1 << 7
    README = 1 << 8
    PUBKEY = 1 << 11
    ARTIFACT = 1 << 12


@dataclass(frozen=True, kw_only=True, slots=True)
class PackagedFile:
    """A file. `path` is relative to the root and normalised, empty for the root itself.

    `mode` is without the kind's bits, `mtime` in seconds, `size` in bytes, zero for what is no file; `digest` in hex
    by `algorithm`, empty for what has no content; `capabilities` are the bytes of `security.capability`; files with
    one `device` and `inode` are hard links of each other; `index` is the file's place in the header's lists.
    """

    path: str
    kind: FileKind
    mode: int
    user: str
    group: str
    mtime: int
    size: int
    target: str
    flags: int
    inode: int
    device: int
    rdev: int
    digest: str
    algorithm: str
    capabilities: bytes
    language: str
    index: int

    @property
    def is_ghost(self) -> bool:
        """True for a file that the package owns and does not bring."""
        return bool(self.flags & FileFlag.GHOST)

    @property
    def is_config(self) -> bool:
        """True for a configuration file."""
        return bool(self.flags & FileFlag.CONFIG)

    @property
    def is_noreplace(self) -> bool:
        """True for a configuration file that never takes the place of one that was changed."""
        return bool(self.flags & FileFlag.NOREPLACE)

    @property
    def is_documentation(self) -> bool:
        """True for what nothing needs at run time; licenses are not part of it."""
        return bool(self.flags & (FileFlag.DOC | FileFlag.README))

    @property
    def is_license(self) -> bool:
        """True for a license."""
        return bool(self.flags & FileFlag.LICENSE)


def files(header: Header) -> tuple[PackagedFile, ...]:
    """All files of a package, in the header's order. Raises BuildFailed for a header that contradicts itself."""
    lists = _Lists(header)
    if not lists.count:
        return ()
    paths, kinds, algorithm = lists.paths(), lists.kinds(), lists.algorithm()
    modes, sizes, mtimes = lists.integers(Tag.FILEMODES), lists.sizes(), lists.integers(Tag.FILEMTIMES)
    users, groups = lists.texts(Tag.FILEUSERNAME, "root"), lists.texts(Tag.FILEGROUPNAME, "root")
    targets, flags, languages = lists.texts(Tag.FILELINKTOS), lists.integers(Tag.FILEFLAGS), lists.texts(Tag.FILELANGS)
    inodes, devices = lists.integers(Tag.FILEINODES), lists.integers(Tag.FILEDEVICES)
    rdevs, digests, capabilities = lists.integers(Tag.FILERDEVS), lists.texts(Tag.FILEDIGESTS), lists.capabilities()
    return tuple(
        PackagedFile(
            path=path,
            kind=kind,
            mode=modes[index] & 0o7777,
            user=users[index],
            group=groups[index],
            mtime=mtimes[index],
            size=sizes[index] if kind is FileKind.FILE else 0,
            target=targets[index] if kind is FileKind.SYMLINK else "",
            flags=flags[index],
            inode=inodes[index],
            device=devices[index],
            rdev=rdevs[index],
            digest=digests[index],
            algorithm=algorithm if digests[index] else "",
            capabilities=capabilities[index],
            language=languages[index],
            index=index,
        )
        for index, (path, kind) in enumerate(zip(paths, kinds, strict=True))
    )


class _Lists:
    """The parallel lists of a header, each as long as the list of names."""

    def __init__(self, header: Header) -> None:
        self._header = header
        self._names = header.texts(Tag.BASENAMES)
        self.count = len(self._names)
        if not self._names and Tag.OLDFILENAMES in header:
            raise self._wrong("it names its files as packages of rpm 3 did")

    def paths(self) -> list[str]:
        """Normalised, each once."""
        folders = [self._folder(name) for name in self._header.texts(Tag.DIRNAMES)]
        indexes = self.integers(Tag.DIRINDEXES)
        if max(indexes) >= len(folders):
            raise self._wrong("a file is in a directory that it does not have")
        paths = [self._path(folders[index], name) for index, name in zip(indexes, self._names, strict=True)]
        if len(set(paths)) != len(paths):
            raise self._wrong("it has two files with one path")
        return paths

    def kinds(self) -> list[FileKind]:
        """By the upper bits of the mode."""
        modes = self.integers(Tag.FILEMODES)
        if not {stat.S_IFMT(mode) for mode in modes} <= KINDS.keys():
            raise self._wrong("a file is of an unknown kind")
        return [KINDS[stat.S_IFMT(mode)] for mode in modes]

    def sizes(self) -> tuple[int, ...]:
        """Large files, of which there is one at least, come in a list with more bits."""
        return self.integers(Tag.LONGFILESIZES if Tag.LONGFILESIZES in self._header else Tag.FILESIZES)

    def capabilities(self) -> list[bytes]:
        """As the kernel keeps them; nearly all files have none."""
        known = {text: encoded(text) for text in set(self._header.texts(Tag.FILECAPS))}
        return [known[text] if text else b"" for text in self.texts(Tag.FILECAPS)]

    def algorithm(self) -> str:
        """By what all contents have their digests."""
        algorithm = ALGORITHMS.get(self._header.integer(Tag.FILEDIGESTALGO, 1))
        if algorithm is None:
            raise self._wrong("its files have digests of an unknown algorithm")
        return algorithm

    def integers(self, tag: Tag) -> tuple[int, ...]:
        """A list of numbers; zeros where the header leaves it out."""
        return self._complete(tag, self._header.integers(tag) or (0,) * self.count)

    def texts(self, tag: Tag, default: str = "") -> tuple[str, ...]:
        """A list of texts; `default` where the header leaves it out."""
        return self._complete(tag, self._header.texts(tag) or (default,) * self.count)

    def _complete(self, tag: Tag, values: tuple[_T, ...]) -> tuple[_T, ...]:
        if len(values) != self.count:
            raise self._wrong(f"it has {self.count:,} files and {len(values):,} values of {tag.name}")
        return values

    def _folder(self, name: str) -> str:
        """A directory, relative to the root, with a slash at its end unless it is the root."""
        names = [part for part in name.split("/") if part not in {"", "."}]
        if not name.startswith("/") or ".." in names:
            raise self._wrong(f"a file is in {name[:200]!r}, which is no absolute path")
        return "".join(f"{part}/" for part in names)

    def _path(self, folder: str, name: str) -> str:
        """Without a name it is the root itself."""
        if "/" in name or name in {".", ".."} or (folder and not name):
            raise self._wrong(f"a file is called {name[:200]!r}")
        return folder + name

    def _wrong(self, what: str) -> BuildFailed:
        return self._header.damaged(what)
