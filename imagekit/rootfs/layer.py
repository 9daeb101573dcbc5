"""A layer: entries become a tar that Lambda's loader takes, compressed and named by its digests in the same pass.

What Docker forgives and Lambda does not: every parent directory stands before what is in it, once. Targets are
resolved through the base's symlinks, and nothing of the base is replaced by something of another kind.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, BinaryIO, Final

from imagekit.errors import BuildFailed
from imagekit.readable import Readable
from imagekit.rootfs.base_layout import BaseLayout, Directory
from imagekit.rootfs.entry import WHITEOUT, Content, Entry, Item, Kind, checked, problem_of, shown
from imagekit.rootfs.gzip import BLOCK, Codec, LayerBlob, LayerWriter
from imagekit.rootfs.tar import END, header, padding

if TYPE_CHECKING:
    from concurrent.futures import Executor

_PIECE: Final = 1 << 20
#: Directories that paths imply without an entry of their own: a hostile archive could imply two thousand a file.
_MAX_IMPLIED: Final = 100_000
#: What an entry is remembered by, to know a second one with its path: all but the mtime.
_Identity = tuple[Kind, int, int, int, str, str, tuple[tuple[str, bytes], ...]]


def write_layer(
    items: Iterable[Item],
    sink: BinaryIO,
    codec: Codec,
    *,
    layout: BaseLayout | None = None,
    pool: Executor | None = None,
    removed: Iterable[str] | None = None,
) -> LayerBlob:
    """Write items, in their order, as a gzip layer; `sink` stays open, and is to be thrown away on an error.

    `pool` compresses on more cores (see LayerWriter). Directories that the base has keep its mode, owner and
    mtime, and its symlinks to directories stay. Only packages bring their own and say so with `removed`: paths of the
    base that are gone afterwards, with all below them, asked for after the last item; bytes of theirs that have a
    digest were compared with it where they were read. Raises BuildFailed for an entry that does not fit the base or
    another entry, and for content that is not what its entry says.
    """
    writer = LayerWriter(sink, codec, pool)
    tar = _LayerTar(writer, layout or BaseLayout(), own_directories=removed is not None)
    for entry, content in items:
        tar.add(entry, content)
    tar.remove(removed or ())
    writer.write(END)
    return writer.close()


class _LayerTar:
    """What the layer holds so far."""

    def __init__(self, writer: LayerWriter, layout: BaseLayout, *, own_directories: bool) -> None:
        self._writer = writer
        self._layout = layout
        self._own_directories = own_directories
        #: None stands for a directory, which may come again.
        self._seen: dict[str, _Identity | None] = {}
        self._parents: dict[str, str] = {"": ""}
        self._implied = 0

    def add(self, entry: Entry, content: Content) -> None:
        """One item, after its parents."""
        parent, _, name = entry.path.rpartition("/")
        if name in {"", "."} or entry.path[0] == "/" or problem_of(entry.path):
            checked(entry.path)
            raise BuildFailed(f"the path {shown(entry.path)} is not normalised")
        if entry.kind is Kind.DIRECTORY:
            self._directory(self._layout.resolved(entry.path), entry)
            return
        place = self._parents.get(parent)
        if place is None:
            place = self._parent(parent)
        path = f"{place}/{name}" if place else name
        if path in self._layout.directories or self._seen.get(path, ()) is None:
            raise _refused(path, f"is a {entry.kind}", "a directory")
        if path in self._layout.symlinks and not self._may_replace_link(path, entry):
            raise _over_link(path, entry.kind, self._layout.symlinks[path])
        if path in self._seen:
            self._again(path, entry, content)
        else:
            self._new(path, entry, content)

    def remove(self, paths: Iterable[str]) -> None:
        """Whiteouts (image-spec, layer.md): files named `.wh.NAME` beside what is to be gone.

        Engines differ in whether one hides what the same layer holds, so there is none for such a path. What goes with
        its directory gets none of its own, for that one's parents would bring the directory back.
        """
        wanted = {self._layout.place_of(checked(path)) for path in paths}
        held = {cut for path in self._seen for cut in _upwards(path)}
        for path in sorted(wanted):
            if path in held:
                raise BuildFailed(f"the path {shown('/' + path)} is removed from the base, and is in the same layer")
            if wanted.isdisjoint(_upwards(path.rpartition("/")[0])):
                parent, _, name = path.rpartition("/")
                place = self._parent(parent) if parent else ""
                mark = f"{place}/{WHITEOUT}{name}" if place else f"{WHITEOUT}{name}"
                self._writer.write(header(Entry(path=mark)))

    def _may_replace_link(self, path: str, entry: Entry) -> bool:
        """True for a symlink in the place of one that led to a file: nothing that was below a folder gets lost."""
        if self._own_directories:
            return True
        if entry.kind is not Kind.SYMLINK:
            return False
        return entry.target == self._layout.symlinks[path] or self._layout.resolved(path) in self._layout.files

    def _parent(self, parent: str) -> str:
        """The directory that an entry goes into, with all above it written."""
        place = self._layout.resolved(checked(parent))
        if place:
            self._directory(place, None)
        self._parents[parent] = place
        return place

    def _directory(self, path: str, entry: Entry | None) -> None:
        """Write a directory and those above it, each once; `entry` is None for one that only has to be there."""
        names = path.split("/")
        for depth in range(1, len(names)):
            self._one_directory("/".join(names[:depth]), None)
        self._one_directory(path, entry)

    def _one_directory(self, path: str, entry: Entry | None) -> None:
        if path not in self._seen:
            if path in self._layout.files:
                raise _refused(path, "is a directory, or has entries below it", "a file of the base image")
            facts = self._layout.directories.get(path)
            if entry is None:
                self._implied += 1
                if self._implied > _MAX_IMPLIED:
                    raise BuildFailed(
                        f"a layer with more than {_MAX_IMPLIED:,} directories that have no entry of their own",
                        hint="pack its archives with their directories",
                    )
            if entry is None or (facts and not self._own_directories):
                entry = (facts or Directory()).entry(path)
            self._writer.write(header(_placed(entry, path)))
            self._seen[path] = None
        identity = self._seen[path]
        if identity is not None:
            raise _refused(path, "is a directory, or has entries below it", f"a {identity[0]} of the same layer")

    def _new(self, path: str, entry: Entry, content: Content) -> None:
        blocks = header(_placed(entry, path))
        digest = ""
        if entry.kind is Kind.FILE:
            # What a package says of its contents was judged where they are read.
            is_judged = self._own_directories and entry.digest is not None
            digest = _copy(entry, content, blocks, self._writer, is_judged=is_judged)
        else:
            self._writer.write(blocks)
        self._seen[path] = _identity(entry, digest)

    def _again(self, path: str, entry: Entry, content: Content) -> None:
        """A path that is there already: nothing to write, but it must be the same."""
        digest = _copy(entry, content, b"", None) if entry.kind is Kind.FILE else ""
        if self._seen[path] != _identity(entry, digest):
            raise BuildFailed(
                f"the path {shown('/' + path)} comes twice into one layer, with different content, mode or owner",
                hint="exclude it from one of its sources, or give them different targets",
            )


def _upwards(path: str) -> Iterator[str]:
    """A path and all directories above it."""
    while path:
        yield path
        path = path.rpartition("/")[0]


def _placed(entry: Entry, path: str) -> Entry:
    """The entry under the path that the base's symlinks lead to; made anew only where that is another."""
    return entry if path == entry.path else replace(entry, path=path)


