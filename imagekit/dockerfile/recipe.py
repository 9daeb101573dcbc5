"""A spec on its way out of a Dockerfile: each value with its line, and what could not be taken over."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from typing import Any, Final

from imagekit.findings import Place
from imagekit.spec.node import Entry, MappingNode, Node, ScalarNode, SequenceNode
from imagekit.values import dataclass

#: The keys of a spec, in the order in which people write them.
_ORDER: Final = (
    *("name", "language", "os", "base", "architectures", "handler", "bootstrap", "build", "packages", "upgrade"),
    *("remove", "repositories", "weak_dependencies", "slim", "archives", "files", "environment", "labels"),
)
#: Architectures, as people write them into URLs and commands.
_ONE: Final = re.compile(r"(?<![A-Za-z0-9])(?:x86_64|amd64|x64|aarch64|arm64)(?![A-Za-z0-9])")
#: Where the name comes from.
_FOLDER: Final = "the folder's name"
#: Marks around a placeholder in a text that is otherwise taken as it is.
_OPEN, _CLOSE = "\ue000", "\ue001"


@dataclass(frozen=True, kw_only=True, slots=True)
class Said:
    """A value of the spec and the line that says it; 0 where none does."""

    value: Any
    line: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Left:
    """What could not be taken over: the line, what it is, what to do."""

    line: int
    what: str
    advice: str


#: What a spec cannot be without, and what it says of the start when nothing else is left.
_NEEDED: Final = frozenset({"name", "language", "os"})
#: Keys that an item is nothing without.
_OF_ITEMS: Final = frozenset({"source", "target", "image", "run", "in", "name"})
_NO_START: Final = Said(value={"path": "bootstrap"}, line=0)


def placeholder(word: str) -> str:
    """`{word}` in a text whose other braces are braces."""
    return f"{_OPEN}{word}{_CLOSE}"


def written(text: str) -> str:
    """A text as a spec has it: braces doubled, placeholders in braces."""
    doubled = text.replace("{", "{{").replace("}", "}}")
    return doubled.replace(_OPEN, "{").replace(_CLOSE, "}")


def plain(text: str) -> bool:
    """True for a text without placeholders."""
    return _OPEN not in text


@dataclass(frozen=True, kw_only=True, slots=True)
class Copied:
    """Something that is copied into the image: the keys of an item of `files`, and where its first file comes to be."""

    line: int
    item: Mapping[str, Any]

    @property
    def path(self) -> str:
        """Where a single file lands; what a folder's contents are put into."""
        target, source = str(self.item["target"]), str(self.item["source"])
        return posixpath.join(target, posixpath.basename(source)) if target.endswith("/") else target

    def also(self, **keys: Any) -> Copied:
        """The same with more keys."""
        return Copied(line=self.line, item={**self.item, **keys})


