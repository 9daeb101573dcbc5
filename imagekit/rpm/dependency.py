"""Dependencies: what a package provides, requires, suggests, and so on (rpm, include/rpm/rpmds.h)."""

from __future__ import annotations

from enum import Enum, IntEnum
from typing import Final

from imagekit.errors import BuildFailed
from imagekit.rpm.header import Header
from imagekit.rpm.tag import Tag
from imagekit.values import dataclass

#: Beyond any package; rpm's parser would run out of stack far earlier.
_MAX_DEPTH: Final = 1000
_CONDITIONS: Final = frozenset({"if", "unless"})
_CHAINS: Final = frozenset({"and", "or", "with"})
_OPERATORS: Final = _CONDITIONS | _CHAINS | {"else", "without"}
_SPACES: Final = " \t\n\r\v\f,"
_COMPARISONS: Final = frozenset({"<", "<=", "=", ">=", ">", "==", "=<", "=>"})


class Sense(IntEnum):
    """Bits of a dependency's flags: how versions compare, and when a requirement matters."""

    LESS = 1 << 1
    GREATER = 1 << 2
    EQUAL = 1 << 3
    POSTTRANS = 1 << 5
    PREREQ = 1 << 6
    PRETRANS = 1 << 7
    INTERP = 1 << 8
    SCRIPT_PRE = 1 << 9
    SCRIPT_POST = 1 << 10
    SCRIPT_PREUN = 1 << 11
    SCRIPT_POSTUN = 1 << 12
    SCRIPT_VERIFY = 1 << 13
    FIND_REQUIRES = 1 << 14
    FIND_PROVIDES = 1 << 15
    TRIGGERIN = 1 << 16
    TRIGGERUN = 1 << 17
    TRIGGERPOSTUN = 1 << 18
    MISSINGOK = 1 << 19
    PREUNTRANS = 1 << 20
    POSTUNTRANS = 1 << 21
    RPMLIB = 1 << 24
    TRIGGERPREIN = 1 << 25
    KEYRING = 1 << 26
    CONFIG = 1 << 28
    META = 1 << 29


_RELATIONS: Final = {0: "", 2: "<", 4: ">", 6: "<>", 8: "=", 10: "<=", 12: ">=", 14: "<=>"}


class DependencyKind(Enum):
    """The kinds of dependencies, each with its tags for names, flags and versions."""

    PROVIDES = (Tag.PROVIDENAME, Tag.PROVIDEFLAGS, Tag.PROVIDEVERSION)
    REQUIRES = (Tag.REQUIRENAME, Tag.REQUIREFLAGS, Tag.REQUIREVERSION)
    CONFLICTS = (Tag.CONFLICTNAME, Tag.CONFLICTFLAGS, Tag.CONFLICTVERSION)
    OBSOLETES = (Tag.OBSOLETENAME, Tag.OBSOLETEFLAGS, Tag.OBSOLETEVERSION)
    RECOMMENDS = (Tag.RECOMMENDNAME, Tag.RECOMMENDFLAGS, Tag.RECOMMENDVERSION)
    SUGGESTS = (Tag.SUGGESTNAME, Tag.SUGGESTFLAGS, Tag.SUGGESTVERSION)
    SUPPLEMENTS = (Tag.SUPPLEMENTNAME, Tag.SUPPLEMENTFLAGS, Tag.SUPPLEMENTVERSION)
    ENHANCES = (Tag.ENHANCENAME, Tag.ENHANCEFLAGS, Tag.ENHANCEVERSION)


@dataclass(frozen=True, kw_only=True, slots=True)
class Dependency:
    """A name, or a rich dependency in parentheses; `flags` are bits of `Sense`, `evr` is the text of the version."""

    name: str
    flags: int = 0
    evr: str = ""

    @property
    def relation(self) -> str:
        """`<`, `<=`, `=`, `>=`, `>`; empty where any version will do."""
        return _RELATIONS[self.flags & 14]

    @property
    def is_rich(self) -> bool:
        """True for `(a or b)` and its like."""
        return self.name.startswith("(")

    @property
    def is_of_rpm(self) -> bool:
        """True for what a package requires of rpm itself."""
        return bool(self.flags & Sense.RPMLIB) or self.name.startswith("rpmlib(")

    def __str__(self) -> str:
        return f"{self.name} {self.relation} {self.evr}" if self.relation and self.evr else self.name


