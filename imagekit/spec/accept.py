"""The quick yes of the schema: most specs are right, and jsonschema takes longer to import than all else of a spec.

It knows the words that the schema is written in and says yes only where jsonschema would. What it does not know, and
everything that is wrong, is jsonschema's: it says what, and where (see `validate`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from imagekit.spec.schema import Schema, referred

_Check = Callable[[Any, Any, Schema, Schema], bool]

#: Words that describe and refuse nothing (JSON Schema 2020-12, "Validation", section 9, and "Core", section 8.2).
_SILENT: Final = frozenset(("$schema", "$defs", "title", "description", "examples", "default"))


def accepts(value: Any, schema: Schema, root: Schema) -> bool:
    """True when the schema takes the value; False says nothing."""
    return all(
        word in _SILENT or (word in _CHECKS and _CHECKS[word](value, wanted, schema, root))
        for word, wanted in schema.items()
    )


def matches(pattern: str, text: str) -> bool:
    """Whether the pattern is found. Python's `$` also matches before a last line break; that of ECMA 262 does not."""
    return re.search(re.sub(r"\$$", r"\\Z", pattern), text) is not None


def _type(value: Any, wanted: Any, _schema: Schema, _root: Schema) -> bool:
    names = (wanted,) if isinstance(wanted, str) else wanted
    return any(_IS.get(name, _never)(value) for name in names)


def _enum(value: Any, wanted: Any, _schema: Schema, _root: Schema) -> bool:
    return isinstance(value, str) and value in wanted


def _reference(value: Any, wanted: Any, _schema: Schema, root: Schema) -> bool:
    return accepts(value, referred(wanted, root), root)


def _any_of(value: Any, wanted: Any, _schema: Schema, root: Schema) -> bool:
    return any(accepts(value, branch, root) for branch in wanted)


def _items(value: Any, wanted: Any, _schema: Schema, root: Schema) -> bool:
    return not isinstance(value, list) or all(accepts(item, wanted, root) for item in value)


def _properties(value: Any, wanted: Any, _schema: Schema, root: Schema) -> bool:
    return not isinstance(value, dict) or all(
        accepts(item, wanted[key], root) for key, item in value.items() if key in wanted
    )


def _additional(value: Any, wanted: Any, schema: Schema, root: Schema) -> bool:
    if not isinstance(value, dict) or wanted is True:
        return True
    more = [item for key, item in value.items() if key not in schema.get("properties", ())]
    return not more if wanted is False else all(accepts(item, wanted, root) for item in more)


def _never(_: Any) -> bool:
    return False


def _of(kind: type | tuple[type, ...], holds: Callable[[Any, Any], bool]) -> _Check:
    """The check of a word that is only about values of one type."""

    def check(value: Any, wanted: Any, _schema: Schema, _root: Schema) -> bool:
        return isinstance(value, bool) or not isinstance(value, kind) or holds(value, wanted)

    return check


_IS: Final[Mapping[str, Callable[[Any], bool]]] = {
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "array": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, dict),
    "null": lambda value: value is None,
}

_CHECKS: Final[Mapping[str, _Check]] = {
    "$ref": _reference,
    "type": _type,
    "enum": _enum,
    "anyOf": _any_of,
    "items": _items,
    "properties": _properties,
    "additionalProperties": _additional,
    "required": _of(dict, lambda value, wanted: all(key in value for key in wanted)),
    "minProperties": _of(dict, lambda value, wanted: len(value) >= wanted),
    "minItems": _of(list, lambda value, wanted: len(value) >= wanted),
    "maxItems": _of(list, lambda value, wanted: len(value) <= wanted),
    "maxLength": _of(str, lambda value, wanted: len(value) <= wanted),
    "pattern": _of(str, lambda value, wanted: matches(wanted, value)),
    "minimum": _of((int, float), lambda value, wanted: value >= wanted),
    "maximum": _of((int, float), lambda value, wanted: value <= wanted),
}
