"""A Dockerfile's text as instructions (Dockerfile reference, "Format", "Parser directives", "Here-documents").

The library dockerfile-parse was looked at: it has no here-documents (its issue 145) and evaluates while it reads.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Final

from imagekit.errors import InvalidFile
from imagekit.findings import Place
from imagekit.values import dataclass

#: Bytes, and instructions, of a file that a person wrote.
MAX_BYTES: Final = 1 << 20
MAX_INSTRUCTIONS: Final = 2_000
_MAX_HEREDOCS: Final = 100
NAMES: Final = frozenset(
    (
        *("ADD", "ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "EXPOSE", "FROM", "HEALTHCHECK", "LABEL", "MAINTAINER"),
        *("ONBUILD", "RUN", "SHELL", "STOPSIGNAL", "USER", "VOLUME", "WORKDIR"),
    )
)
#: Instructions that here-documents may follow.
_WITH_HEREDOCS: Final = frozenset({"RUN", "COPY", "ADD"})
#: Instructions that may stand in the exec form.
_WITH_WORDS: Final = frozenset({"RUN", "CMD", "ENTRYPOINT", "SHELL", "COPY", "ADD", "VOLUME"})
#: NUL, and the characters of nobody's that mark placeholders here.
_NO_TEXT: Final = re.compile("[\0\ue000\ue001]")
_DIRECTIVE: Final = re.compile(r"#[ \t]*([A-Za-z][A-Za-z0-9]*)[ \t]*=[ \t]*(.+?)[ \t]*")
_COMMENT: Final = re.compile(r"[ \t]*#")
_INSTRUCTION: Final = re.compile(r"[ \t]*([A-Za-z]+)(?:[ \t]+|$)")
_FLAG: Final = re.compile(r"--([a-z][a-z0-9-]*)(?:=(\"[^\"]*\"|\S*))?(?:[ \t\n]+|$)")
_WORD: Final = r"[A-Za-z_.][\w.]*"
_HEREDOC: Final = re.compile(rf"(?<![<\w])\d*<<(-?)[ \t]*(?:\"({_WORD})\"|'({_WORD})'|({_WORD}))")


@dataclass(frozen=True, kw_only=True, slots=True)
class Heredoc:
    """A text that follows an instruction; `expands` says that variables in it mean something."""

    name: str
    text: str
    expands: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Instruction:
    """One instruction: the line that it begins in, its name in capitals, flags, and the rest as one text.

    `words` are those of the exec form, None in the shell form.
    """

    line: int
    name: str
    text: str
    flags: tuple[tuple[str, str], ...] = ()
    words: tuple[str, ...] | None = None
    heredocs: tuple[Heredoc, ...] = ()

    def flag(self, name: str) -> str:
        """A flag's value, empty without one."""
        return next((value for flag, value in self.flags if flag == name), "")


@dataclass(frozen=True, kw_only=True, slots=True)
class Dockerfile:
    """The instructions in order; `escape` is the character that escapes, a backslash or a backtick."""

    name: str
    instructions: tuple[Instruction, ...]
    escape: str = "\\"


def parse(data: bytes, name: str) -> Dockerfile:
    """What a file holds; `name` is what messages call it. Raises InvalidFile with the line."""
    lines = _lines(data, name)
    escape = _escape(lines, name)
    instructions = tuple(_Reader(lines, name, escape))
    if not any(one.name == "FROM" for one in instructions):
        raise InvalidFile(f"{name} has no FROM: it is no Dockerfile", hint="name a Dockerfile with --from")
    for one in instructions:
        if one.name == "FROM":
            break
        if one.name != "ARG":
            raise _wrong(name, one.line, f"{one.name} stands before the first FROM")
    return Dockerfile(name=name, instructions=instructions, escape=escape)


def _lines(data: bytes, name: str) -> list[str]:
    if len(data) > MAX_BYTES:
        raise InvalidFile(f"{name} is larger than {MAX_BYTES:,} bytes: it is no Dockerfile", hint="name another file")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidFile(f"{name} is not text in UTF-8", hint="save it as UTF-8") from error
    if found := _NO_TEXT.search(text):
        line = text.count("\n", 0, found.start()) + 1
        raise _wrong(name, line, f"it holds U+{ord(found[0]):04X}, which is no text")
    return [line.removesuffix("\r") for line in text.split("\n")]