def dependencies(header: Header, kind: DependencyKind) -> tuple[Dependency, ...]:
    """The dependencies of a kind, in the header's order. Raises BuildFailed for a header whose lists do not match."""
    names, flags, evrs = kind.value
    texts, senses, versions = header.texts(names), header.integers(flags), header.texts(evrs)
    # Packages of the oldest rpms have no flags and versions where none differs from the default.
    senses = senses or (0,) * len(texts)
    versions = versions or ("",) * len(texts)
    if not len(texts) == len(senses) == len(versions):
        raise header.damaged(f"{len(texts)} {kind.name.lower()}, {len(senses)} flags, {len(versions)} versions")
    return tuple(
        Dependency(name=name, flags=sense, evr=evr) for name, sense, evr in zip(texts, senses, versions, strict=True)
    )


def operands(rich: str) -> tuple[str, ...]:
    """The names in a rich dependency, each once, as RPM databases index them.

    What stands behind `if` or `unless` only matters when it is there: rpm writes `!` before such a name, and both
    forms where an `else` follows (lib/rpmdb.c, updateRichDepCB). Names of rpm's own features are left out. Raises
    BuildFailed for what is no rich dependency.
    """
    if not rich.startswith("("):
        raise _not_rich(rich)
    reading = _Rich(rich)
    while reading.operand():
        while reading.closes():
            if not reading.depth:
                return reading.names()
        reading.operator()
    raise _not_rich(rich)


class _Rich:
    """A rich dependency that is being read: `(NAME [COMPARISON VERSION] OPERATOR NAME …)`, parentheses within."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._position = 0
        self._found: list[tuple[bool, str]] = []
        self._negated = False
        #: For each open parenthesis: where its names begin (those of its condition, once there is one), and the
        #: operator that came last.
        self._open: list[tuple[int, str]] = []

    @property
    def depth(self) -> int:
        """How many parentheses are open."""
        return len(self._open)

    def names(self) -> tuple[str, ...]:
        """What was found, in rpm's order. Raises BuildFailed where something follows the end."""
        if self._text[self._position :].strip():
            raise _not_rich(self._text)
        return tuple("!" * negated + name for negated, name in sorted(set(self._found)))

    def operand(self) -> bool:
        """Read opening parentheses and a name with its version; False where there is none."""
        while self._next() == "(":
            self._position += 1
            if self.depth == _MAX_DEPTH:
                return False
            self._open.append((len(self._found), ""))
        name = self._word()
        if name and not name.startswith("rpmlib("):
            self._found.append((self._negated, name))
        before = self._position
        if self._word() in _COMPARISONS:
            return bool(name and self._word())
        self._position = before
        return bool(name)

    def closes(self) -> bool:
        """Read a closing parenthesis, if one is next."""
        if self._next() != ")":
            return False
        self._position += 1
        _, operator = self._open.pop()
        self._negated ^= operator in _CONDITIONS
        return True

    def operator(self) -> None:
        """Read an operator. Raises BuildFailed for one that does not fit those before it."""
        operator = self._word()
        start, last = self._open[-1]
        if operator == "else":
            fits = last in _CONDITIONS
        else:
            fits = not last or (operator == last and operator in _CHAINS)
        if operator not in _OPERATORS or not fits:
            raise _not_rich(self._text)
        if operator == "else":
            self._found += [(not negated, name) for negated, name in self._found[start:]]
        if operator in _CONDITIONS:
            start = len(self._found)
        self._negated ^= operator in _CONDITIONS or operator == "else"
        self._open[-1] = (start, operator)

    def _next(self) -> str:
        while (character := self._text[self._position : self._position + 1]) and character in _SPACES:
            self._position += 1
        return character

    def _word(self) -> str:
        """All up to a space, or the parenthesis that closes what was opened before the word."""
        self._next()
        start, depth = self._position, 0
        for character in self._text[start:]:
            if character in _SPACES or (character == ")" and not depth):
                break
            depth += (character == "(") - (character == ")")
            self._position += 1
        return self._text[start : self._position]


def _not_rich(text: str) -> BuildFailed:
    return BuildFailed(f"{text[:200]!r} is no rich dependency", hint="the package that has it is damaged: get it again")
