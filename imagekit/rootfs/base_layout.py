"""What of a base's file system matters to the layers above it: directories, symlinks, and which paths are files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import field
from typing import Final, Self

from imagekit.errors import BuildFailed
from imagekit.oci import canonical
from imagekit.oci.digest import Digest
from imagekit.rootfs.entry import MTIME, Entry, Kind, shown
from imagekit.values import dataclass

#: As many symlinks as Linux follows for one path (path_resolution(7)).
MAX_LINKS: Final = 40


@dataclass(frozen=True, kw_only=True, slots=True)
class Directory:
    """Mode, owner and mtime (seconds) of a directory of the base."""

    mode: int = 0o755
    uid: int = 0
    gid: int = 0
    mtime: int = MTIME

    def entry(self, path: str) -> Entry:
        """The directory as a layer repeats it."""
        return Entry(path=path, kind=Kind.DIRECTORY, mode=self.mode, uid=self.uid, gid=self.gid, mtime=self.mtime)


@dataclass(frozen=True, kw_only=True, slots=True)
class BaseLayout:
    """Paths are relative to the image's root, without a leading slash; `symlinks` maps them to their target's text."""

    directories: Mapping[str, Directory] = field(default_factory=dict)
    symlinks: Mapping[str, str] = field(default_factory=dict)
    files: frozenset[str] = frozenset()

    @property
    def record(self) -> bytes:
        """All that a layer written against this layout can depend on, in canonical bytes."""
        return canonical.to_bytes(
            {
                "directories": {path: [d.mode, d.uid, d.gid, d.mtime] for path, d in self.directories.items()},
                "symlinks": dict(self.symlinks),
                "files": sorted(self.files),
            }
        )

    @property
    def digest(self) -> Digest:
        """Names the layout in a layer's key."""
        return Digest.of(self.record)

    def resolved(self, path: str) -> str:
        """Where a path leads when every symlink of the base on its way is followed, the last name included.

        Raises BuildFailed for a loop. `..` at the root stays there, as in a chroot.
        """
        if not self.symlinks:
            return path
        done: list[str] = []
        waiting = path.split("/")[::-1]
        followed = 0
        while waiting:
            name = waiting.pop()
            if name in {"", "."}:
                continue
            if name == "..":
                del done[-1:]
                continue
            target = self.symlinks.get("/".join([*done, name]))
            if target is None:
                done.append(name)
                continue
            followed += 1
            if followed > MAX_LINKS:
                raise BuildFailed(
                    f"the base's symlinks on the way to {shown('/' + path)} go in a circle",
                    hint="choose a target that does not lead through them",
                )
            if target.startswith("/"):
                done.clear()
            waiting += target.split("/")[::-1]
        return "/".join(done)

    def place_of(self, path: str) -> str:
        """Where an entry for this path goes: its parents resolved, its own name kept."""
        parent, _, name = path.rpartition("/")
        parent = self.resolved(parent) if parent else ""
        return f"{parent}/{name}" if parent else name

    def below(self, top: BaseLayout, removed: Iterable[str]) -> Self:
        """This layout with another one on top, whose names are resolved already, and without what that one removes."""
        gone = set(removed)
        names = top.directories.keys() | top.symlinks.keys() | top.files | gone
        heads = tuple(f"{path}/" for path in gone)

        def stays(path: str) -> bool:
            return path not in names and not (heads and path.startswith(heads))

        return type(self)(
            directories={path: item for path, item in self.directories.items() if stays(path)} | dict(top.directories),
            symlinks={path: target for path, target in self.symlinks.items() if stays(path)} | dict(top.symlinks),
            files=frozenset(filter(stays, self.files)) | top.files,
        )

    def plus(self, entries: Iterable[Entry]) -> Self:
        """This layout with a layer of these entries on top."""
        directories, symlinks, files = dict(self.directories), dict(self.symlinks), set(self.files)
        for entry in entries:
            path = self.place_of(entry.path)
            files.discard(path)
            symlinks.pop(path, None)
            match entry.kind:
                case Kind.DIRECTORY:
                    directories[path] = Directory(mode=entry.mode, uid=entry.uid, gid=entry.gid, mtime=entry.mtime)
                case Kind.SYMLINK:
                    symlinks[path] = entry.target
                case Kind.FILE:
                    files.add(path)
        return type(self)(directories=directories, symlinks=symlinks, files=frozenset(files))
