"""XML out of package repositories: element by element, with bounds, and without all that makes XML dangerous.

Document types are refused, and with them entities: nothing in a repository's metadata needs them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final
from xml.etree.ElementTree import Element
from xml.parsers import expat

from imagekit.errors import RemoteFailed

_MAX_DEPTH: Final = 32
#: Of one child of the root: an advisory of a kernel names a few thousand packages.
_MAX_ELEMENTS: Final = 500_000
_MAX_TEXT: Final = 32 << 20
#: Of one text, and of one tag, which the parser holds whole.
_MAX_ONE: Final = 1 << 20
_PIECE: Final = 1 << 16


def children(pieces: Iterable[bytes], root: str, source: str) -> Iterator[Element]:
    """The children of the root element one by one, each whole; names are without namespaces.

    Memory holds one child at a time. Raises RemoteFailed, naming `source`, for what is no such document.
    """
    reading = _Reading(root, source)
    for piece in pieces:
        for start in range(0, len(piece), _PIECE):
            yield from reading.feed(piece[start : start + _PIECE])
    yield from reading.feed(b"", final=True)


class _Reading:
    """A document that is being read."""

    def __init__(self, root: str, source: str) -> None:
        self._root = root
        self._source = source
        self._open: list[Element] = []
        self._done: list[Element] = []
        self._elements = 0
        self._text = 0
        self._waiting = 0
        self._parser = expat.ParserCreate()
        self._parser.buffer_text = True
        self._parser.buffer_size = _PIECE
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._characters
        self._parser.StartDoctypeDeclHandler = self._doctype

    def feed(self, piece: bytes, *, final: bool = False) -> list[Element]:
        """What has become complete with this piece."""
        self._waiting += len(piece)
        if self._waiting > _MAX_ONE:
            raise self._too_much()
        try:
            self._parser.Parse(piece, final)
        except (expat.ExpatError, ValueError, LookupError) as error:  # an encoding that is none
            raise wrong(self._source, f"it is no XML ({error})") from error
        done, self._done = self._done, []
        return done

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        local = name.rpartition(":")[2]
        if not self._open and local != self._root:
            raise wrong(self._source, f"it is a <{local[:100]}> instead of a <{self._root}>")
        self._waiting = 0
        self._elements += 1
        self._text += sum(map(len, attributes.values()))
        if len(self._open) == _MAX_DEPTH or self._elements > _MAX_ELEMENTS or self._text > _MAX_TEXT:
            raise self._too_much()
        element = Element(local, {key.rpartition(":")[2]: value for key, value in attributes.items()})
        if len(self._open) > 1:
            self._open[-1].append(element)
        self._open.append(element)

    def _end(self, _: str) -> None:
        self._waiting = 0
        element = self._open.pop()
        if len(self._open) == 1:
            self._done.append(element)
            self._elements = self._text = 0

    def _characters(self, text: str) -> None:
        self._waiting = 0
        if len(self._open) < 2:
            return
        element = self._open[-1]
        if len(element):  # what stands between children is only layout
            return
        element.text = (element.text or "") + text
        self._text += len(text)
        if self._text > _MAX_TEXT or len(element.text) > _MAX_ONE:
            raise self._too_much()

    def _doctype(self, *_: object) -> None:
        raise wrong(self._source, "it has a document type, which nothing there needs")

    def _too_much(self) -> RemoteFailed:
        where = f"its <{self._open[1].tag[:100]}>" if len(self._open) > 1 else "it"
        return wrong(self._source, f"{where} has too much in it")


def wrong(source: str, what: str) -> RemoteFailed:
    """The error for metadata that is not what metadata are."""
    return RemoteFailed(
        f"{source} is not what a package repository has there: {what}",
        hint="look at it with `curl`; a proxy or a mirror may have answered with a page of its own",
    )