def _escape(lines: list[str], name: str) -> str:
    """What the directives at the top say; they end at the first line that is none."""
    for number, line in enumerate(lines, 1):
        match = _DIRECTIVE.fullmatch(line)
        if match is None:
            break
        if match[1].lower() == "escape":
            if match[2] not in {"\\", "`"}:
                raise _wrong(name, number, f"escape={match[2]} is neither a backslash nor a backtick")
            return match[2]
    return "\\"


class _Reader:
    """Instructions, one after the other."""

    def __init__(self, lines: list[str], name: str, escape: str) -> None:
        self._lines = lines
        self._name = name
        self._continued = re.compile(rf"{re.escape(escape)}[ \t]*$")
        self._next = 0

    def __iter__(self) -> Iterator[Instruction]:
        count = 0
        while self._next < len(self._lines):
            line = self._lines[self._next]
            if not line.strip() or _COMMENT.match(line):
                self._next += 1
                continue
            count += 1
            if count > MAX_INSTRUCTIONS:
                raise _wrong(self._name, self._next + 1, f"there are more than {MAX_INSTRUCTIONS:,} instructions")
            yield self._instruction(self._next + 1)

    def _instruction(self, number: int) -> Instruction:
        text = self._logical()
        match = _INSTRUCTION.match(text)
        name = match[1].upper() if match else ""
        if match is None or name not in NAMES:
            raise _wrong(self._name, number, f"{text.strip().partition(' ')[0][:40]!r} is no instruction")
        flags, rest = _flags(text[match.end() :])
        if not rest.strip():
            raise _wrong(self._name, number, f"{name} says nothing")
        heredocs = tuple(self._heredocs(rest, number)) if name in _WITH_HEREDOCS else ()
        return Instruction(
            line=number,
            name=name,
            text=rest.strip(),
            flags=flags,
            words=_words(rest) if name in _WITH_WORDS else None,
            heredocs=heredocs,
        )

    def _logical(self) -> str:
        """A line with those that continue it; comments and empty lines among them mean nothing."""
        parts: list[str] = []
        while self._next < len(self._lines):
            line = self._lines[self._next]
            self._next += 1
            if parts and (not line.strip() or _COMMENT.match(line)):
                continue
            match = self._continued.search(line)
            parts.append(line[: match.start()] if match else line)
            if match is None:
                break
        return "".join(parts)

    def _heredocs(self, text: str, number: int) -> Iterator[Heredoc]:
        for count, match in enumerate(_HEREDOC.finditer(text)):
            if count >= _MAX_HEREDOCS:
                raise _wrong(self._name, number, "there are too many here-documents")
            quoted = match[2] or match[3]
            name = quoted or match[4]
            yield Heredoc(name=name, text=self._body(name, number, tabs=bool(match[1])), expands=not quoted)

    def _body(self, name: str, number: int, *, tabs: bool) -> str:
        """The lines until the one that is the name."""
        body: list[str] = []
        while self._next < len(self._lines):
            line = self._lines[self._next]
            self._next += 1
            line = line.lstrip("\t") if tabs else line
            if line == name:
                return "".join(f"{one}\n" for one in body)
            body.append(line)
        raise _wrong(self._name, number, f"the here-document {name} has no end")


def _flags(text: str) -> tuple[tuple[tuple[str, str], ...], str]:
    """The flags that stand first, and what follows."""
    flags: list[tuple[str, str]] = []
    rest = text.lstrip()
    while match := _FLAG.match(rest):
        flags.append((match[1], (match[2] or "").strip('"')))
        rest = rest[match.end() :]
    return tuple(flags), rest


def _words(text: str) -> tuple[str, ...] | None:
    """The words of the exec form; what is no JSON list of texts is the shell form."""
    if not text.lstrip().startswith("["):
        return None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if isinstance(value, list) and all(isinstance(word, str) for word in value):
        return tuple(value)
    return None


def _wrong(name: str, line: int, what: str) -> InvalidFile:
    return InvalidFile(
        what, hint="builders refuse this Dockerfile, too; correct it first", place=Place(file=name, line=line, column=1)
    )
