"""The merged view of an image's layers: which layer provides what, after whiteouts (image-spec, layer.md).

Layers are hostile: names stay inside, symlinks are followed inside the image alone, all bounds are `Limits`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from imagekit.decompression import Decompressed
from imagekit.errors import BuildFailed
from imagekit.oci.ports import Opener
from imagekit.readable import Pieces
from imagekit.rootfs.base_layout import MAX_LINKS, BaseLayout, Directory
from imagekit.rootfs.entry import MAX_PATH, MTIME, WHITEOUT, shown
from imagekit.rootfs.tar_reader import Limits, Member, MemberKind, TarReader

_OPAQUE: Final = ".wh..wh..opq"
#: Of directories within each other: as many as a path can name.
_MAX_DEPTH: Final = MAX_PATH // 2
#: Other names of the file system that whiteouts come from; they mean nothing in a layer.
_RESERVED: Final = ".wh..wh."


class Place:
    """One path of the view. `children` is None for all but directories; `layer` and `number` say where a file's
    content is: in which layer, lowest first, and in which of its members.
    """

    __slots__ = ("children", "gid", "kind", "layer", "mode", "mtime", "number", "size", "target", "uid")

    def __init__(self, kind: MemberKind, *, layer: int = 0, number: int = 0) -> None:
        self.kind = kind
        self.layer = layer
        self.number = number
        self.mode, self.uid, self.gid, self.mtime, self.size = 0o755, 0, 0, MTIME, 0
        self.target = ""
        self.children: dict[str, Place] | None = {} if kind is MemberKind.DIRECTORY else None

    def take(self, member: Member) -> None:
        """Mode, owner, mtime, size and target as a member says."""
        self.mode, self.uid, self.gid, self.mtime = member.mode, member.uid, member.gid, member.mtime
        self.size, self.target = member.size, member.target


class MergedView:
    """All layers of an image as one file system. Built by `from_layers`, then only read."""

    def __init__(self, source: str, places: int) -> None:
        self.root = Place(MemberKind.DIRECTORY)
        self._source = source
        self._room = places

    @classmethod
    def from_layers(cls, layers: Sequence[Opener], source: str, *, limits: Limits | None = None) -> MergedView:
        """Read all layers, lowest first, as blobs (gzip or another compression, or plain tar).

        `source` is what messages call the image. Raises BuildFailed for a damaged or hostile layer, and what the
        openers raise.
        """
        limits = limits or Limits()
        view = cls(source, limits.entries)
        for number, opener in enumerate(layers):
            name = f"{source}, layer {number + 1}"
            members = [member for _, member in read_layer(opener, name, limits)]
            limits = Limits(
                total=max(0, limits.total - sum(member.size for member in members)),
                entries=limits.entries - len(members),
            )
            view._apply(members, number, name)
        return view

    def find(self, path: str) -> Place | None:
        """What a path leads to inside the image, all symlinks followed; None when there is nothing."""
        trail = self._walk(path)
        if trail is None:
            return None
        return trail[-1] if trail else self.root

    def layout(self) -> BaseLayout:
        """The view as what a layer on top has to know. Names that are not UTF-8 can meet nothing and are left out."""
        directories: dict[str, Directory] = {}
        symlinks: dict[str, str] = {}
        files: list[str] = []
        for path, place in descend(self.root, ""):
            if not _is_utf8(path):
                continue
            if place.children is not None:
                directories[path] = Directory(mode=place.mode, uid=place.uid, gid=place.gid, mtime=place.mtime)
            elif place.kind is MemberKind.SYMLINK and _is_utf8(place.target):
                symlinks[path] = place.target
            else:
                files.append(path)
        return BaseLayout(directories=directories, symlinks=symlinks, files=frozenset(files))

    def _apply(self, members: Iterable[Member], layer: int, source: str) -> None:
        """Put a layer on top: what it removes first, as that is only about the layers below."""
        kept = []
        for member in members:
            names = _split(member.name, source)
            if names and names[-1].startswith(WHITEOUT):
                self._remove(names)
            else:
                kept.append((names, member))
        for names, member in kept:
            self._add(names, member, layer, source)

    def _remove(self, names: list[str]) -> None:
        parent = self.find("/".join(names[:-1]))
        if parent is None or parent.children is None:
            return
        if names[-1] == _OPAQUE:
            parent.children.clear()
        elif not names[-1].startswith(_RESERVED):
            parent.children.pop(names[-1].removeprefix(WHITEOUT), None)

    def _add(self, names: list[str], member: Member, layer: int, source: str) -> None:
        if not names:
            self.root.take(member)
            return
        trail = self._walk("/".join(names[:-1]), create=True)
        children = (trail[-1] if trail else self.root).children
        if children is None:
            raise self._hostile(f"{shown(member.name)} lies below a file")
        place = children.get(names[-1])
        if member.kind is MemberKind.HARDLINK:
            place = self._linked(member, source, place)
        elif place is None or place.children is None or member.kind is not MemberKind.DIRECTORY:
            place = self._new(member.kind, layer=layer, number=member.number)
            place.take(member)
        else:
            place.take(member)
        children[names[-1]] = place

    def _linked(self, member: Member, source: str, replaced: Place | None) -> Place:
        """What a hard link is another name of; it came before in the same layer or is in one below.

        It is not in what the link takes the place of.
        """
        *parents, name = _split(member.target, source) or [""]
        trail = self._walk("/".join(parents))
        parent = None if trail is None else trail[-1] if trail else self.root
        place = parent.children.get(name) if parent and parent.children else None
        if place is None or place.children is not None or any(one is replaced for one in trail or ()):
            raise BuildFailed(
                f"{source}: the hard link {shown(member.name)} leads to {shown(member.target)}, which is no file there",
                hint="the image is damaged; pull it with another tool, or use another tag",
            )
        return place

    def _walk(self, path: str, *, create: bool = False) -> list[Place] | None:
        """The places on the way to where a path leads; None when it leads nowhere, unless it is to be made."""
        trail: list[Place] = []
        waiting = path.split("/")[::-1]
        followed = 0
        while waiting:
            name = waiting.pop()
            if name in {"", "."}:
                continue
            if name == "..":
                del trail[-1:]
                continue
            here = trail[-1] if trail else self.root
            child = self._child(here, name, create=create)
            if child is None:
                return None
            if len(trail) > _MAX_DEPTH:
                raise self._hostile(f"the path {shown(path)} is too deep")
            if child.kind is not MemberKind.SYMLINK:
                trail.append(child)
                continue
            followed += 1
            if followed > MAX_LINKS:
                raise BuildFailed(
                    f"the image's symlinks on the way to {shown(path)} go in a circle",
                    hint="name another path of the image",
                )
            if child.target.startswith("/"):
                trail.clear()
            waiting += child.target.split("/")[::-1]
        return trail

    def _child(self, parent: Place, name: str, *, create: bool) -> Place | None:
        """What is below a directory by a name; `create` makes a directory where there is none, also of a file."""
        child = parent.children.get(name) if parent.children is not None else None
        missing = child is None or (child.children is None and child.kind is not MemberKind.SYMLINK)
        if create and missing and parent.children is not None:
            child = parent.children[name] = self._new(MemberKind.DIRECTORY)
        return child

    def _new(self, kind: MemberKind, *, layer: int = 0, number: int = 0) -> Place:
        """A place; a few members can imply many directories, so they are counted."""
        self._room -= 1
        if self._room < 0:
            raise self._hostile("it holds too many files and directories")
        return Place(kind, layer=layer, number=number)

    def _hostile(self, what: str) -> BuildFailed:
        return BuildFailed(f"{self._source}: {what}", hint="do not use this image; it is not made as images are")


def layout_of(layers: Sequence[Opener], source: str = "the base image", *, limits: Limits | None = None) -> BaseLayout:
    """The layout of a base whose facts are not known as data; reads all its layers."""
    return MergedView.from_layers(layers, source, limits=limits).layout()


def read_layer(opener: Opener, source: str, limits: Limits) -> Iterator[tuple[TarReader, Member]]:
    """A layer's members with the reader that has their content. Read it to the end: the blob is verified there."""
    with opener() as pieces:
        reader = TarReader(Decompressed(Pieces(pieces)), source, limits)
        for member in reader:
            yield reader, member


def descend(top: Place, path: str) -> Iterator[tuple[str, Place]]:
    """All below a directory with their paths, parents first, sorted by name within each directory."""
    waiting = [(path, top)]
    while waiting:
        path, place = waiting.pop()
        if place is not top:
            yield path, place
        prefix = f"{path}/" if path else ""
        if place.children:
            waiting += [(prefix + name, place.children[name]) for name in sorted(place.children, reverse=True)]


def _split(path: str, source: str) -> list[str]:
    """The names of a path, relative to the image's root however it is written."""
    names = [name for name in path.split("/") if name not in {"", "."}]
    if ".." in names or "\0" in path or len(path) > MAX_PATH:
        raise BuildFailed(
            f"{source}: the path {shown(path)} climbs out of the image, or is none",
            hint="do not use this image; whoever made it tries to write elsewhere",
        )
    return names


def _is_utf8(text: str) -> bool:
    return text.isascii() or text.encode("utf-8", "replace").decode("utf-8") == text
