"""A walk over a folder: what is in it, by `lstat` alone, and where its symlinks lead.

A relative symlink that stays inside the folder is kept as it is (`node_modules/.bin/x -> ../x/cli.js`), whatever it
leads to. One that leads out of the folder, but stays inside the spec's `root`, is followed: the image would not have
its target (npm's workspaces, a shared folder beside this one). One that leaves `root` is an error.
"""

from __future__ import annotations

import os
import posixpath
import stat
from typing import Final

from imagekit.errors import InvalidFile
from imagekit.rootfs.entry import WHITEOUT, problem_of, shown
from imagekit.rootfs.patterns import IGNORE_FILE, Matcher
from imagekit.values import dataclass

MAX_ENTRIES: Final = 1_000_000
#: Never in an image, at any depth.
ALWAYS_OUT: Final = frozenset({".git", ".imagekit", IGNORE_FILE})
#: What stands in every image layout that imagekit writes. An image is never part of the next one.
LAYOUT_LOCK: Final = ".imagekit.lock"

#: Path in the tree, path on disk, lstat; a directory has no lstat, a symlink its target instead of the path on disk.
Found = tuple[str, str, os.stat_result | None]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Folder:
    """A directory to look into: `prefix` is its path in the tree with a slash, `top` the prefix of the folder that
    symlinks may not leave, `chain` the directories on disk that lead here through followed symlinks.
    """

    disk: str
    prefix: str = ""
    top: str = ""
    chain: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Walk:
    """`folder`, `root` and `left_out` are real paths; `matcher` is None where everything is wanted.

    `limit` is the number of files and directories that are taken.
    """

    folder: str
    root: str
    left_out: frozenset[str] = frozenset()
    matcher: Matcher | None = None
    limit: int = MAX_ENTRIES

    def found(self) -> tuple[list[Found], list[str]]:
        """Files and symlinks, sorted by path, and the paths of directories, sorted. Raises InvalidFile."""
        names_out = ALWAYS_OUT | {os.path.basename(path) for path in self.left_out}
        files: list[Found] = []
        directories: list[str] = []
        waiting = [_Folder(disk=self.folder, chain=(self.folder,))]
        while waiting:
            here = waiting.pop()
            entries = _entries(here.disk)
            if here.prefix:
                if any(item.name == LAYOUT_LOCK for item in entries):
                    continue
                directories.append(here.prefix[:-1])
            for item in entries:
                if item.name in names_out and self._is_left_out(item):
                    continue
                inner = self._look(here, item, files)
                if inner is not None:
                    waiting.append(inner)
            if len(files) + len(directories) + len(waiting) > self.limit:
                raise InvalidFile(
                    f"{self.folder}: more than {self.limit:,} files and directories",
                    hint="name a folder with less in it",
                )
        files.sort(key=_path)
        return files, self._wanted(directories)

    def _look(self, here: _Folder, item: os.DirEntry[str], files: list[Found]) -> _Folder | None:
        """Note a file or a symlink, or return the directory that is to be looked into."""
        path = here.prefix + item.name
        if item.name.startswith(WHITEOUT) or len(path) > 250:
            _check(path, item.path)
        if item.is_symlink():
            return self._symlink(here, item, path, files)
        if item.is_dir(follow_symlinks=False):
            if self.matcher and self.matcher.excludes(path, directory=True):
                return None
            return _Folder(disk=item.path, prefix=path + "/", top=here.top, chain=here.chain)
        if self._wants(path):
            facts = item.stat(follow_symlinks=False)
            check_regular(facts, item.path)
            files.append((path, item.path, facts))
        return None

    def _symlink(self, here: _Folder, item: os.DirEntry[str], path: str, files: list[Found]) -> _Folder | None:
        if not self._wants(path):
            return None
        target = os.readlink(item.path)
        if stays_inside(path, target, here.top):
            files.append((path, target, None))
            return None
        return self._follow(here, item.path, path, files)

    def _follow(self, here: _Folder, disk: str, path: str, files: list[Found]) -> _Folder | None:
        """Take what a symlink that leads out of the folder leads to, as if it were here."""
        real = real_inside(disk, self.root)
        facts = os.stat(real)
        if stat.S_ISDIR(facts.st_mode):
            if any(f"{place}/".startswith(f"{real}/") for place in (*here.chain, os.path.dirname(disk))):
                raise InvalidFile(
                    f"{disk}: a symlink that goes in a circle through {real}", hint="exclude it, or remove it"
                )
            return _Folder(disk=real, prefix=path + "/", top=path + "/", chain=(*here.chain, real))
        check_regular(facts, disk)
        files.append((path, real, facts))
        return None

    def _wants(self, path: str) -> bool:
        return self.matcher is None or (self.matcher.includes(path) and not self.matcher.excludes(path))

    def _is_left_out(self, item: os.DirEntry[str]) -> bool:
        return item.name in ALWAYS_OUT or item.path in self.left_out

    def _wanted(self, directories: list[str]) -> list[str]:
        """With `include`, only directories that it names; the others come as parents where they are needed."""
        wants = self.matcher.includes if self.matcher and self.matcher.include else None
        return sorted(path for path in directories if wants is None or wants(path, directory=True))


def stays_inside(path: str, target: str, top: str) -> bool:
    """True for a relative link at `path` that its text alone keeps inside the folder `top` (`""` or `a/b/`)."""
    if target.startswith("/"):
        return False
    inner = posixpath.normpath(posixpath.join(posixpath.dirname(path[len(top) :]), target))
    return inner != ".." and not inner.startswith("../")


def real_inside(path: str, root: str) -> str:
    """Where a path really leads; raises InvalidFile when that is nowhere, or outside `root`."""
    real = os.path.realpath(path)
    if real != root and not real.startswith(root.rstrip("/") + "/"):
        raise InvalidFile(
            f"{path} leads to {real}, which is outside {root}",
            hint="set `root` to a folder that holds both, or copy the file; an image cannot see your disk",
        )
    if not os.path.exists(real):
        raise InvalidFile(f"{path} leads to {real}, which does not exist", hint="remove the symlink, or exclude it")
    return real


def check_regular(facts: os.stat_result, path: str) -> None:
    """Raises InvalidFile for devices, pipes and sockets."""
    if not stat.S_ISREG(facts.st_mode):
        raise InvalidFile(
            f"{path} is a device, a pipe or a socket; an image holds files, directories and symlinks",
            hint="exclude it",
        )


def _entries(folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as items:
            return list(items)
    except OSError as error:
        raise InvalidFile(
            f"{folder}: cannot be read: {error.strerror}", hint="make it readable, or exclude it"
        ) from error


def _check(path: str, disk: str) -> None:
    problem = problem_of(path)
    if problem:
        raise InvalidFile(f"{shown(disk)}: the path {problem}", hint="rename it, or exclude it")


def _path(found: Found) -> str:
    return found[0]
