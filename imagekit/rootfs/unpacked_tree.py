"""A folder that layers are unpacked into, one over the other, by an ordinary user (image-spec, layer.md, "Applying").

What is in the folder is known from memory: nobody else writes there, so names are resolved here, never by the disk, and
no symlink of a hostile layer is ever followed out of it. Files and folders get for their owner the modes that others
have: who runs the image is their owner, and on Lambda he is not. Setuid, owners and extended attributes are left out.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Final

from imagekit.errors import BuildFailed
from imagekit.rootfs.base_layout import MAX_LINKS
from imagekit.rootfs.entry import MAX_PATH, MTIME, WHITEOUT, shown
from imagekit.rootfs.tar_reader import Member, MemberKind, TarReader

_OPAQUE: Final = ".wh..wh..opq"
#: Other names of the file system that whiteouts come from; they mean nothing in a layer.
_RESERVED: Final = ".wh..wh."
_PIECE: Final = 1 << 20
_MAX_DEPTH: Final = MAX_PATH // 2
#: Devices below it are left out: every runner mounts a folder of its own there.
_DEVICES: Final = "dev"
_NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
#: While it grows, a folder is its owner's alone.
_GROWING: Final = 0o700


class Node:
    """One name of the tree: a directory has `children`, a symlink a `target`, a file neither.

    `layer` is the last layer that brought it; `mode` and `mtime` are those of a directory.
    """

    __slots__ = ("children", "layer", "mode", "mtime", "target")

    def __init__(self, layer: int, *, is_directory: bool = False, target: str | None = None) -> None:
        self.layer = layer
        self.children: dict[str, Node] | None = {} if is_directory else None
        self.target = target
        self.mode, self.mtime = 0o755, MTIME


#: A directory with its real path in the tree, empty for the top.
Place = tuple[Node, str]


class UnpackedTree:
    """The tree below `folder`, which is there, is empty (or as `top` says), and belongs to nobody else.

    `source` is what messages call the image, `room` the number of names that fit. Raises BuildFailed for what is
    hostile, OSError for what the disk says.
    """

    def __init__(self, folder: str, source: str, room: int, *, top: Node | None = None) -> None:
        self.top = top or Node(0, is_directory=True)
        self._folder = folder
        self._source = source
        self._room = room
        self._layer = 0
        self._places: dict[str, Place] = {}

    def apply(self, reader: TarReader) -> int:
        """Put a layer on top; returns how many bytes of content it holds."""
        self._layer += 1
        size = 0
        for member in reader:
            self._one(member, reader)
            size += member.size
        return size

    def ensure(self, path: str, *, is_directory: bool) -> None:
        """Have something empty to mount on at a path, unless anything is there already."""
        parent, _, name = path.rpartition("/")
        node, real = self._made(parent)
        if node.children is not None and name not in node.children:
            if is_directory:
                self._make_directory(node, real, name)
            else:
                os.close(os.open(self._disk(real, name), _NEW, 0o444))
                self._put(node, name, Node(self._layer))

    def settle(self) -> None:
        """Give all directories their modes and times; nothing can be added afterwards."""
        for path, node in [*directories(self.top)][::-1]:
            disk = f"{self._folder}/{path}"
            os.utime(disk, (node.mtime, node.mtime))
            os.chmod(disk, _for_owner(node.mode))

    def _one(self, member: Member, reader: TarReader) -> None:
        names = self._split(member.name)
        if not names:
            self._take(self.top, member)
            return
        name = names[-1]
        if name.startswith(WHITEOUT):
            self._whiteout(names, member)
            return
        node, real = self._parent(member.name, names)
        match member.kind:
            case MemberKind.DIRECTORY:
                self._directory(node, real, name, member)
            case MemberKind.FILE:
                self._discard(node, real, name)
                self._write(self._disk(real, name), member, reader)
                self._put(node, name, Node(self._layer))
            case MemberKind.SYMLINK:
                self._discard(node, real, name)
                os.symlink(self._target(member), self._disk(real, name))
                self._put(node, name, Node(self._layer, target=member.target))
            case MemberKind.HARDLINK:
                self._hard_link(node, real, name, member)
            case _:
                if real.split("/", 1)[0] != _DEVICES:
                    raise self._hostile(f"{shown(member.name)} is a {member.kind}; an image of Lambda holds none")

    def _directory(self, parent: Node, real: str, name: str, member: Member) -> None:
        assert parent.children is not None
        node = parent.children.get(name)
        if node is None or node.children is None:
            self._discard(parent, real, name)
            node = self._make_directory(parent, real, name)
        self._take(node, member)

    def _take(self, node: Node, member: Member) -> None:
        if member.kind is not MemberKind.DIRECTORY:
            raise self._hostile(f"its top is a {member.kind}")
        node.mode, node.mtime, node.layer = member.mode, member.mtime, self._layer

    def _write(self, path: str, member: Member, reader: TarReader) -> None:
        file = os.open(path, _NEW, 0o600)
        try:
            left = member.size
            while left:
                piece = reader.read_content(member.number, min(left, _PIECE))
                left -= len(piece)
                written = os.write(file, piece)
                while written < len(piece):
                    written += os.write(file, memoryview(piece)[written:])
            os.utime(file, (member.mtime, member.mtime))
            os.fchmod(file, _for_owner(member.mode))
        finally:
            os.close(file)

    def _hard_link(self, node: Node, real: str, name: str, member: Member) -> None:
        """Another name of a file that came before; it leads nowhere else than into the tree."""
        *parents, last = self._split(member.target) or [""]
        there, there_real = self._walk("/".join(parents), create=False) or (None, "")
        found = there.children.get(last) if there and there.children else None
        replaced = f"{real}/{name}/" if real else f"{name}/"
        if found is None or found.children is not None or f"{there_real}/".startswith(replaced):
            raise BuildFailed(
                f"{self._source}: the hard link {shown(member.name)} leads to {shown(member.target)}, "
                "which is no file there",
                hint="the image is damaged; pull it with another tool, or use another tag",
            )
        if there is node and last == name:
            return
        self._discard(node, real, name)
        os.link(self._disk(there_real, last), self._disk(real, name), follow_symlinks=False)
        self._put(node, name, Node(self._layer, target=found.target))

    def _target(self, member: Member) -> str:
        if not 0 < len(os.fsencode(member.target)) < MAX_PATH or "\0" in member.target:
            raise self._hostile(f"the symlink {shown(member.name)} leads to {shown(member.target)}")
        return member.target

    def _whiteout(self, names: list[str], member: Member) -> None:
        """Remove what the layers below have under a name, or in a folder; what this layer brought stays."""
        name = names[-1]
        removed = name.removeprefix(WHITEOUT)
        if name != _OPAQUE and name.startswith(_RESERVED):
            return
        if removed in {"", ".", ".."}:
            raise self._hostile(f"{shown(member.name)} removes the folder that it is in, or one above")
        place = self._walk("/".join(names[:-1]), create=False)
        if place is None or place[0].children is None:
            return
        node, real = place
        for gone in list(node.children or ()) if name == _OPAQUE else [removed]:
            self._discard(node, real, gone, below=self._layer)

    def _discard(self, parent: Node, real: str, name: str, *, below: int = 1 << 30) -> None:
        """Remove a name with all below it, as far as layers below this number brought it."""
        assert parent.children is not None
        node = parent.children.get(name)
        if node is None:
            return
        if node.children is not None or node.target is not None:
            self._places.clear()  # what was resolved may have led through it
        inner = f"{real}/{name}" if real else name
        within = [(parent, real, name, node)]
        within += [(above, path, last, one) for above, path, last, one in _descend(node, inner)]
        for above, path, last, one in reversed(within):
            if one.layer >= below or one.children:
                continue
            (os.unlink if one.children is None else os.rmdir)(self._disk(path, last))
            assert above.children is not None
            del above.children[last]

    def _parent(self, raw: str, names: list[str]) -> Place:
        """The directory that a member goes into; made, with those above it, where it is missing."""
        key = raw.rstrip("/").rpartition("/")[0]
        place = self._places.get(key) if key else None
        if place is None:
            place = self._made("/".join(names[:-1]))
            if place[0].children is None:
                raise self._hostile(f"{shown(raw)} lies below a file")
            if key:
                self._places[key] = place
        return place

    def _made(self, path: str) -> Place:
        """The directory that a path leads to, made where it is missing."""
        place = self._walk(path, create=True)
        assert place is not None
        return place

    def _walk(self, path: str, *, create: bool) -> Place | None:
        """Where a path leads inside the tree, symlinks followed; without `create` None where it leads nowhere."""
        trail: list[tuple[Node, str]] = [(self.top, "")]
        waiting = path.split("/")[::-1]
        followed = 0
        while waiting:
            name = waiting.pop()
            here, real = trail[-1]
            if name == "..":
                del trail[max(1, len(trail) - 1) :]
                continue
            if name in {"", "."}:
                continue
            child = self._step(here, real, name, create=create)
            if child is None:
                return None
            if child.target is None:
                trail.append((child, f"{real}/{name}" if real else name))
                if len(trail) > _MAX_DEPTH:
                    raise self._hostile(f"the path {shown(path)} is too deep")
                continue
            followed += 1
            if followed > MAX_LINKS:
                raise self._hostile(f"its symlinks on the way to {shown(path)} go in a circle")
            if child.target.startswith("/"):
                del trail[1:]
            waiting += child.target.split("/")[::-1]
        return trail[-1]

    def _step(self, here: Node, real: str, name: str, *, create: bool) -> Node | None:
        """What is below a directory by a name; `create` makes a directory where there is none, also of a file."""
        child = here.children.get(name) if here.children is not None else None
        is_there = child is not None and (child.children is not None or child.target is not None)
        if is_there or not create:
            return child
        self._discard(here, real, name)
        return self._make_directory(here, real, name)

    def _make_directory(self, parent: Node, real: str, name: str) -> Node:
        os.mkdir(self._disk(real, name), _GROWING)
        return self._put(parent, name, Node(self._layer, is_directory=True))

    def _put(self, parent: Node, name: str, node: Node) -> Node:
        assert parent.children is not None
        self._room -= 1
        if self._room < 0:
            raise self._hostile("it holds too many files and directories")
        parent.children[name] = node
        return node

    def _split(self, path: str) -> list[str]:
        """The names of a path, relative to the image's root however it is written."""
        names = [name for name in path.split("/") if name not in {"", "."}]
        if ".." in names or "\0" in path or len(path) > MAX_PATH:
            raise self._hostile(f"the path {shown(path)} climbs out of the image, or is none")
        return names

    def _disk(self, real: str, name: str) -> str:
        return f"{self._folder}/{real}/{name}" if real else f"{self._folder}/{name}"

    def _hostile(self, what: str) -> BuildFailed:
        return BuildFailed(f"{self._source}: {what}", hint="do not use this image; it is not made as images are")


def directories(top: Node) -> Iterator[tuple[str, Node]]:
    """All directories with their real paths, parents first; the top's is empty."""
    yield "", top
    for _, real, name, node in _descend(top, ""):
        if node.children is not None:
            yield f"{real}/{name}" if real else name, node


def _descend(top: Node, path: str) -> Iterator[tuple[Node, str, str, Node]]:
    """All below a node, parents first: the directory, its real path, the name in it, what is there."""
    waiting = [(top, path)]
    while waiting:
        node, real = waiting.pop()
        for name, child in (node.children or {}).items():
            yield node, real, name, child
            if child.children is not None:
                waiting.append((child, f"{real}/{name}" if real else name))


def _for_owner(mode: int) -> int:
    """What others may do, for everybody: who runs the image owns the files, but Lambda's user does not."""
    return (mode & 0o7) * 0o111
