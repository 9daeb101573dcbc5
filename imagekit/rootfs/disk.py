"""Files on disk as items of a layer: read when they are needed, as the tree that was scanned says."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from functools import partial
from typing import Final

from imagekit.errors import BuildFailed, InvalidFile
from imagekit.readable import Readable
from imagekit.rootfs.entry import Content, Entry, Item, Kind
from imagekit.rootfs.tree import Node, Tree

#: Files up to this size are read at once.
_SMALL: Final = 1 << 20
_PIECE: Final = 1 << 18


def from_folder(tree: Tree, folder: str, target: str, *, mode: int | None = None) -> Iterator[Item]:
    """The items of a scanned folder, sorted by path, below `target`, a directory of the image.

    `mode` is forced on files when given. The layer refuses a file that is no longer what the scan saw.
    """
    target = target.strip("/")
    prefix = f"{target}/" if target else ""
    for node in tree.nodes:
        yield _item(node, prefix + node.path, f"{folder}/{node.path}", mode)


def from_file(tree: Tree, file: str, path: str, *, mode: int | None = None) -> Iterator[Item]:
    """The item of a scanned single file, as `path` of the image."""
    for node in tree.nodes:
        yield _item(node, path.lstrip("/"), file, mode)


def hash_file(path: str, seen: os.stat_result) -> str:
    """The sha256 in hex of a file that `lstat` saw like this.

    Raises InvalidFile when it cannot be read, BuildFailed when it is not the same before, while and after it is read.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError as error:
        raise _changed(path) from error
    except OSError as error:
        raise InvalidFile(
            f"{path}: cannot be read: {error.strerror}", hint="make it readable, or exclude it"
        ) from error
    try:
        content, size = hashlib.sha256(), 0
        while piece := os.read(descriptor, min(seen.st_size + 1, _PIECE)):
            content.update(piece)
            size += len(piece)
        if size != seen.st_size or _identity(os.fstat(descriptor)) != _identity(seen):
            raise _changed(path)
        return content.hexdigest()
    finally:
        os.close(descriptor)


def _item(node: Node, path: str, disk: str, mode: int | None) -> Item:
    content: Content = None
    if node.kind is Kind.FILE:
        content = partial(_read, disk, node.size)
        mode = node.mode if mode is None else mode
    else:
        mode = node.mode
    entry = Entry(path=path, kind=node.kind, mode=mode, size=node.size, target=node.target, digest=node.digest)
    return entry, content


def _read(path: str, size: int) -> bytes | Readable:
    """A small file's bytes, a large file's stream; the layer compares them with the digest."""
    try:
        if size > _SMALL:
            return open(path, "rb", buffering=0)
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            return os.read(descriptor, size + 1)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise _changed(path) from error


def _identity(facts: os.stat_result) -> tuple[int, ...]:
    return facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns, facts.st_dev, facts.st_ino


def _changed(path: str) -> BuildFailed:
    return BuildFailed(
        f"{path} changed while it was read",
        hint="let nothing write to the files while they are built into an image, and build again",
    )
