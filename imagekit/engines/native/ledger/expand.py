"""Words of a script with their variables replaced, as far as those are known."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final

from imagekit.engines.native.ledger.situation import Value, is_pattern
from imagekit.engines.native.ledger.syntax import Literal, Node, Substitution, Variable, Word

_ARGUMENTS: Final = "123456789"
#: What shells make several words, or another path, of (bash(1), "Brace Expansion", "Tilde Expansion").
_REPLACED: Final = re.compile(r"\{[^}]*,[^}]*\}|^~")


class Variables:
    """The variables and arguments of a script; None is a value that is not known."""

    def __init__(self, arguments: tuple[str, ...]) -> None:
        self._arguments = arguments
        self._values: dict[str, str | None] = {}

    def get(self, name: str) -> str | None:
        """A value; one that was never set is the environment's, and so not known."""
        if name in self._values:
            return self._values[name]
        if name in _ARGUMENTS and name:
            return self._arguments[int(name) - 1] if int(name) <= len(self._arguments) else ""
        return {"#": str(len(self._arguments)), "*": " ".join(self._arguments), "@": " ".join(self._arguments)}.get(
            name
        )

    def set(self, name: str, value: str | None) -> None:
        """Set one."""
        self._values[name] = value

    def snapshot(self) -> Mapping[str, str | None]:
        """All that were set."""
        return dict(self._values)


def expanded(
    words: Iterable[Word], variables: Variables, run: Callable[[tuple[Node, ...]], str | None]
) -> tuple[Value, ...]:
    """The words as a command gets them; `run` gives what commands print, None where that is not known."""
    return tuple(value for word in words for value in _word(word, variables, run))


def joined(word: Word, variables: Variables, run: Callable[[tuple[Node, ...]], str | None]) -> str | None:
    """A word that is not split, as where a variable is set; None where it is not known."""
    texts = [_text(part, variables, run) for part in word]
    return None if None in texts else "".join(text or "" for text in texts)


def _word(word: Word, variables: Variables, run: Callable[[tuple[Node, ...]], str | None]) -> Iterator[Value]:
    text, pattern, splits = "", False, False
    is_quoted = not word
    for part in word:
        piece = _text(part, variables, run)
        if piece is None:
            yield Value(text=None)
            return
        if isinstance(part, Literal) and not part.quoted and _REPLACED.search(piece):
            yield Value(text=None)
            return
        text += piece
        bare = isinstance(part, Substitution) or not part.quoted
        is_quoted = is_quoted or not bare
        pattern = pattern or (bare and is_pattern(piece))
        splits = splits or (bare and not isinstance(part, Literal) and bool(set(piece) & set(" \t\n")))
    if splits and is_quoted:
        yield Value(text=None)
    elif splits:
        yield from (Value(text=piece, is_pattern=is_pattern(piece)) for piece in text.split())
    elif text or is_quoted:
        yield Value(text=text, is_pattern=pattern)


def _text(
    part: Literal | Variable | Substitution, variables: Variables, run: Callable[[tuple[Node, ...]], str | None]
) -> str | None:
    match part:
        case Literal(text=text):
            return text
        case Variable(name=name):
            return variables.get(name)
        case Substitution(body=body):
            printed = run(body)
            return None if printed is None else printed.rstrip("\n")
