"""What JSON Schema says against a document, as findings with places. Importing jsonschema takes long: see `load`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, Final, Protocol

from imagekit.findings import Finding
from imagekit.spec import schema as contract
from imagekit.spec.accept import matches
from imagekit.spec.nearest import hint
from imagekit.spec.node import MappingNode, Node, Path, at, dotted
from imagekit.spec.secret import shown
from imagekit.values import dataclass

#: Errors of the schema that are looked at; a spec with more of them is not what it seems.
MAX_ERRORS: Final = 100

_CODES: Final[Mapping[Path, str]] = {("language",): "IK0201", ("os",): "IK0202"}
_TYPES: Final = {
    "string": "text",
    "object": "a mapping",
    "array": "a list",
    "integer": "a whole number",
    "boolean": "true or false",
}


class _Error(Protocol):
    """What is read of jsonschema's ValidationError; `context` has the errors of each branch of `anyOf`."""

    validator: Any
    validator_value: Any
    instance: Any
    schema: Any
    absolute_path: Any
    schema_path: Any
    context: Any


@dataclass(frozen=True, kw_only=True, slots=True)
class Refusal:
    """One thing that the schema refuses: the value at `path` cannot be used, for the reason in `finding`."""

    path: Path
    finding: Finding


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """What the schema says of a document. Not `complete`: there may be more than what is listed."""

    refusals: tuple[Refusal, ...] = ()
    complete: bool = True

    @classmethod
    def from_document(cls, document: Mapping[str, Any], schema: contract.Schema, root: Node) -> Verdict:
        """All that `schema` has against `document`, which was read from the tree `root`; MAX_ERRORS at most."""
        plain = (inner for error in _validator(schema).iter_errors(document) for inner in _plain(error))
        errors = list(islice(plain, MAX_ERRORS))
        reader = _Reader(schema=schema, root=root)
        found = tuple(dict.fromkeys(refusal for error in errors for refusal in reader.read(error)))
        return cls(refusals=found, complete=len(errors) < MAX_ERRORS)


def _validator(schema: contract.Schema) -> Any:
    from jsonschema import Draft202012Validator, ValidationError
    from jsonschema.validators import extend

    def pattern(_: Any, wanted: str, instance: Any, __: Any) -> Iterator[ValidationError]:
        if isinstance(instance, str) and not matches(wanted, instance):
            yield ValidationError("does not match")

    make: Any = extend  # has no types
    return make(Draft202012Validator, {"pattern": pattern})(schema)


def _plain(error: _Error) -> Iterator[_Error]:
    """The error without `anyOf`: what the branch that fits the value best has against it.

    That is itself when no branch takes a value of this type.
    """
    if error.validator not in ("anyOf", "oneOf"):
        yield error
        return
    branches: dict[Any, list[_Error]] = {}
    for inner in error.context or ():
        branches.setdefault(inner.schema_path[0], []).append(inner)
    fitting = [errors for errors in branches.values() if not any(_is_type(inner, error) for inner in errors)]
    if not fitting:
        yield error
        return
    for inner in min(fitting, key=len):
        yield from _plain(inner)


def _is_type(inner: _Error, outer: _Error) -> bool:
    """True when a branch of `outer` refuses the very value for its type."""
    if len(inner.absolute_path) != len(outer.absolute_path):
        return False
    if inner.validator in ("anyOf", "oneOf"):
        return all(_is_type(deeper, outer) for deeper in inner.context or ())
    return bool(inner.validator == "type")


