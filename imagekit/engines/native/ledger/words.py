"""A script's characters as words and operators."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from imagekit.engines.native.ledger.refused import Refused
from imagekit.engines.native.ledger.syntax import Literal, Node, Part, Substitution, Variable, Word

#: Longest first: `<<-` before `<<` before `<`.
_OPERATORS: Final = ("<<-", "<<<", "&>>", "&&", "||", ";;", "<<", ">>", ">&", "<&", "&>", ">|", ";", "|", "&", "(", ")")
OPERATORS: Final = (*_OPERATORS, "<", ">")
REDIRECTS: Final = frozenset({"<<-", "<<<", "&>>", "<<", ">>", ">&", "<&", "&>", ">|", "<", ">"})
#: What ends a word, and what has a meaning in one.
_PLAIN: Final = re.compile(r"[^\s;&|()<>'\"\\$`]+")
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*|[0-9@*#?$!-]")
_QUOTED: Final = re.compile(r"[^\"\\$`]+")
#: A word, an operator or the end of a line; the end of the script is None.
Token = Word | str | None
NEWLINE: Final = "\n"


class Words:
    """A cursor over a script. `parse` makes commands of the text within backquotes and `$( )`."""

    def __init__(self, text: str, parse: Callable[[Words, str], tuple[Node, ...]], depth: int = 0) -> None:
        if depth > 20:
            raise Refused("it is nested too deeply")
        self.text = text
        self.at = 0
        self.depth = depth
        self._parse = parse
        self._ahead: list[Token] = []

    def peek(self) -> Token:
        """The next word or operator."""
        if not self._ahead:
            self._ahead.append(self._next())
        return self._ahead[0]

    def take(self) -> Token:
        """The same, gone over."""
        token = self.peek()
        self._ahead.clear()
        return token

    def here_text(self, end: str, *, strips_tabs: bool, literal: bool) -> Part:
        """The text that begins after this line and ends with a line `end`; it is cut out of the script."""
        start = self.text.find("\n", self.at) + 1 or len(self.text)
        lines: list[str] = []
        at = start
        while True:
            if at >= len(self.text):
                raise Refused(f"a text has no line {end!r} at its end")
            stop = self.text.find("\n", at)
            line = self.text[at : stop if stop >= 0 else len(self.text)]
            at += len(line) + 1
            line = line.lstrip("\t") if strips_tabs else line
            if line == end:
                break
            lines.append(line + "\n")
        self.text = self.text[:start] + self.text[at:]
        text = "".join(lines)
        if literal or not re.search(r"[$`\\]", text):
            return Literal(text=text, quoted=True)
        if "`" in text or "$(" in text:
            raise Refused("a text in the script holds commands")
        return Variable(name="")

    def _next(self) -> Token:
        while self.at < len(self.text):
            character = self.text[self.at]
            if character == "#":
                end = self.text.find("\n", self.at)
                self.at = len(self.text) if end < 0 else end
            elif character == "\n":
                self.at += 1
                return NEWLINE
            elif self.text.startswith("\\\n", self.at):
                self.at += 2
            elif character.isspace():
                self.at += 1
            else:
                break
        else:
            return None
        for operator in OPERATORS:
            if self.text.startswith(operator, self.at):
                self.at += len(operator)
                return operator
        return self._word()

    def _word(self) -> Word:
        parts: list[Part] = []
        while self.at < len(self.text):
            plain = _PLAIN.match(self.text, self.at)
            if plain:
                self.at = plain.end()
                parts.append(Literal(text=plain.group()))
                continue
            character = self.text[self.at]
            if character.isspace() or character in ";&|()<>":
                break
            self._special(character, parts)
        return tuple(parts)

    def _special(self, character: str, parts: list[Part]) -> None:
        """A quote, an escape, or what is replaced."""
        match character:
            case "'":
                end = self.text.find("'", self.at + 1)
                if end < 0:
                    raise Refused("a quote has no end")
                parts.append(Literal(text=self.text[self.at + 1 : end], quoted=True))
                self.at = end + 1
            case '"':
                self.at += 1
                self._double_quoted(parts)
            case "\\":
                if self.text[self.at + 1 : self.at + 2] != "\n":
                    parts.append(Literal(text=self.text[self.at + 1 : self.at + 2], quoted=True))
                self.at += 2
            case _:
                parts.append(self._replaced(quoted=False))

    def _double_quoted(self, parts: list[Part]) -> None:
        before = len(parts)
        while self.at < len(self.text):
            plain = _QUOTED.match(self.text, self.at)
            if plain:
                self.at = plain.end()
                parts.append(Literal(text=plain.group(), quoted=True))
                continue
            character = self.text[self.at]
            if character == '"':
                self.at += 1
                if len(parts) == before:
                    parts.append(Literal(text="", quoted=True))
                return
            if character == "\\":
                following = self.text[self.at + 1 : self.at + 2]
                kept = "" if following in '$`"\\\n' else "\\"
                parts.append(Literal(text=kept + following.replace("\n", ""), quoted=True))
                self.at += 2
            else:
                parts.append(self._replaced(quoted=True))
        raise Refused("a quote has no end")

    def _replaced(self, *, quoted: bool) -> Part:
        """What stands at `$` or a backquote."""
        if self.text[self.at] == "`":
            end = re.compile(r"(?<!\\)`").search(self.text, self.at + 1)
            if end is None:
                raise Refused("a backquote has no end")
            inner = re.sub(r"\\([$`\\])", r"\1", self.text[self.at + 1 : end.start()])
            self.at = end.end()
            return Substitution(body=self._parse(Words(inner, self._parse, self.depth + 1), ""))
        following = self.text[self.at + 1 : self.at + 2]
        if self.text.startswith("$((", self.at):
            self._inside("))")
            return Variable(name="", quoted=quoted)
        if following == "(":
            inside = Words(self.text, self._parse, self.depth + 1)
            inside.at = self.at + 2
            body = self._parse(inside, ")")
            self.at, self.text = inside.at, inside.text
            return Substitution(body=body)
        if following == "{":
            inner = self._inside("}")[2:]
            return Variable(name=inner if _NAME.fullmatch(inner) else "", quoted=quoted)
        name = _NAME.match(self.text, self.at + 1)
        self.at = name.end() if name else self.at + 1
        return Variable(name=name.group(), quoted=quoted) if name else Literal(text="$", quoted=quoted)

    def _inside(self, end: str) -> str:
        """What stands before the end of an expression that is not evaluated here."""
        stop = self.text.find(end, self.at)
        inner = self.text[self.at : stop]
        if stop < 0 or "`" in inner or "$" in inner[2:]:
            raise Refused(f"{self.text[self.at : self.at + 40]!r} is too intricate")
        self.at = stop + len(end)
        return inner
