"""Reading imagekit's own data files: mappings, sequences and texts; every scalar stays the text that it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from imagekit.errors import Bug
from imagekit.spec.node import MappingNode, Node, ScalarNode, SequenceNode
from imagekit.spec.text import parse


def read(path: Path) -> dict[str, Any]:
    """The mapping in a data file; a file that does not parse is a bug, for it comes with imagekit."""
    node, findings = parse(path.name, path.read_bytes())
    if node is None or findings:
        raise Bug(f"the data file {path} cannot be read: {'; '.join(map(str, findings))}")
    return {key: _plain(entry.value) for key, entry in node.entries.items()}


def _plain(node: Node) -> Any:
    match node:
        case MappingNode(entries=entries):
            return {key: _plain(entry.value) for key, entry in entries.items()}
        case SequenceNode(items=items):
            return [_plain(item) for item in items]
        case ScalarNode(text=text):
            return text
