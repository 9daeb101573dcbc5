"""What a shell script is made of (POSIX.1-2017, "Shell Command Language"), as far as scriptlets use it."""

from __future__ import annotations

from typing import TypeAlias

from imagekit.values import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Literal:
    """Text of a word; in quotes it is no pattern."""

    text: str
    quoted: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Variable:
    """The value of a variable or of an argument; `name` is empty for a form that is not evaluated here."""

    name: str
    quoted: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Substitution:
    """What commands print."""

    body: tuple[Node, ...]


Part: TypeAlias = Literal | Variable | Substitution
Word: TypeAlias = tuple[Part, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Redirect:
    """`operator` with the file that it names, or the text that stands in the script (`<<`)."""

    operator: str
    target: Word


@dataclass(frozen=True, kw_only=True, slots=True)
class Command:
    """One program, or variables that are set."""

    words: tuple[Word, ...]
    assignments: tuple[tuple[str, Word], ...] = ()
    redirects: tuple[Redirect, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Pipeline:
    """Commands that read what the one before prints."""

    commands: tuple[Node, ...]
    negated: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Chain:
    """A command and those after `&&` or `||`."""

    first: Node
    rest: tuple[tuple[str, Node], ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class If:
    """Conditions with their bodies; the last one without a condition is the `else`."""

    branches: tuple[tuple[tuple[Node, ...], tuple[Node, ...]], ...]
    otherwise: tuple[Node, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Loop:
    """`for` with its words, or `while` and `until` with their condition."""

    body: tuple[Node, ...]
    variable: str = ""
    words: tuple[Word, ...] = ()
    condition: tuple[Node, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """A word, and bodies by the patterns that it may match."""

    word: Word
    branches: tuple[tuple[tuple[Word, ...], tuple[Node, ...]], ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Group:
    """Commands in braces or parentheses."""

    body: tuple[Node, ...]
    is_subshell: bool = False
    redirects: tuple[Redirect, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Function:
    """A function that the script defines."""

    name: str
    body: Node


Node: TypeAlias = Command | Pipeline | Chain | If | Loop | Case | Group | Function
