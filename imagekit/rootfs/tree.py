"""A tree: what of a folder reaches a layer, by name and content; its digest stands for it in the plan."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import Any, Self

from imagekit.oci import canonical
from imagekit.oci.digest import Digest
from imagekit.rootfs.entry import Kind
from imagekit.values import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Node:
    """A file, directory or symlink; `mode` is a user's mode (see `user_mode`), `size` in bytes."""

    path: str
    kind: Kind
    mode: int
    size: int = 0
    target: str = ""
    digest: Digest | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Tree:
    """Nodes sorted by path, held as their canonical record until someone asks for them.

    Only what reaches a layer is in the record and so in the digest: no times, no owners, no other mode than 0644
    and 0755.
    """

    record: bytes
    digest: Digest

    @classmethod
    def from_nodes(cls, nodes: Iterable[Node]) -> Self:
        """A tree of these nodes, in any order; each path once."""
        return cls.from_record(canonical.to_bytes([_row(node) for node in sorted(nodes, key=lambda n: n.path)]))

    @classmethod
    def from_rows(cls, rows: list[list[Any]]) -> Self:
        """A tree out of rows, sorted by path: `[path]`, `[path, link target]` or `[path, mode, size, sha256]`."""
        return cls.from_record(canonical.to_bytes(rows))

    @classmethod
    def from_record(cls, record: bytes) -> Self:
        """The tree that another one's `record` describes."""
        return cls(record=record, digest=Digest.of(record))

    @property
    def nodes(self) -> tuple[Node, ...]:
        """All nodes; read out of the record at each call."""
        return tuple(_node(row) for row in json.loads(self.record))

    def split(self, folders: tuple[str, ...]) -> tuple[Self, Self]:
        """The tree of what lies in these folders (with them), and that of the rest."""
        heads = tuple(f"{folder}/" for folder in folders)
        inside: list[list[Any]] = []
        outside: list[list[Any]] = []
        for row in json.loads(self.record):
            (inside if row[0] in folders or row[0].startswith(heads) else outside).append(row)
        return self.from_rows(inside), self.from_rows(outside)

    def to_bytes(self) -> bytes:
        """The record with its checksum, to be kept."""
        return self.digest.hex.encode("ascii") + b"\n" + self.record

    @classmethod
    def from_bytes(cls, data: bytes) -> Self | None:
        """What `to_bytes` gave; None when it is damaged."""
        checksum, _, record = data.partition(b"\n")
        if checksum != hashlib.sha256(record).hexdigest().encode("ascii"):
            return None
        return cls(record=record, digest=Digest(checksum.decode("ascii")))


def _row(node: Node) -> list[Any]:
    match node.kind:
        case Kind.DIRECTORY:
            return [node.path]
        case Kind.SYMLINK:
            return [node.path, node.target]
        case Kind.FILE:
            return [node.path, node.mode, node.size, node.digest.hex if node.digest else ""]


def _node(row: list[Any]) -> Node:
    if len(row) == 4:
        return Node(path=row[0], kind=Kind.FILE, mode=row[1], size=row[2], digest=Digest(row[3]))
    if len(row) == 2:
        return Node(path=row[0], kind=Kind.SYMLINK, mode=0o777, target=row[1])
    return Node(path=row[0], kind=Kind.DIRECTORY, mode=0o755)
