"""A script's text as commands; what scriptlets do not use is refused, never guessed at."""

from __future__ import annotations

import re
from typing import Final

from imagekit.engines.native.ledger.refused import Refused
from imagekit.engines.native.ledger.syntax import (
    Case,
    Chain,
    Command,
    Function,
    Group,
    If,
    Literal,
    Loop,
    Node,
    Pipeline,
    Redirect,
    Word,
)
from imagekit.engines.native.ledger.words import NEWLINE, REDIRECTS, Token, Words

_ASSIGNMENT: Final = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=(.*)", re.DOTALL)
_NUMBER: Final = re.compile(r"[0-9]")
#: Words that end a list of commands where a command could begin.
_CLOSING: Final = frozenset({"then", "else", "elif", "fi", "do", "done", "esac", "}"})
_SEPARATORS: Final = (NEWLINE, ";", "&")
#: Of a script; the longest that are known have 20 KiB.
_MAX_TEXT: Final = 1 << 18
_MAX_DEPTH: Final = 40


def parse(text: str) -> tuple[Node, ...]:
    """The commands of a script; raises Refused."""
    if len(text) > _MAX_TEXT:
        raise Refused("it is too long")
    return _inner(Words(text.replace("\r\n", "\n"), _inner), "")


def _inner(words: Words, end: str) -> tuple[Node, ...]:
    parser = _Parser(words)
    body = parser.commands()
    parser.expect(end or None)
    return body


