"""A spec as text again: one file out of all that it extends and what the command line set.

The text reads as the same spec. Each value stands in a line of its own, its origin in a comment behind it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from imagekit.findings import Place
from imagekit.spec.node import MappingNode, Node, ScalarNode, SequenceNode
from imagekit.spec.schema import NULLS
from imagekit.spec.secret import redact

#: What reads as the same scalar without quotes wherever it stands (YAML 1.2.2, section 7.3.3, and less than that).
#: A plain text that does not fit comes into quotes, and reads the same: no number, null or boolean is written like it.
_PLAIN: Final = re.compile(r"~|[-+.]?[A-Za-z0-9_./][A-Za-z0-9_./@+-]*(?: [A-Za-z0-9_./@+-]+)*")
_ESCAPES: Final = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t"}
#: Beyond this column a comment does not wait for the others.
_WIDEST: Final = 70


def to_yaml(node: MappingNode) -> str:
    """The tree as YAML. Values keep their quotes: what was a text stays one."""
    lines = list(_mapping(node, ""))
    width = min(_WIDEST, max((len(text) for text, place in lines if place), default=0))
    return "".join(f"{text.ljust(width)}  # {_origin(place)}\n" if place else f"{text}\n" for text, place in lines)


_Line = tuple[str, Place | None]


def _mapping(node: MappingNode, indent: str) -> Iterator[_Line]:
    for key, entry in node.entries.items():
        yield from _value(entry.value, f"{indent}{_key(key)}:", indent + "  ")


def _sequence(node: SequenceNode, indent: str) -> Iterator[_Line]:
    for item in node.items:
        yield from _item(item, indent)


def _item(item: Node, indent: str) -> Iterator[_Line]:
    """An item of a list; the first line of a mapping stands behind the dash."""
    if isinstance(item, MappingNode) and item.entries:
        lines = _mapping(item, indent + "  ")
        text, place = next(lines)
        yield f"{indent}- {text[len(indent) + 2 :]}", place
        yield from lines
    else:
        yield from _value(item, f"{indent}-", indent + "  ")


def _value(node: Node, before: str, indent: str) -> Iterator[_Line]:
    match node:
        case MappingNode(entries=entries) if entries:
            yield before, None
            yield from _mapping(node, indent)
        case SequenceNode(items=items) if items:
            yield before, None
            yield from _sequence(node, indent)
        case MappingNode(place=place):
            yield f"{before} {{}}", place
        case SequenceNode(place=place):
            yield f"{before} []", place
        case ScalarNode(place=place):
            yield f"{before} {_scalar(node)}".rstrip(), place


def _scalar(node: ScalarNode) -> str:
    """A plain scalar stays plain, since the schema reads its type; one that was quoted is a text for ever."""
    if node.plain and (not node.text or _PLAIN.fullmatch(node.text)):
        return node.text
    return _quoted(node.text)


def _key(text: str) -> str:
    return text if _PLAIN.fullmatch(text) and text not in NULLS else _quoted(text)


def _quoted(text: str) -> str:
    """In double quotes (YAML 1.2.2, section 5.7)."""
    return f'"{"".join(map(_escaped, text))}"'


def _escaped(character: str) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    return character if character.isprintable() else f"\\U{ord(character):08X}"


def _origin(place: Place) -> str:
    """`file:line`, or the flag that set the value."""
    return redact(f"{place.file}:{place.line}" if place.line else place.file)
