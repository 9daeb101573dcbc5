"""Stems: the lower layers of an image, unpacked and kept open, so that a changed last layer is put on a copy of links.

The folders in a stem are open to their owner, whatever modes the image gives them; those stand in a file beside them.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Final

from imagekit.rootfs.unpacked_tree import Node, directories
from imagekit.values import dataclass

#: What a stem holds: the unpacked layers, and the modes and times of their folders.
TREE: Final = "tree"
_FACTS: Final = "facts.json"
_OPEN: Final = 0o700


@dataclass(frozen=True, kw_only=True, slots=True)
class Copied:
    """A copy of a stem: its tree, how many names are in it, and how many bytes its layers hold."""

    top: Node
    names: int
    size: int


def describe(top: Node, size: int, stem: str) -> None:
    """Write down what the tree in a stem is. Raises OSError."""
    modes = {path: (node.mode, node.mtime) for path, node in directories(top)}
    with open(f"{stem}/{_FACTS}", "w", encoding="ascii") as file:
        json.dump({"size": size, "modes": modes}, file)


def copy(stem: str, folder: str) -> Copied:
    """Fill an empty folder with the links of a stem's files. Raises OSError."""
    os.utime(stem)  # the cache goes by what was used last
    with open(f"{stem}/{_FACTS}", encoding="ascii") as file:
        facts = json.load(file)
    modes: Mapping[str, tuple[int, int]] = facts["modes"]
    top = Node(0, is_directory=True)
    top.mode, top.mtime = modes[""]
    waiting = [(top, "")]
    names = 0
    while waiting:
        node, path = waiting.pop()
        assert node.children is not None
        with os.scandir(f"{stem}/{TREE}/{path}") as items:
            for item in items:
                inner = f"{path}/{item.name}" if path else item.name
                node.children[item.name] = child = _child(item, f"{folder}/{inner}")
                names += 1
                if child.children is not None:
                    child.mode, child.mtime = modes[inner]
                    waiting.append((child, inner))
    return Copied(top=top, names=names, size=facts["size"])


def _child(item: os.DirEntry[str], place: str) -> Node:
    if item.is_dir(follow_symlinks=False):
        os.mkdir(place, _OPEN)
        return Node(0, is_directory=True)
    os.link(item.path, place, follow_symlinks=False)
    return Node(0, target=os.readlink(item.path) if item.is_symlink() else None)
