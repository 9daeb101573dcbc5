"""`--set KEY=VALUE`: one scalar of a spec, given on the command line."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from imagekit.findings import Finding, Place
from imagekit.spec.nearest import hint
from imagekit.spec.node import Entry, MappingNode, Node, ScalarNode, SequenceNode
from imagekit.spec.schema import NULLS, Schema, leaves, under
from imagekit.spec.secret import redact, shown

#: How the place of an overridden value begins: it stands in no file.
FLAG: Final = "--set "


class _Refused(Exception):
    """The override names nothing that can be set; the arguments are message and hint. `apply` makes a finding of it."""


def apply(node: MappingNode, overrides: Iterable[str], root: Schema) -> tuple[MappingNode, tuple[Finding, ...]]:
    """The tree with each override set, in their order, and those that name no key of the schema `root`."""
    findings = []
    for override in overrides:
        key, sign, text = override.partition("=")
        place = Place(file=FLAG + redact(override).encode("utf-8", "replace").decode())
        try:
            if not sign or not key:
                raise _Refused(f"{shown(override)} is not KEY=VALUE", "write for example --set environment.LEVEL=debug")
            if not text.isprintable() and any(c == "\0" or "\ud800" <= c <= "\udfff" for c in text):
                raise _Refused("a character that no text may hold", "give Unicode text without NUL")
            # An empty text is a text here; there is no other way to write one.
            scalar = ScalarNode(text=text, plain=text not in NULLS, place=place)
            node = _set_key(node, key.split("."), scalar, list(leaves([root], root)), root)
        except _Refused as refused:
            findings.append(Finding(code="IK0108", message=refused.args[0], place=place, hint=refused.args[1]))
    return node, tuple(findings)


def _set(node: Node | None, steps: list[str], scalar: ScalarNode, schemas: list[Schema], root: Schema) -> Node:
    """`node` with `scalar` where `steps` lead; what is missing on the way is made as the schema has it."""
    if not steps:
        return scalar
    here = list(leaves(schemas, root))
    if node is None:
        node = _empty(here, scalar.place, steps[0])
    match node:
        case MappingNode():
            return _set_key(node, steps, scalar, here, root)
        case SequenceNode():
            return _set_item(node, steps, scalar, here, root)
        case ScalarNode():
            message = f"`{steps[0]}` cannot be set below a text"
            raise _Refused(message, "set the key above it, or change it in the spec")


def _empty(here: list[Schema], place: Place, step: str) -> Node:
    types = {schema.get("type") for schema in here}
    if "array" in types and (step.isdecimal() or "object" not in types):
        return SequenceNode(items=(), place=place)
    if "object" in types:
        return MappingNode(entries={}, place=place)
    raise _Refused(f"`{step}` cannot be set below a text", "set the key above it")


def _set_key(node: MappingNode, steps: list[str], scalar: ScalarNode, here: list[Schema], root: Schema) -> MappingNode:
    step, rest = steps[0], steps[1:]
    named = {key for schema in here for key in schema.get("properties", ())}
    if step not in named and any(isinstance(schema.get("additionalProperties"), dict) for schema in here):
        # A free mapping of texts, such as labels: its keys may hold dots.
        step, rest = ".".join(steps), []
    below = under(here, step)
    if not below or (step == "extends" and step in named):
        valid = sorted(named - {"extends"})
        raise _Refused(f"no key {shown(step)} can be set here", hint(step, valid, "keys here"))
    entry = node.entries.get(step)
    value = _set(entry.value if entry else None, rest, scalar, below, root)
    key_place = entry.key_place if entry else scalar.place
    return MappingNode(entries={**node.entries, step: Entry(key_place=key_place, value=value)}, place=node.place)


def _set_item(
    node: SequenceNode, steps: list[str], scalar: ScalarNode, here: list[Schema], root: Schema
) -> SequenceNode:
    count = len(node.items)
    index = int(steps[0]) if steps[0].isdecimal() and len(steps[0]) < 9 else -1
    if not 0 <= index <= count:
        message = f"{shown(steps[0])} is no item of this list"
        raise _Refused(message, f"use a number from 0 to {count}; {count} appends an item")
    item = node.items[index] if index < count else None
    value = _set(item, steps[1:], scalar, under(here, 0), root)
    return SequenceNode(items=(*node.items[:index], value, *node.items[index + 1 :]), place=node.place)