class Recipe:
    """Filled by those who read the Dockerfile; then turned into the nodes of a spec."""

    def __init__(self, name: str, file: str) -> None:
        self._file = file
        self.keys: dict[str, Said] = {"name": Said(value=name, line=0)}
        self.lists: dict[str, list[Said]] = {}
        self.mappings: dict[str, dict[str, Said]] = {"environment": {}, "labels": {}}
        self.files: list[Copied] = []
        self.left: list[Left] = []
        #: Files that the Dockerfile holds itself, by the paths that the spec names.
        self.texts: dict[str, str] = {}

    def say(self, key: str, value: Any, line: int) -> None:
        """Set a key; the last one counts."""
        self.keys[key] = Said(value=value, line=line)

    def add(self, key: str, value: Any, line: int) -> None:
        """Add to a list, each value once."""
        known = self.lists.setdefault(key, [])
        if all(one.value != value for one in known):
            known.append(Said(value=value, line=line))

    def drop(self, key: str, value: Any) -> bool:
        """Take a value out of a list again; False when it is not in it."""
        known = self.lists.get(key, [])
        kept = [one for one in known if one.value != value]
        self.lists[key] = kept
        return len(kept) < len(known)

    def leave(self, line: int, what: str, advice: str) -> None:
        """Note what could not be taken over."""
        self.left.append(Left(line=line, what=what, advice=advice))

    def line_of(self, path: str) -> int:
        """The line of the Dockerfile that a dotted path of the spec comes from; 0 for none."""
        node: Node = self.node()
        line = 0
        for step in path.split("."):
            if isinstance(node, MappingNode) and step in node.entries:
                node = node.entries[step].value
            elif isinstance(node, SequenceNode) and step.isdigit() and int(step) < len(node.items):
                node = node.items[int(step)]
            else:
                break
            line = node.place.line or line
        return line

    def without(self, path: str) -> bool:
        """Take out what a dotted path of the spec leads to; False when there is no such thing."""
        key, inner, rest = path.partition(".")
        if key == "bootstrap":
            known, self.keys[key] = self.keys.get(key, _NO_START), _NO_START
            return bool(known.value != _NO_START.value)
        if key in _NEEDED or self._without_key(key, rest):
            return key not in _NEEDED
        if key in self.mappings and inner:
            return self.mappings[key].pop(rest, None) is not None
        number = rest.partition(".")[0]
        items: list[Any] = self.files if key == "files" else self.lists.get(key, [])
        if number.isdigit():
            return int(number) < len(items) and bool([items.pop(int(number))])
        return self.keys.pop(key, None) is not None

    def _without_key(self, key: str, rest: str) -> bool:
        """Take one key out of an item that can do without it; False where that is not what is meant."""
        number, _, inner = rest.partition(".")
        name = inner.partition(".")[0]
        if not number.isdigit() or not name or name in _OF_ITEMS:
            return False
        if key == "files" and int(number) < len(self.files):
            copied = self.files[int(number)]
            kept = {one: value for one, value in copied.item.items() if one != name}
            self.files[int(number)] = Copied(line=copied.line, item=kept)
            return len(kept) < len(copied.item)
        items = self.lists.get(key, [])
        if int(number) >= len(items) or not isinstance(items[int(number)].value, dict):
            return False
        said = items[int(number)]
        less = {one: value for one, value in said.value.items() if one != name}
        items[int(number)] = Said(value=less, line=said.line)
        return len(less) < len(said.value)

    def names_one_architecture(self) -> None:
        """Note texts that say an architecture by name although the image is for several."""
        if "architectures" in self.keys:
            return
        found = [(one.line, str(one.value)) for one in self.lists.get("packages", ())]
        others = (*self.lists.get("build", ()), *self.lists.get("archives", ()))
        found += [(one.line, str(one.value.get("run") or one.value.get("source"))) for one in others]
        for line, text in found:
            if match := _ONE.search(text):
                self.leave(
                    line,
                    f"{match[0]} in {text[:120]!r} is one architecture, and the image is for both",
                    "use {rpm_arch} or {oci_arch} ($IMAGEKIT_RPM_ARCH, $IMAGEKIT_OCI_ARCH in `run`), give an item for "
                    "each with `only`, or say `architectures`",
                )

    def node(self) -> MappingNode:
        """The spec."""
        values: dict[str, Said] = dict(self.keys)
        for key, items in self.lists.items():
            if items:
                values[key] = Said(value=items, line=items[0].line)
        for key, entries in self.mappings.items():
            if entries:
                values[key] = Said(value=entries, line=next(iter(entries.values())).line)
        if self.files:
            found = [Said(value=one.item, line=one.line) for one in self.files]
            values["files"] = Said(value=found, line=found[0].line)
        ordered: dict[str, Any] = {key: values[key] for key in _ORDER if key in values}
        return self._mapping(ordered, 0)

    def _mapping(self, values: Mapping[str, Any], line: int) -> MappingNode:
        place = self._place(line)
        entries = {key: Entry(key_place=place, value=self._node(value, line)) for key, value in values.items()}
        return MappingNode(entries=entries, place=place)

    def _node(self, value: Any, line: int) -> Node:
        if isinstance(value, Said):
            return self._node(value.value, value.line)
        if isinstance(value, Mapping):
            return self._mapping(value, line)
        if isinstance(value, list | tuple):
            return SequenceNode(items=tuple(self._node(item, line) for item in value), place=self._place(line))
        text = str(value).lower() if isinstance(value, bool) else str(value)
        return ScalarNode(
            text=text, plain=not isinstance(value, str) or text.replace("-", "").isalnum(), place=self._place(line)
        )

    def _place(self, line: int) -> Place:
        return Place(file=self._file if line else _FOLDER, line=line)
