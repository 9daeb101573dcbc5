"""All packages that a choice is made among, as libsolv sees them.

libsolv's objects point at each other without holding each other, and a stale one ends the process: the pool, its
repositories and its solver live in one `Universe`, and only plain values leave it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import solv

from imagekit.decompression import Damaged, Decompressed
from imagekit.rpm.dependency import DependencyKind, dependencies
from imagekit.rpm.header import Header
from imagekit.rpm.tag import Tag

#: What is read of one uncompressed document; Fedora's file lists have 800 MB.
_MAX_DOCUMENT: Final = 4 << 30
_PIECE: Final = 1 << 20
#: Keys of a package manager's own, which are in its database as if they were packages.
_KEYS: Final = "gpg-pubkey"
_RELATIONS: Final = ((2, "REL_LT"), (4, "REL_GT"), (8, "REL_EQ"))
_SENSES: Final = 2 | 4 | 8
_ADDS: Final = {
    DependencyKind.PROVIDES: "add_provides",
    DependencyKind.REQUIRES: "add_requires",
    DependencyKind.CONFLICTS: "add_conflicts",
    DependencyKind.OBSOLETES: "add_obsoletes",
    DependencyKind.RECOMMENDS: "add_recommends",
    DependencyKind.SUGGESTS: "add_suggests",
    DependencyKind.SUPPLEMENTS: "add_supplements",
    DependencyKind.ENHANCES: "add_enhances",
}


class Unreadable(Exception):
    """Something that packages are read from is not what it should be."""


class Universe:
    """The pool for one architecture (rpm's name of it), with everything that was loaded into it."""

    def __init__(self, architecture: str) -> None:
        self.pool: Any = solv.Pool()
        self.pool.setdisttype(self.pool.DISTTYPE_RPM)
        self.pool.setarch(architecture)
        self.installed: Any = self.pool.add_repo("@System")
        self.files: dict[int, str] = {}
        self._repositories: dict[str, Any] = {}

    def load(self, name: str, priority: int, form: str) -> None:
        """A package repository out of what `convert` wrote; lower priorities win."""
        repository = self._repositories[name] = self.pool.add_repo(name)
        repository.priority = -priority
        with open(form, "rb") as file:
            _check(self.pool, repository.add_solv(_xfile("", file)), name)

    def extend(self, name: str, filelists: str, open_size: int | None) -> None:
        """All files of a repository's packages."""
        repository = self._repositories[name]
        flags = repository.REPO_LOCALPOOL | repository.REPO_EXTEND_SOLVABLES
        with _document(filelists, name, open_size) as file:
            _check(self.pool, repository.add_rpmmd(_xfile("filelists.xml", file), "FL", flags), name)

    def install(self, headers: Iterable[Header]) -> None:
        """What the base has."""
        data = self.installed.add_repodata()
        for header in headers:
            if header.text(Tag.NAME) != _KEYS:
                self._add(self.installed, data, header)
        self.installed.internalize()
        self.pool.installed = self.installed

    def add_files(self, headers: Iterable[tuple[str, Header]]) -> None:
        """Package files outside all repositories, by what the spec calls them."""
        repository = self.pool.add_repo("@files")
        data = repository.add_repodata()
        for url, header in headers:
            self.files[self._add(repository, data, header).id] = url
        repository.internalize()

    def settle(self) -> frozenset[int]:
        """Index everything anew; returns the paths that something requires and no known file list has."""
        paths = self.pool.addfileprovides_queue()
        self.pool.createwhatprovides()
        return frozenset(path for path in paths if not self.pool.whatprovides(path))

    def available(self) -> Iterator[Any]:
        """All packages that can be installed."""
        return (item for item in self.pool.solvables_iter() if item.repo.name != self.installed.name)

    def elsewhere(self, name: str) -> list[str]:
        """The architectures that a package is there for, where it is not there for this one."""
        return sorted({item.arch for item in self.available() if item.name == name and not item.installable()})

    def foreign(self) -> dict[str, str]:
        """Package files for another architecture, with that."""
        found = ((self.pool.id2solvable(number), url) for number, url in self.files.items())
        return {url: item.arch for item, url in found if not item.installable()}

    def _add(self, repository: Any, data: Any, header: Header) -> Any:
        solvable = repository.add_solvable()
        nevra = header.nevra
        solvable.name, solvable.evr, solvable.arch = nevra.name, str(nevra.evr), nevra.arch or "noarch"
        solvable.vendor = header.text(Tag.VENDOR)
        for kind, add in _ADDS.items():
            for item in dependencies(header, kind):
                if not item.is_of_rpm:
                    getattr(solvable, add)(self._dependency(item.name, item.flags, item.evr, header))
        solvable.add_provides(self._dependency(nevra.name, 8, str(nevra.evr), header))
        folders = [data.str2dir(folder) for folder in header.texts(Tag.DIRNAMES)]
        for folder, base in zip(header.integers(Tag.DIRINDEXES), header.texts(Tag.BASENAMES), strict=True):
            if folder >= len(folders):
                raise Unreadable(f"{nevra}: a file lies in a folder that is not named")
            data.add_dirstr(solvable.id, solv.SOLVABLE_FILELIST, folders[folder], base)
        return solvable

    def _dependency(self, name: str, flags: int, evr: str, header: Header) -> Any:
        if name.startswith("("):
            rich = self.pool.parserpmrichdep(name)
            if rich is None:
                raise Unreadable(f"{header.nevra}: {name[:200]} is no dependency")
            return rich
        relation = sum(getattr(solv, word) for bit, word in _RELATIONS if flags & bit)
        found = self.pool.Dep(name)
        return found.Rel(relation, self.pool.Dep(evr)) if flags & _SENSES and evr else found


def convert(name: str, primary: str, open_size: int | None, form: str) -> None:
    """Write a repository's primary.xml in libsolv's own form, which is read thirty times faster.

    Packages are only ever loaded from it: it has their dependencies in another order than the document, and a choice
    must not depend on what was in a cache.
    """
    pool = solv.Pool()
    pool.setdisttype(pool.DISTTYPE_RPM)
    repository = pool.add_repo(name)
    with _document(primary, name, open_size) as file:
        _check(pool, repository.add_rpmmd(_xfile("primary.xml", file), None), name)
    repository.internalize()
    with open(form, "wb") as file:
        _check(pool, repository.write(_xfile("", file, "w")), name)


def _check(pool: Any, done: bool, name: str) -> None:
    if not done:
        raise Unreadable(f"{name}: {pool.errstr or 'libsolv cannot read it'}")


def _xfile(name: str, file: Any, mode: str = "r") -> Any:
    """libsolv's own file for a descriptor, which it duplicates; the name says how it is compressed: not at all."""
    file.flush() if mode == "w" else file.seek(0)
    return solv.xfopen_fd(name, file.fileno(), mode)


@contextmanager
def _document(path: str, name: str, open_size: int | None) -> Iterator[Any]:
    """An uncompressed document as a file that is nowhere but here; it has the size that the repository says, if any."""
    most = _MAX_DOCUMENT if open_size is None else min(open_size, _MAX_DOCUMENT)
    with open(path, "rb") as raw, tempfile.TemporaryFile() as file:
        stream, size = Decompressed(raw), 0
        try:
            while piece := stream.read(_PIECE):
                size += len(piece)
                if size > most:
                    raise Unreadable(f"{name}: a list of its packages has more than {most:,} bytes when it is unpacked")
                file.write(piece)
        except Damaged as error:
            raise Unreadable(f"{name}: a list of its packages cannot be unpacked: {error}") from error
        if open_size not in (None, size):
            raise Unreadable(
                f"{name}: a list of its packages has {size:,} bytes when it is unpacked, repomd.xml says {open_size:,}"
            )
        file.flush()
        yield file