def _identity(entry: Entry, digest: str) -> _Identity:
    xattrs = tuple(sorted(entry.xattrs.items())) if entry.xattrs else ()
    return entry.kind, entry.mode, entry.uid, entry.gid, entry.target, digest, xattrs


def _copy(entry: Entry, content: Content, blocks: bytes, writer: LayerWriter | None, *, is_judged: bool = False) -> str:
    """Write header blocks, content and padding; returns the content's sha256. Without a writer it is only read.

    A content that `is_judged` was compared with its digest where it was read.
    """
    data = content() if callable(content) else content or b""
    content_hash = None if is_judged else hashlib.sha256()
    if not isinstance(data, bytes):
        _copy_stream(entry, data, blocks, writer, content_hash)
    else:
        if len(data) != entry.size:
            raise _changed(entry)
        if content_hash:
            content_hash.update(data)
        if writer and entry.size < BLOCK:
            writer.write(blocks + data + padding(entry.size))
        elif writer:
            _begin(entry, blocks, writer)
            writer.write(data)
            writer.write(padding(entry.size))
    digest = content_hash.hexdigest() if content_hash else ""
    if entry.digest is None:
        return digest
    if content_hash and entry.digest.hex != digest:
        raise _changed(entry)
    return entry.digest.hex


def _copy_stream(
    entry: Entry, stream: Readable, blocks: bytes, writer: LayerWriter | None, content_hash: hashlib._Hash | None
) -> None:
    left = entry.size
    try:
        if writer:
            _begin(entry, blocks, writer)
        while left:
            piece = stream.read(min(_PIECE, left))
            if not piece:
                raise _changed(entry)
            if content_hash:
                content_hash.update(piece)
            left -= len(piece)
            if writer:
                writer.write(piece)
        if stream.read(1):
            raise _changed(entry)
        if writer:
            writer.write(padding(entry.size))
    finally:
        stream.close()


def _begin(entry: Entry, blocks: bytes, writer: LayerWriter) -> None:
    writer.write(blocks)
    writer.begin(entry.size, entry.digest.hex if entry.digest else "")


def _changed(entry: Entry) -> BuildFailed:
    return BuildFailed(
        f"the content of {shown('/' + entry.path)} changed while it was read",
        hint="let nothing write to the files while they are built into an image, and build again",
    )


def _over_link(path: str, kind: Kind, leads_to: str) -> BuildFailed:
    return BuildFailed(
        f"the path {shown('/' + path)} is a {kind}, and the base image has a symlink to {shown(leads_to)} in its place",
        hint="end the target with `/` to put it into the folder that the symlink leads to, or choose another",
    )


def _refused(path: str, what: str, there: str) -> BuildFailed:
    return BuildFailed(
        f"the path {shown('/' + path)} {what}, and there is {there} in its place",
        hint="choose another target; a layer never replaces something of another kind, nor leads through it",
    )
