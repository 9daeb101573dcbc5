"""`extends`: the files that a spec builds on, in order, and the one tree that they make."""

from __future__ import annotations

import os.path
from collections.abc import Callable
from typing import Final

from imagekit.findings import Finding, Place
from imagekit.spec.node import Entry, MappingNode, Node, ScalarNode, SequenceNode
from imagekit.spec.schema import NULLS
from imagekit.spec.secret import shown
from imagekit.spec.text import parse
from imagekit.values import dataclass

#: Files that extend each other, one below the other.
MAX_DEPTH: Final = 16
#: Files of one spec.
MAX_FILES: Final = 64
_KEY: Final = "extends"


@dataclass(frozen=True, kw_only=True, slots=True)
class Merged:
    """What the files of one spec say together.

    `contents` is the bytes of all files by path, in the order in which they were merged: base first. `whole` is false
    when a part of the text was left out because of a finding: what is missing may stand in that part.
    """

    node: MappingNode
    contents: dict[str, bytes]
    findings: tuple[Finding, ...]
    whole: bool


def read(path: str, source: Callable[[str], bytes]) -> Merged:
    """The spec at `path` with all that it extends; `source` gives a file's bytes or raises OSError."""
    reading = _Reading(source)
    reading.file(path, Place(file=path), ())
    node = MappingNode(entries={}, place=Place(file=path, line=1, column=1))
    for layer in reading.layers:
        node = _onto(node, layer)
    entries = {key: entry for key, entry in node.entries.items() if key != _KEY}
    return Merged(
        node=MappingNode(entries=entries, place=node.place),
        contents=reading.contents,
        findings=tuple(reading.findings),
        whole=not reading.findings,
    )


class _Reading:
    """The files met so far. Each counts once, however often it is named, so that a diamond doubles nothing."""

    def __init__(self, source: Callable[[str], bytes]) -> None:
        self.layers: list[MappingNode] = []
        self.contents: dict[str, bytes] = {}
        self.findings: list[Finding] = []
        self._source = source
        self._met: set[str] = set()

    def file(self, path: str, place: Place, above: tuple[str, ...]) -> None:
        """Read one file, those that it extends first; `place` is what named it, `above` the files on the way."""
        path = os.path.normpath(path)
        if path in above:
            names = " → ".join((*above[above.index(path) :], path))
            self._find("IK0006", f"`extends` goes in a circle: {names}", place, "take one of them out of `extends`")
        if path in self._met:
            return
        if len(above) >= MAX_DEPTH or len(self._met) >= MAX_FILES:
            message = f"`extends` names more than {MAX_FILES} files, or goes more than {MAX_DEPTH} deep"
            self._find("IK0005", message, place, "put what is shared into fewer files")
            return
        self._met.add(path)
        content = self._bytes(path, place)
        if content is None:
            return
        node, findings = parse(path, content)
        self.findings += findings
        if node is not None:
            for name in self._extended(node):
                self.file(os.path.join(os.path.dirname(path), name.text), name.place, (*above, path))
            self.layers.append(node)
        self.contents[path] = content

    def _bytes(self, path: str, place: Place) -> bytes | None:
        try:
            return self._source(path)
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) and error.strerror else "not a path"
            hint = "correct the path" if place.line else "name a spec, or the folder that holds a runtime.yaml"
            self._find("IK0001", f"{shown(path)} cannot be read: {why}", place, hint)
            return None

    def _extended(self, node: MappingNode) -> list[ScalarNode]:
        """The names under `extends`; others than text are findings."""
        entry = node.entries.get(_KEY)
        if entry is None:
            return []
        named = entry.value.items if isinstance(entry.value, SequenceNode) else (entry.value,)
        good = []
        for name in named:
            if not isinstance(name, ScalarNode) or (name.plain and name.text in NULLS) or not name.text:
                hint = "write a path relative to this file, or a list of them"
                self._find("IK0103", "`extends` names local files", name.place, hint)
            elif "://" in name.text:
                hint = "copy the file next to the spec"
                self._find("IK0104", "`extends` names local files, not URLs", name.place, hint)
            else:
                good.append(name)
        return good

    def _find(self, code: str, message: str, place: Place, hint: str) -> None:
        self.findings.append(Finding(code=code, message=message, place=place, hint=hint))


def _onto(base: MappingNode, over: MappingNode) -> MappingNode:
    """`over` on top of `base`: mappings merge key by key, lists append, anything else overrides."""
    entries = dict(base.entries)
    for key, entry in over.entries.items():
        below = entries.get(key)
        node = entry.value if below is None else _joined(below.value, entry.value)
        entries[key] = Entry(key_place=entry.key_place, value=node)
    return MappingNode(entries=entries, place=over.place)


def _joined(base: Node, over: Node) -> Node:
    match base, over:
        case MappingNode(), MappingNode():
            return _onto(base, over)
        case SequenceNode(), SequenceNode():
            return SequenceNode(items=base.items + over.items, place=over.place)
        case _:
            return over
