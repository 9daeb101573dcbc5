"""The contract of a spec: the JSON Schema (draft 2020-12), and the reading of scalars by it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Any, Final, TypeAlias

from imagekit import data
from imagekit.spec.node import MappingNode, Node, Path, ScalarNode, SequenceNode

Schema: TypeAlias = Mapping[str, Any]

#: How a plain scalar says that there is no value (YAML 1.2.2, section 10.3.2).
NULLS: Final = frozenset(("", "~", "null", "Null", "NULL"))
_BOOLEANS: Final = {"true": True, "false": False}
_CORE_BOOLEANS: Final = {**_BOOLEANS, "True": True, "TRUE": True, "False": False, "FALSE": False}
_INTEGER: Final = re.compile(r"-?(0|[1-9][0-9]{0,17})")
_CORE_INTEGER: Final = re.compile(r"[-+]?[0-9]{1,1000}")
_CORE_BASED: Final = re.compile(r"0o[0-7]{1,1000}|0x[0-9a-fA-F]{1,1000}")
_CORE_FLOAT: Final = re.compile(
    r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"
)


@cache
def text() -> str:
    """The schema as it stands in the package."""
    return (data.schemas() / "schema.json").read_text(encoding="utf-8")


def document(languages: Iterable[str], systems: Iterable[str]) -> dict[str, Any]:
    """The schema with the names of languages and operating systems put in: for editors, and for `load`."""
    schema: dict[str, Any] = json.loads(text())
    for key, names in (("language", languages), ("os", systems)):
        schema["properties"][key]["enum"] = sorted(names)
    return schema


def leaves(schemas: Iterable[Schema], root: Schema) -> Iterator[Schema]:
    """The schemas with `$ref`, `anyOf`, `oneOf` and `allOf` followed to where they end."""
    for schema in schemas:
        if "$ref" in schema:
            yield from leaves([referred(schema["$ref"], root)], root)
        branches = [branch for word in ("anyOf", "oneOf", "allOf") for branch in schema.get(word, ())]
        yield from leaves(branches, root)
        if "$ref" not in schema and not branches:
            yield schema


def under(schemas: Iterable[Schema], key: str | int) -> list[Schema]:
    """What the schemas say of the value of `key`, or of an item of a sequence; nothing for an unknown key."""
    found: list[Schema] = []
    for schema in schemas:
        below: Any
        if _free(schema):
            below = {}
        elif isinstance(key, int):
            below = schema.get("items")
        else:
            below = schema.get("properties", {}).get(key, schema.get("additionalProperties"))
        if isinstance(below, Mapping):
            found.append(below)
    return found


def at(path: Path, root: Schema) -> list[Schema]:
    """What the schema says of the place that `path` leads to, as it is written there: before `$ref` is followed."""
    schemas: list[Schema] = [root]
    for step in path:
        schemas = under(leaves(schemas, root), step)
    return schemas


def value(node: Node, schemas: Iterable[Schema], root: Schema) -> Any:
    """The node as JSON, each scalar read by the type that the schema gives its place.

    Text that is not of that type stays text, so that the schema refuses it; a place without a type takes what YAML's
    core schema makes of it.
    """
    here = list(leaves(schemas, root))
    match node:
        case MappingNode(entries=entries):
            return {key: value(entry.value, under(here, key), root) for key, entry in entries.items()}
        case SequenceNode(items=items):
            below = under(here, 0)
            return [value(item, below, root) for item in items]
        case ScalarNode(plain=True, text=text):
            return _scalar(text, here)
        case ScalarNode(text=text):
            return text


def _scalar(text: str, schemas: list[Schema]) -> Any:
    if text in NULLS:
        return None
    if any(map(_free, schemas)):
        return _core(text)
    types = {name for schema in schemas for name in _types(schema)}
    if "string" in types:
        return text
    if "boolean" in types and text in _BOOLEANS:
        return _BOOLEANS[text]
    if "integer" in types and _INTEGER.fullmatch(text):
        return int(text)
    return text


def _core(text: str) -> Any:
    """A plain scalar by the core schema (YAML 1.2.2, section 10.3.2); null was looked for before."""
    if text in _CORE_BOOLEANS:
        return _CORE_BOOLEANS[text]
    if _CORE_INTEGER.fullmatch(text):
        return int(text)
    if _CORE_BASED.fullmatch(text):
        return int(text, 0)
    if _CORE_FLOAT.fullmatch(text):
        return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
    return text


def _free(schema: Schema) -> bool:
    """True when the schema leaves the type open, for the value and all below it."""
    return schema.keys().isdisjoint(("type", "enum", "const"))


def _types(schema: Schema) -> tuple[str, ...]:
    named = schema.get("type", ())
    return (named,) if isinstance(named, str) else tuple(named)


def referred(reference: str, root: Schema) -> Schema:
    """What a `$ref` into the same document leads to."""
    found: Any = root
    for step in reference.removeprefix("#/").split("/"):
        found = found[step]
    return found  # type: ignore[no-any-return]  # a JSON document has no types