@dataclass(frozen=True, kw_only=True, slots=True)
class _Reader:
    """Turns errors without `anyOf` around them into refusals."""

    schema: contract.Schema
    root: Node

    def read(self, error: _Error) -> Iterator[Refusal]:
        """What one error stands for."""
        path: Path = tuple(error.absolute_path)
        match error.validator:
            case "additionalProperties":
                yield from self._unknown(error, path)
            case "required":
                yield from self._missing(error, path)
            case "type" | "anyOf" | "oneOf":
                message, advice = self._wrong_type(error, path)
                yield self._refusal("IK0103", path, message, advice)
            case word:
                say = _SAID.get(str(word), _pattern)
                message, advice = say(_name(path), error)
                yield self._refusal(_CODES.get(path, "IK0104"), path, message, advice)

    def _unknown(self, error: _Error, path: Path) -> Iterator[Refusal]:
        valid = sorted(error.schema.get("properties", ()))
        node = at(self.root, path)
        for key in islice((key for key in error.instance if key not in valid), MAX_ERRORS):
            if isinstance(node, MappingNode):
                message = f"unknown key {shown(key)}{_inside(path)}"
                place = node.entries[key].key_place
                advice = hint(key, valid, "keys here")
                finding = Finding(code="IK0101", message=message, place=place, hint=advice)
                yield Refusal(path=(*path, key), finding=finding)

    def _missing(self, error: _Error, path: Path) -> Iterator[Refusal]:
        for key in error.validator_value:
            if key not in error.instance:
                example = self._example((*path, key))
                advice = f"add it, for example `{example}`" if example else f"add a line `{key}: …`"
                yield self._refusal("IK0102", path, f"`{key}` is missing{_inside(path)}", advice)

    def _wrong_type(self, error: _Error, path: Path) -> tuple[str, str]:
        types = tuple(_wanted(error))
        wanted = " or ".join(dict.fromkeys(_TYPES.get(name, name) for name in types))
        if error.instance is None:
            free = error.validator == "type" and "string" in types and "pattern" not in error.schema
            empty = '; an empty text is ""' if free else ""
            return f"{_name(path)} has no value", f"give it {wanted}, or leave the key out{empty}"
        message = f"{_name(path)} is {_what(error.instance)}; it has to be {wanted}"
        example = self._example(path)
        return message, _bare_placeholder(error.instance) or (f"for example `{example}`" if example else "")

    def _example(self, path: Path) -> str:
        """A line of YAML out of the schema's `examples` for this place."""
        written = contract.at(path, self.schema)
        for schema in (*written, *contract.leaves(written, self.schema)):
            if examples := schema.get("examples") or schema.get("enum"):
                text = examples[0] if isinstance(examples[0], str) else _json(examples[0])
                return text if isinstance(path[-1], int) else f"{path[-1]}: {text}"
        return ""

    def _refusal(self, code: str, path: Path, message: str, advice: str) -> Refusal:
        place = at(self.root, path).place
        return Refusal(path=path, finding=Finding(code=code, message=message, place=place, hint=advice))


def _enum(name: str, error: _Error) -> tuple[str, str]:
    written = str(error.instance)
    return f"{name} cannot be {shown(written)}", hint(written, map(str, error.validator_value), "values")


def _pattern(name: str, error: _Error) -> tuple[str, str]:
    title = error.schema.get("title", "")
    return f"{name} cannot be {shown(str(error.instance))}", f"it has to be {title}" if title else ""


def _too_few(name: str, _: _Error) -> tuple[str, str]:
    return f"{name} is empty", "put something in, or leave the key out"


def _too_long(name: str, error: _Error) -> tuple[str, str]:
    return f"{name} is too long", f"it has at most {error.validator_value} characters"


def _too_small(name: str, error: _Error) -> tuple[str, str]:
    return f"{name} cannot be {error.instance}", f"it has to be at least {error.validator_value}"


def _too_large(name: str, error: _Error) -> tuple[str, str]:
    return f"{name} cannot be {error.instance}", f"it has to be at most {error.validator_value}"


_SAID: Final[Mapping[str, Callable[[str, _Error], tuple[str, str]]]] = {
    "enum": _enum,
    "pattern": _pattern,
    "minItems": _too_few,
    "minProperties": _too_few,
    "maxLength": _too_long,
    "minimum": _too_small,
    "maximum": _too_large,
}


def _name(path: Path) -> str:
    return f"`{dotted(path)}`" if path else "the spec"


def _inside(path: Path) -> str:
    return f" in `{dotted(path)}`" if path else ""


def _wanted(error: _Error) -> Iterable[str]:
    """The types that the schema takes at this place."""
    if error.validator == "type":
        value = error.validator_value
        return [value] if isinstance(value, str) else list(value)
    return [name for inner in error.context or () if _is_type(inner, error) for name in _wanted(inner)]


def _what(instance: Any) -> str:
    match instance:
        case str():
            return shown(instance)
        case dict():
            return "a mapping"
        case list():
            return "a list"
        case _:
            return _json(instance)


def _bare_placeholder(instance: Any) -> str:
    """`{version}` without quotes is a mapping in YAML: a key without a value."""
    if isinstance(instance, dict) and len(instance) == 1 and None in instance.values():
        return f'put a placeholder in quotes: "{{{next(iter(instance))[:60]}}}"'
    return ""


def _json(value: Any) -> str:
    """A value in one line of JSON, which is YAML too."""
    return json.dumps(value, ensure_ascii=False)
