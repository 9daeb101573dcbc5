"""Words of an instruction, with quotes and variables as builders understand them ("Environment replacement")."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from imagekit.values import dataclass

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
#: Expansions within each other, as in `${A:-${B:-c}}`.
_MAX_DEPTH: Final = 20
#: Characters that one text may grow to.
_MAX_LENGTH: Final = 100_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Scope:
    """How a variable is looked up: None for one that is not set. `escape` is the file's own."""

    value: Callable[[str], str | None]
    escape: str = "\\"

    def expand(self, text: str) -> str:
        """One word: variables replaced, quotes taken away. Raises ValueError for what no builder takes."""
        return "".join(_Reading(text, self).words(split=False))

    def words(self, text: str) -> list[str]:
        """All words of a text, split at spaces that are not in quotes. Raises ValueError."""
        return _Reading(text, self).words(split=True)


class _Reading:
    """One text on its way."""

    def __init__(self, text: str, scope: Scope, depth: int = 0) -> None:
        if depth > _MAX_DEPTH:
            raise ValueError("expansions are nested too deeply")
        self._text = text
        self._scope = scope
        self._depth = depth
        self._at = 0

    def words(self, *, split: bool) -> list[str]:
        """The words; one of nothing but quotes counts."""
        found: list[str] = []
        word: list[str] | None = None
        while self._at < len(self._text):
            letter = self._text[self._at]
            if split and letter in " \t\n":
                if word is not None:
                    found.append("".join(word))
                word = None
                self._at += 1
                continue
            word = [] if word is None else word
            word.append(self._piece(letter))
        if word is not None:
            found.append("".join(word))
        if sum(map(len, found)) > _MAX_LENGTH:
            raise ValueError("a value is too long")
        return found

    def _piece(self, letter: str) -> str:
        if letter == "'":
            return self._single()
        if letter == '"':
            return self._double()
        if letter == "$":
            return self._variable()
        self._at += 1
        if letter != self._scope.escape:
            return letter
        escaped = self._text[self._at : self._at + 1]
        self._at += 1
        return escaped

    def _single(self) -> str:
        end = self._text.find("'", self._at + 1)
        if end < 0:
            raise ValueError("a single quote has no end")
        inner, self._at = self._text[self._at + 1 : end], end + 1
        return inner

    def _double(self) -> str:
        self._at += 1
        parts: list[str] = []
        while self._at < len(self._text):
            letter = self._text[self._at]
            if letter == '"':
                self._at += 1
                return "".join(parts)
            if letter == "$":
                parts.append(self._variable())
                continue
            self._at += 1
            following = self._text[self._at : self._at + 1]
            if letter == self._scope.escape and following in {'"', "$", self._scope.escape} - {""}:
                self._at += 1
                letter = following
            parts.append(letter)
        raise ValueError("a double quote has no end")

    def _variable(self) -> str:
        self._at += 1
        if self._text[self._at : self._at + 1] == "{":
            return self._braces()
        match = _NAME.match(self._text, self._at)
        if match is None:
            return "$"
        self._at = match.end()
        return self._scope.value(match[0]) or ""

    def _braces(self) -> str:
        """`${NAME}`, or with one of `:-`, `-`, `:+`, `+`, `:?`, `?` and a word."""
        match = _NAME.match(self._text, self._at + 1)
        if match is None:
            raise ValueError("a variable has no name")
        self._at = match.end()
        value = self._scope.value(match[0])
        if self._text[self._at : self._at + 1] == "}":
            self._at += 1
            return value or ""
        mark = re.compile(r":?[-+?]").match(self._text, self._at)
        if mark is None:
            raise ValueError(f"what follows {match[0]} in its braces is not known")
        self._at = mark.end()
        other = self._scope_word()
        is_set = value is not None and (mark[0][0] != ":" or bool(value))
        if mark[0][-1] == "+":
            return other if is_set else ""
        if mark[0][-1] == "?" and not is_set:
            raise ValueError(f"{match[0]} is not set: {other}")
        return (value or "") if is_set else other

    def _scope_word(self) -> str:
        """The word up to the brace that closes this one, expanded itself."""
        start, open_ = self._at, 1
        while self._at < len(self._text):
            letter = self._text[self._at]
            self._at += 2 if letter == self._scope.escape else 1
            open_ += (letter == "{") - (letter == "}")
            if not open_:
                inner = self._text[start : self._at - 1]
                return "".join(_Reading(inner, self._scope, self._depth + 1).words(split=False))
        raise ValueError("a brace has no end")


def pairs(text: str, scope: Scope) -> list[tuple[str, str]]:
    """`NAME=VALUE …` of ENV and LABEL, or the old `NAME VALUE`. Raises ValueError."""
    head, space, rest = text.partition(" ")
    if "=" not in head and space:
        if not (name := scope.expand(head)):
            raise ValueError("a variable has no name")
        return [(name, scope.expand(rest.strip()))]
    found = []
    for word in scope.words(text):
        name, equals, value = word.partition("=")
        if not equals or not name:
            raise ValueError(f"{word[:40]!r} is no NAME=VALUE")
        found.append((name, value))
    return found
