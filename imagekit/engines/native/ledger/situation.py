"""What is known where a scriptlet would run, and how one of its commands is called."""

from __future__ import annotations

import fnmatch
import posixpath
from collections.abc import Callable, Iterable
from dataclasses import field

from imagekit.engines.native.ledger.effects import Effect
from imagekit.engines.native.ledger.refused import Refused
from imagekit.rootfs.entry import Kind
from imagekit.values import dataclass

#: True, False, or None for what only running it would tell.
Status = bool | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Situation:
    """The image as a scriptlet finds it. Paths are absolute.

    `arguments` are those that rpm gives it. `kind` tells what is at a path, itself a symlink or not; None is nothing.
    """

    arguments: tuple[str, ...]
    kind: Callable[[str], Kind | None]
    names: Callable[[], Iterable[str]] = tuple
    has_user: Callable[[str], bool] = lambda name: name == "root"
    has_group: Callable[[str], bool] = lambda name: name == "root"

    def matching(self, pattern: str) -> list[str]:
        """The paths that a pattern of the shell stands for."""
        depth = pattern.count("/")
        return [path for path in self.names() if path.count("/") == depth and fnmatch.fnmatchcase(path, pattern)]


@dataclass(frozen=True, kw_only=True, slots=True)
class Value:
    """A word as a command gets it: None where its text is not known. `is_pattern` stands for names of files."""

    text: str | None
    is_pattern: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Call:
    """A command with its arguments. `is_certain` is False where it may not be reached; `input` is what it reads."""

    name: str
    values: tuple[Value, ...]
    situation: Situation
    is_certain: bool
    input: str | None = None

    @property
    def arguments(self) -> tuple[str, ...]:
        """All of them; raises Refused where one is not known."""
        return tuple(self._known(value) for value in self.values)

    def options(self, valued: str = "", long: Iterable[str] = ()) -> tuple[dict[str, str], tuple[str, ...]]:
        """Options and the rest (getopt(3)); `valued` are the letters, and `long` the words, that take a value."""
        options: dict[str, str] = {}
        rest: list[str] = []
        waiting = list(self.arguments)
        while waiting:
            word = waiting.pop(0)
            if word == "--":
                rest += waiting
                break
            if word.startswith("--"):
                name, given, value = word[2:].partition("=")
                options[name] = value if given else (self._value(waiting) if name in set(long) else "")
            elif word.startswith("-") and len(word) > 1:
                self._letters(word[1:], valued, waiting, options)
            else:
                rest.append(word)
        return options, tuple(rest)

    def paths(self, words: Iterable[str]) -> tuple[str, ...]:
        """Absolute, normalised paths; raises Refused for others."""
        return tuple(map(self.path, words))

    def path(self, word: str) -> str:
        """The same of one."""
        if not word.startswith("/"):
            raise Refused(f"{self.name} is given {word!r}, which depends on the folder that it runs in")
        return posixpath.normpath(word).replace("//", "/")

    def must_be_certain(self) -> None:
        """Raise Refused for what must not be done unless it is known that it is reached."""
        if not self.is_certain:
            raise Refused(f"whether {self.name} is reached depends on what only running it would tell")

    def refuse(self, why: str) -> Refused:
        """This call as the reason."""
        shown = " ".join([self.name, *("…" if value.text is None else value.text for value in self.values)])
        return Refused(f"`{shown[:120]}` {why}")

    def _letters(self, letters: str, valued: str, waiting: list[str], options: dict[str, str]) -> None:
        for number, letter in enumerate(letters):
            if letter in valued:
                options[letter] = letters[number + 1 :] or self._value(waiting)
                return
            options[letter] = ""

    def _value(self, waiting: list[str]) -> str:
        if not waiting:
            raise self.refuse("lacks the value of its last option")
        return waiting.pop(0)

    def _known(self, value: Value) -> str:
        if value.text is None or value.is_pattern:
            raise self.refuse("has arguments that only running it would tell")
        return value.text


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What a command comes to: the class that it is of, what it does, how it ends, what it prints."""

    label: str
    effects: tuple[Effect, ...] = ()
    status: Status = True
    output: str | None = field(default=None)


def always(label: str, *, status: Status = True) -> Callable[[Call], Outcome]:
    """The judge of a command that comes to the same whatever it is given."""

    def judged(_: Call) -> Outcome:
        return Outcome(label=label, status=status)

    return judged


def is_pattern(text: str) -> bool:
    """True for text that the shell would replace by names of files."""
    start = text.find("[")
    return "*" in text or "?" in text or (start >= 0 and text.find("]", start + 2) >= 0)
