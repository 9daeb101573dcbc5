"""YAML events (YAML 1.2.2, section 3.1.1) to nodes, without recursion and within bounds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from imagekit.findings import Finding, Place
from imagekit.spec.node import Entry, MappingNode, Node, ScalarNode, SequenceNode
from imagekit.spec.secret import redact, shown
from imagekit.values import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import yaml

#: Nodes of one file, with every alias counted as what it stands for.
MAX_NODES: Final = 20_000
#: Collections inside collections, with aliases likewise.
MAX_DEPTH: Final = 64


class OutOfBounds(Exception):
    """The file is larger, deeper or longer than a spec may be; `finding` says how."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.message)
        self.finding = finding


class Lines:
    """The lines of a file, for places. YAML 1.1 breaks lines at NEL, LS and PS too (section 5.4)."""

    def __init__(self, file: str, lines: list[str]) -> None:
        self.file = file
        self._lines = lines
        self._excerpts: dict[int, str] = {}

    def place(self, mark: Any) -> Place:
        """Where a mark of either parser points to; its numbers count from 0."""
        line: int = mark.line
        if line not in self._excerpts:
            self._excerpts[line] = redact(self._lines[line]) if line < len(self._lines) else ""
        return Place(file=self.file, line=line + 1, column=mark.column + 1, excerpt=self._excerpts[line])


class _Open:
    """A collection whose end has not come yet; `first` is how many nodes stood before it."""

    __slots__ = ("anchor", "at_key", "entries", "first", "height", "items", "key", "mapping", "place")

    def __init__(self, place: Place, anchor: str | None, first: int, mapping: bool) -> None:
        self.place = place
        self.anchor = anchor
        self.first = first
        self.mapping = mapping
        self.height = 1
        self.items: list[Node] = []
        self.entries: dict[str, Entry] = {}
        self.key: ScalarNode | None = None
        self.at_key = True


@dataclass(frozen=True, kw_only=True, slots=True)
class _Anchored:
    node: Node
    size: int
    height: int


