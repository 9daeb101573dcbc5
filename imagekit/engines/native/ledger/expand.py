"""Words of a script with their variables replaced, as far as those are known."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from imagekit.engines.native.ledger.refused import Refused
from imagekit.engines.native.ledger.situation import Value, is_pattern
from imagekit.engines.native.ledger.syntax import Literal, Node, Substitution, Variable, Word

_ARGUMENTS: Final = "123456789"
#: Characters of one script's words, each time that they are gone through counted; the longest scripts have 20 KiB.
_MAX_CHARACTERS: Final = 1 << 20


class Variables:
    """The variables and arguments of a script; None is a value that is not known."""

    def __init__(self, arguments: tuple[str, ...]) -> None:
        self._arguments = arguments
        self._values: dict[str, str | None] = {}
        self._left = [_MAX_CHARACTERS]

    def within(self, arguments: tuple[str, ...]) -> Variables:
        """Those of a function that is called with these arguments: what it sets is gone after it."""
        inner = Variables(arguments)
        inner._values = dict(self._values)
        inner._left = self._left
        return inner

    def spend(self, text: str | None) -> str | None:
        """A text that becomes part of a word; raises Refused when the words of the script grow without end."""
        self._left[0] -= len(text or "") + 1
        if self._left[0] < 0:
            raise Refused("its values grow too long")
        return text

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
    texts: list[str] = []
    pattern = splits = False
    is_quoted = not word
    for part in word:
        piece = _text(part, variables, run)
        if piece is None:
            yield Value(text=None)
            return
        if isinstance(part, Literal) and not part.quoted and _is_replaced(piece):
            yield Value(text=None)
            return
        texts.append(piece)
        bare = isinstance(part, Substitution) or not part.quoted
        is_quoted = is_quoted or not bare
        pattern = pattern or (bare and is_pattern(piece))
        splits = splits or (bare and not isinstance(part, Literal) and bool(set(piece) & set(" \t\n")))
    text = "".join(texts)
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
            return variables.spend(text)
        case Variable(name=name):
            return variables.spend(variables.get(name))
        case Substitution(body=body):
            printed = run(body)
            return None if printed is None else variables.spend(printed.rstrip("\n"))


def _is_replaced(text: str) -> bool:
    """True for what shells make several words, or another path, of (bash(1), "Brace Expansion", "Tilde Expansion")."""
    start = text.find("{")
    comma = text.find(",", start) if start >= 0 else -1
    return text.startswith("~") or (comma >= 0 and text.find("}", comma) >= 0)