class _Parser:
    """Takes one script apart."""

    def __init__(self, words: Words) -> None:
        self._words = words
        self._depth = words.depth

    def expect(self, wanted: str | None) -> None:
        """Go over a word or an operator that has to be there."""
        found = self._words.take()
        if (_keyword(found) if isinstance(found, tuple) else found) != wanted:
            raise Refused(f"{_shown(found)} stands where {wanted or 'the end'} should be")

    def commands(self) -> tuple[Node, ...]:
        """Commands up to something that closes them."""
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise Refused("it is nested too deeply")
        found: list[Node] = []
        while True:
            while self._words.peek() in _SEPARATORS:
                self._words.take()
            token = self._words.peek()
            if token is None or token in {")", ";;"} or _keyword(token) in _CLOSING:
                self._depth -= 1
                return tuple(found)
            found.append(self._chain())

    def _chain(self) -> Node:
        first = self._pipeline()
        rest: list[tuple[str, Node]] = []
        while (operator := self._words.peek()) in {"&&", "||"}:
            self._words.take()
            self._skip_newlines()
            rest.append((str(operator), self._pipeline()))
        return Chain(first=first, rest=tuple(rest)) if rest else first

    def _pipeline(self) -> Node:
        negated = False
        while _keyword(self._words.peek()) == "!":
            self._words.take()
            negated = not negated
        found = [self._command()]
        while self._words.peek() == "|":
            self._words.take()
            self._skip_newlines()
            found.append(self._command())
        return Pipeline(commands=tuple(found), negated=negated) if negated or len(found) > 1 else found[0]

    def _command(self) -> Node:
        token = self._words.peek()
        word = token if isinstance(token, str) else _keyword(token)
        if word == "function":
            self._words.take()
            return self._function(self._name())
        compound = self._compound(word)
        return self._with_redirects(compound) if compound else self._simple()

    def _compound(self, word: str) -> Node | None:
        match word:
            case "if":
                return self._if()
            case "for" | "while" | "until" as kind:
                return self._loop(kind)
            case "case":
                return self._case()
            case "{" | "(":
                return self._group({"{": "}", "(": ")"}[word])
            case _:
                return None

    def _if(self) -> Node:
        branches: list[tuple[tuple[Node, ...], tuple[Node, ...]]] = []
        otherwise: tuple[Node, ...] = ()
        self._words.take()
        while True:
            condition = self.commands()
            self.expect("then")
            branches.append((condition, self.commands()))
            closing = _keyword(self._words.take())
            if closing == "elif":
                continue
            if closing == "else":
                otherwise = self.commands()
                self.expect("fi")
            elif closing != "fi":
                raise Refused("an `if` has no `fi`")
            return If(branches=tuple(branches), otherwise=otherwise)

    def _loop(self, kind: str) -> Node:
        self._words.take()
        variable = ""
        words: list[Word] = []
        condition: tuple[Node, ...] = ()
        if kind == "for":
            variable = self._name()
            self._skip_newlines()
            if _keyword(self._words.peek()) == "in":
                self._words.take()
                words = self._words_to_end()
            else:
                raise Refused("a `for` runs over the script's arguments")
        else:
            condition = self.commands()
        while self._words.peek() in _SEPARATORS:
            self._words.take()
        self.expect("do")
        body = self.commands()
        self.expect("done")
        return Loop(body=body, variable=variable, words=tuple(words), condition=condition)

    def _case(self) -> Node:
        self._words.take()
        word = self._words.take()
        if not isinstance(word, tuple):
            raise Refused("a `case` has no word")
        self._skip_newlines()
        self.expect("in")
        branches: list[tuple[tuple[Word, ...], tuple[Node, ...]]] = []
        while True:
            self._skip_newlines()
            if _keyword(self._words.peek()) == "esac":
                self._words.take()
                return Case(word=word, branches=tuple(branches))
            if self._words.peek() == "(":
                self._words.take()
            patterns = self._patterns()
            branches.append((patterns, self.commands()))
            if self._words.peek() == ";;":
                self._words.take()

    def _patterns(self) -> tuple[Word, ...]:
        found: list[Word] = []
        while True:
            token = self._words.take()
            if not isinstance(token, tuple):
                raise Refused("a `case` has no pattern")
            found.append(token)
            closing = self._words.take()
            if closing == ")":
                return tuple(found)
            if closing != "|":
                raise Refused("a pattern of a `case` has no end")

    def _group(self, end: str) -> Node:
        self._words.take()
        body = self.commands()
        self.expect(end)
        return Group(body=body, is_subshell=end == ")")

    def _with_redirects(self, node: Node) -> Node:
        redirects: list[Redirect] = []
        while self._redirect(redirects):
            pass
        return Group(body=(node,), redirects=tuple(redirects)) if redirects else node

    def _function(self, name: str) -> Node:
        if self._words.peek() == "(":
            self._words.take()
            self.expect(")")
        self._skip_newlines()
        return Function(name=name, body=self._command())

    def _simple(self) -> Node:
        words: list[Word] = []
        assignments: list[tuple[str, Word]] = []
        redirects: list[Redirect] = []
        while True:
            if self._redirect(redirects):
                continue
            token = self._words.peek()
            if token == "(" and len(words) == 1 and not assignments:
                return self._function(_text(words[0]))
            if not isinstance(token, tuple):
                break
            self._words.take()
            assignment = None if words else _assignment(token)
            if assignment:
                assignments.append(assignment)
            else:
                words.append(token)
        if not words and not assignments and not redirects:
            raise Refused(f"{_shown(self._words.peek())} is no command")
        return Command(words=tuple(words), assignments=tuple(assignments), redirects=tuple(redirects))

    def _redirect(self, redirects: list[Redirect]) -> bool:
        """Take a redirection, with the number of what it redirects."""
        token = self._words.peek()
        if isinstance(token, tuple) and self._words.text[self._words.at : self._words.at + 1] in {"<", ">"}:
            if not _NUMBER.fullmatch(_text(token)):
                return False
            self._words.take()
            token = self._words.peek()
        if not isinstance(token, str) or token not in REDIRECTS:
            return False
        self._words.take()
        target = self._words.take()
        if not isinstance(target, tuple):
            raise Refused("a redirection leads nowhere")
        if token in {"<<", "<<-"}:
            quoted = any(isinstance(part, Literal) and part.quoted for part in target)
            text = self._words.here_text(_text(target), strips_tabs=token == "<<-", literal=quoted)
            target = (text,)
        redirects.append(Redirect(operator=token, target=target))
        return True

    def _words_to_end(self) -> list[Word]:
        found = []
        while isinstance(token := self._words.peek(), tuple):
            found.append(token)
            self._words.take()
        return found

    def _name(self) -> str:
        token = self._words.take()
        if not isinstance(token, tuple) or not _text(token):
            raise Refused("a name is missing")
        return _text(token)

    def _skip_newlines(self) -> None:
        while self._words.peek() == NEWLINE:
            self._words.take()


def _keyword(token: Token) -> str:
    """A word that is one plain text, as keywords are; else nothing."""
    if isinstance(token, tuple) and len(token) == 1 and isinstance(token[0], Literal) and not token[0].quoted:
        return token[0].text
    return ""


def _text(word: Word) -> str:
    """A word without anything to be replaced, else nothing."""
    return "".join(part.text for part in word if isinstance(part, Literal)) if word else ""


def _assignment(word: Word) -> tuple[str, Word] | None:
    head = word[0] if word else None
    found = _ASSIGNMENT.fullmatch(head.text) if isinstance(head, Literal) and not head.quoted else None
    if not found:
        return None
    rest = (Literal(text=found.group(2)), *word[1:]) if found.group(2) else word[1:]
    return found.group(1), rest


def _shown(token: Token) -> str:
    return "the end" if token is None else repr(token if isinstance(token, str) else _text(token))[:40]