class Composer:
    """Takes the events of one file; afterwards `root` is the tree and `findings` what is wrong in it."""

    def __init__(self, lines: Lines) -> None:
        self.root: Node | None = None
        self.findings: list[Finding] = []
        self._lines = lines
        self._open: list[_Open] = []
        self._anchors: dict[str, _Anchored] = {}
        self._nodes = 0
        self._documents = 0
        self._takes: Mapping[str, Callable[..., None]] = {
            "DocumentStartEvent": self._document,
            "ScalarEvent": self._scalar,
            "SequenceStartEvent": self._start,
            "MappingStartEvent": self._start,
            "SequenceEndEvent": self._end,
            "MappingEndEvent": self._end,
            "AliasEvent": self._alias,
        }

    def take(self, event: yaml.Event) -> None:
        """Add one event; raises OutOfBounds."""
        take = self._takes.get(type(event).__name__)
        if take:
            take(event)

    def so_far(self) -> MappingNode | None:
        """The entries of the outermost mapping that are complete, for text that cannot be read to its end."""
        if not self._open or not self._open[0].mapping:
            return None
        return MappingNode(entries=self._open[0].entries, place=self._open[0].place)

    def _document(self, event: yaml.DocumentStartEvent) -> None:
        self._documents += 1
        if self._documents > 1:
            place = self._lines.place(event.start_mark)
            hint = "remove the `---`; a spec for something else goes into a file of its own"
            raise OutOfBounds(Finding(code="IK0003", message="a second document in one file", place=place, hint=hint))

    def _scalar(self, event: yaml.ScalarEvent) -> None:
        place = self._lines.place(event.start_mark)
        self._count(1, place)
        self._refuse_tag(event.tag, place)
        text = event.value
        if any(c == "\0" or "\ud800" <= c <= "\udfff" for c in text):
            hint = "remove the escape; a spec holds Unicode text without NUL"
            self._find("IK0003", "a character that no text may hold", place, hint)
            self._add(None, 0, place)
            return
        node = ScalarNode(text=text, plain=not event.style, place=place)
        if event.anchor:
            self._anchors[event.anchor] = _Anchored(node=node, size=1, height=0)
        self._add(node, 0, place)

    def _start(self, event: yaml.SequenceStartEvent | yaml.MappingStartEvent) -> None:
        place = self._lines.place(event.start_mark)
        self._refuse_depth(len(self._open) + 1, place)
        self._refuse_tag(event.tag, place)
        mapping = type(event).__name__ == "MappingStartEvent"
        self._open.append(_Open(place, event.anchor, self._nodes, mapping))
        self._count(1, place)

    def _end(self, _: yaml.Event) -> None:
        done = self._open.pop()
        node: Node
        if done.mapping:
            node = MappingNode(entries=done.entries, place=done.place)
        else:
            node = SequenceNode(items=tuple(done.items), place=done.place)
        if done.anchor:
            size = self._nodes - done.first
            self._anchors[done.anchor] = _Anchored(node=node, size=size, height=done.height)
        self._add(node, done.height, done.place)

    def _alias(self, event: yaml.AliasEvent) -> None:
        place = self._lines.place(event.start_mark)
        name = str(event.anchor)
        found = self._anchors.get(name)
        if found is None:
            hint = f"define it above with `&{name[:60]}`, or put text that begins with * in quotes"
            self._find("IK0003", f"no anchor {shown(name)} is complete before this alias", place, hint)
            self._add(None, 0, place)
            return
        self._count(found.size, place)
        self._refuse_depth(len(self._open) + found.height, place)
        self._add(found.node, found.height, place)

    def _add(self, node: Node | None, height: int, place: Place) -> None:
        """Put a finished node where it belongs; None is one that was refused."""
        if not self._open:
            self.root = node
            return
        top = self._open[-1]
        top.height = max(top.height, height + 1)
        if not top.mapping:
            top.items += [node] if node is not None else []
        elif top.at_key:
            top.key, top.at_key = self._key(top, node, place), False
        else:
            if top.key is not None and node is not None:
                top.entries[top.key.text] = Entry(key_place=top.key.place, value=node)
            top.key, top.at_key = None, True

    def _key(self, top: _Open, node: Node | None, place: Place) -> ScalarNode | None:
        """The key, or None when it may not be one."""
        if node is None:
            return None
        if not isinstance(node, ScalarNode):
            hint = 'text that begins with { or [ must stand in quotes: "{version}"'
            self._find("IK0003", "a key that is no text", place, hint)
            return None
        if node.plain and node.text == "<<":
            hint = "write the keys out, or put what specs share into a file and name it under `extends`"
            self._find("IK0003", "a merge key", place, hint)
            return None
        if node.text in top.entries:
            first = top.entries[node.text].key_place.line
            hint = f"remove one; the other is in line {first}"
            self._find("IK0004", f"the key {shown(node.text)} is written twice", place, hint)
            return None
        return node

    def _refuse_tag(self, tag: str | None, place: Place) -> None:
        if tag is not None:
            hint = "remove it: the schema says what type a value has; put text that begins with ! in quotes"
            self._find("IK0003", f"a tag: {shown(tag)}", place, hint)

    def _refuse_depth(self, depth: int, place: Place) -> None:
        if depth > MAX_DEPTH:
            message = f"nested more than {MAX_DEPTH} deep"
            raise OutOfBounds(Finding(code="IK0005", message=message, place=place, hint="a spec is nearly flat"))

    def _count(self, nodes: int, place: Place) -> None:
        self._nodes += nodes
        if self._nodes > MAX_NODES:
            hint = "make it smaller, and count what its aliases stand for"
            message = f"more than {MAX_NODES} values in one file"
            raise OutOfBounds(Finding(code="IK0005", message=message, place=place, hint=hint))

    def _find(self, code: str, message: str, place: Place, hint: str) -> None:
        self.findings.append(Finding(code=code, message=message, place=place, hint=hint))
