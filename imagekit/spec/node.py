"""The nodes of a YAML document (YAML 1.2.2, section 3.2.1), each with its place in the text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from typing import TypeAlias

from imagekit.findings import Place
from imagekit.values import dataclass

#: The way from the root to a node: keys, and indexes of sequences.
Path: TypeAlias = tuple[str | int, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class ScalarNode:
    """A scalar as it was written; `plain` is false when it stood in quotes or in a block."""

    text: str
    plain: bool
    place: Place


@dataclass(frozen=True, kw_only=True, slots=True)
class SequenceNode:
    """A sequence of nodes."""

    items: tuple[Node, ...]
    place: Place


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One value of a mapping and the place of its key."""

    key_place: Place
    value: Node


@dataclass(frozen=True, kw_only=True, slots=True)
class MappingNode:
    """A mapping by text; the keys are unique, in the order of the text."""

    entries: Mapping[str, Entry]
    place: Place


Node: TypeAlias = ScalarNode | SequenceNode | MappingNode


def dotted(path: Path) -> str:
    """The path as `--set` and messages write it: `files.0.target`."""
    return ".".join(map(str, path))


def at(node: Node, path: Path) -> Node:
    """The node that `path` leads to; the last one that exists where the path goes on too far."""
    for step in path:
        if isinstance(node, MappingNode) and step in node.entries:
            node = node.entries[str(step)].value
        elif isinstance(node, SequenceNode) and isinstance(step, int) and step < len(node.items):
            node = node.items[step]
        else:
            break
    return node


def walk(node: Node, path: Path = ()) -> Iterator[tuple[Path, Place, Node]]:
    """Every node below and including `node`: its path, the place of its key (else its own), itself."""
    waiting: list[tuple[Path, Place, Node]] = [(path, node.place, node)]
    while waiting:
        here = waiting.pop()
        yield here
        match here[2]:
            case MappingNode(entries=entries):
                waiting += [((*here[0], key), entry.key_place, entry.value) for key, entry in entries.items()]
            case SequenceNode(items=items):
                waiting += [((*here[0], index), item.place, item) for index, item in enumerate(items)]
            case ScalarNode():
                pass


def without(node: MappingNode, paths: Set[Path]) -> MappingNode:
    """The same tree less the nodes that `paths` lead to; in a sequence a null stays, so that no other path changes."""
    smaller = _without(node, paths, ()) if paths else node
    return smaller if isinstance(smaller, MappingNode) else node


def _without(node: Node, paths: Set[Path], here: Path) -> Node:
    match node:
        case MappingNode(entries=entries, place=place):
            kept = {key: entry for key, entry in entries.items() if (*here, key) not in paths}
            smaller = {
                key: Entry(key_place=entry.key_place, value=_without(entry.value, paths, (*here, key)))
                for key, entry in kept.items()
            }
            return MappingNode(entries=smaller, place=place)
        case SequenceNode(items=items, place=place):
            kept_items = tuple(
                ScalarNode(text="", plain=True, place=item.place)
                if (*here, index) in paths
                else _without(item, paths, (*here, index))
                for index, item in enumerate(items)
            )
            return SequenceNode(items=kept_items, place=place)
        case ScalarNode():
            return node
