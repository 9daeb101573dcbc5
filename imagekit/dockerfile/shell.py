"""Shell commands as far as they can be understood without a shell: simple commands, joined by `&&`, `;` and lines."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from typing import Final

from imagekit.values import dataclass

_MAX_COMMANDS: Final = 1_000
#: What makes more of a command than its words: only a shell knows what comes of it.
_MEANS_MORE: Final = frozenset("();<>|&")
_CONTROL: Final = frozenset(
    ("if", "then", "else", "elif", "fi", "for", "while", "until", "do", "done", "case", "esac", "{", "}", "!", "[[")
)
#: What a command says that nobody reads.
_UNREAD: Final = re.compile(r"(?<=\s)(?:[12]?>+\s*/dev/null|2>&1|&>\s*/dev/null)(?=\s|$)")
#: The machine's name, which is the image's: build steps have it in a variable.
_MACHINE: Final = re.compile(r"\$\((?:uname -[mp]|arch)\)|`(?:uname -[mp]|arch)`")
MACHINE: Final = "IMAGEKIT_RPM_ARCH"


@dataclass(frozen=True, kw_only=True, slots=True)
class Command:
    """One command: as it was written, and its words where they are plain; none where only a shell can tell.

    `assigned` are the variables that are set for it alone; `pipe` are the commands of a pipeline, itself the first.
    """

    text: str
    words: tuple[str, ...] = ()
    assigned: tuple[str, ...] = ()
    pipe: tuple[Command, ...] = ()

    @property
    def name(self) -> str:
        """The program, without its folder."""
        return self.words[0].rpartition("/")[2] if self.words else ""

    @property
    def options(self) -> tuple[str, ...]:
        """Words that begin with a hyphen."""
        return tuple(word for word in self.words[1:] if word.startswith("-"))

    @property
    def arguments(self) -> tuple[str, ...]:
        """The other words."""
        return tuple(word for word in self.words[1:] if not word.startswith("-"))


def commands(text: str) -> tuple[Command, ...]:
    """The commands of a script that are carried out one after the other.

    Where anything else decides what runs (`||`, `if`, loops, functions) the whole script is one command without words.
    Variables stay as they are written, `$NAME` or `${NAME}`.
    """
    text = _MACHINE.sub(f"${{{MACHINE}}}", text.replace("\\\n", " ")).strip()
    parts = list(_split(text, ("&&", ";", "\n")))
    if not parts or len(parts) > _MAX_COMMANDS:
        return (Command(text=text),) if text else ()
    made = tuple(map(_command, parts))
    if any(one.words[:1] and one.words[0] in _CONTROL for one in made):
        return (Command(text=text),)
    return made


def _split(text: str, separators: tuple[str, ...]) -> Iterator[str]:
    """The texts between separators that are not quoted; nothing where `||` decides, or a quote has no end."""
    parts, start, quote, at = [], 0, "", 0
    while at < len(text):
        letter = text[at]
        separator = next((one for one in separators if text.startswith(one, at)), "")
        step = 1
        if letter == "\\" and quote != "'":
            step = 2
        elif quote:
            quote = "" if letter == quote else quote
        elif letter in "'\"":
            quote = letter
        elif text.startswith("||", at):
            return
        elif letter == "#" and (at == start or text[at - 1].isspace()):
            end = text.find("\n", at)
            text = text[:at] + ("" if end < 0 else text[end:])
            continue
        elif separator:
            parts.append(text[start:at])
            step = len(separator)
            start = at + step
        at += step
    if not quote:
        yield from (stripped for one in (*parts, text[start:]) if (stripped := one.strip()))


def _command(text: str) -> Command:
    quiet = _UNREAD.sub("", text)
    words = _words(quiet)
    if words is None:
        pipe = tuple(_split(quiet, ("|",)))
        return Command(text=text, pipe=tuple(map(_command, pipe)) if len(pipe) > 1 else ())
    assigned = 0
    while assigned < len(words) and "=" in words[assigned] and words[assigned].partition("=")[0].isidentifier():
        assigned += 1
    return Command(text=text, words=tuple(words[assigned:]), assigned=tuple(words[:assigned]))


def _words(text: str) -> list[str] | None:
    """Words without their quotes; None where a shell would do more than split them."""
    if "`" in text or "$(" in text:
        return None
    lexer = shlex.shlex(text, posix=True, punctuation_chars=True)
    lexer.whitespace_split, lexer.commenters = True, ""
    try:
        words = list(lexer)
    except ValueError:
        return None
    return None if any(word and _MEANS_MORE.issuperset(word) for word in words) else words
