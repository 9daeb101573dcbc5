"""All scriptlets of a change of packages, judged in rpm's order; what they do is handed on, nothing is run."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final

from imagekit.engines.native.ledger import Refused, Verdict, judge
from imagekit.engines.native.ledger.effects import Effect
from imagekit.engines.native.ledger.situation import Situation
from imagekit.errors import BuildFailed
from imagekit.lock_packages import name_of
from imagekit.rpm.dependency import Dependency, Sense
from imagekit.rpm.evr import Evr
from imagekit.rpm.header import Header
from imagekit.rpm.scriptlet import Scriptlet, ScriptletFlag, ScriptletKind, scriptlets
from imagekit.values import dataclass

#: Macros and queries that rpm would put in when it runs a scriptlet.
_EXPANDED: Final = ScriptletFlag.EXPAND | ScriptletFlag.QUERY_FORMAT
#: Before the files of a package are there.
BEFORE: Final = (ScriptletKind.PRETRANS, ScriptletKind.PRE)
#: Where rpm goes no further with a package when one fails; of all others, triggers before it too, it only warns (rpm,
#: lib/psm.c, runScript).
_DECISIVE: Final = frozenset({*BEFORE, ScriptletKind.PREUN})
_AFTER: Final = (ScriptletKind.POST,)
_LEAVING: Final = (
    ScriptletKind.PREUNTRANS,
    ScriptletKind.PREUN,
    ScriptletKind.POSTUN,
    ScriptletKind.POSTUNTRANS,
)
_FILES_IN: Final = frozenset({ScriptletKind.FILETRIGGERIN, ScriptletKind.TRANSFILETRIGGERIN})
_FILES_OUT: Final = frozenset(
    {
        ScriptletKind.FILETRIGGERUN,
        ScriptletKind.FILETRIGGERPOSTUN,
        ScriptletKind.TRANSFILETRIGGERUN,
        ScriptletKind.TRANSFILETRIGGERPOSTUN,
    }
)
_PACKAGES_IN: Final = frozenset({ScriptletKind.TRIGGERIN, ScriptletKind.TRIGGERPREIN})
_PACKAGES_OUT: Final = frozenset({ScriptletKind.TRIGGERUN, ScriptletKind.TRIGGERPOSTUN})


@dataclass(frozen=True, kw_only=True, slots=True)
class Script:
    """One scriptlet as it would run: of which package, with which arguments."""

    package: str
    scriptlet: Scriptlet
    arguments: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Party:
    """A package that comes, goes or stays: `count` is how many of it there are while its scriptlets run, `paths` its
    files with a leading slash.
    """

    header: Header
    count: int
    paths: Callable[[], Iterable[str]]

    @property
    def name(self) -> str:
        """The package's name alone."""
        return self.header.nevra.name


@dataclass(frozen=True, kw_only=True, slots=True)
class Parties:
    """All packages of a change."""

    arriving: Sequence[Party]
    leaving: Sequence[Party]
    staying: Sequence[Party]

    def scripts(self) -> Iterator[Script]:
        """What rpm would run, one after the other (rpm, lib/transaction.c, lib/psm.c)."""
        held = {id(one): scriptlets(one.header) for one in (*self.arriving, *self.leaving, *self.staying)}

        def plain(parties: Sequence[Party], kind: ScriptletKind) -> Iterator[Script]:
            for one in parties:
                for item in held[id(one)]:
                    if item.kind is kind:
                        yield Script(package=str(one.header.nevra), scriptlet=item, arguments=(str(one.count),))

        for kind in (*BEFORE, *_AFTER):
            yield from plain(self.arriving, kind)
        for kind in _LEAVING:
            yield from plain(self.leaving, kind)
        yield from plain(self.arriving, ScriptletKind.POSTTRANS)
        triggers = [(one, item) for one in (*self.staying, *self.arriving) for item in held[id(one)] if item.is_trigger]
        if triggers:
            yield from self._triggered(triggers)

    def _triggered(self, triggers: Sequence[tuple[Party, Scriptlet]]) -> Iterator[Script]:
        arriving, leaving, staying = (_Paths(some) for some in (self.arriving, self.leaving, self.staying))
        coming = {id(one) for one in self.arriving}
        for owner, item in triggers:
            name, is_new = str(owner.header.nevra), id(owner) in coming
            if item.kind in _FILES_IN:
                set_off = arriving.have(item) or (is_new and staying.have(item))
                arguments: tuple[str, ...] = ()
            elif item.kind in _FILES_OUT:
                set_off, arguments = not is_new and leaving.have(item), ()
            else:
                found = self._partner(item, is_new=is_new)
                set_off = found is not None
                arguments = (str(owner.count), str(found.count)) if found else ()
            if set_off:
                yield Script(package=name, scriptlet=item, arguments=arguments)

    def _partner(self, item: Scriptlet, *, is_new: bool) -> Party | None:
        """The package that sets a trigger off."""
        others: Sequence[Party] = ()
        if item.kind in _PACKAGES_IN:
            others = (*self.arriving, *self.staying) if is_new else self.arriving
        elif item.kind in _PACKAGES_OUT:
            others = self.leaving
        return next((one for one in others if any(_names(condition, one) for condition in item.conditions)), None)


class Judge:
    """Judges scriptlets; `skipped` are the packages whose own are left out, with the reason, by name."""

    def __init__(self, skipped: Mapping[str, str]) -> None:
        self._skipped = skipped
        #: What was found in the scriptlets, by package.
        self.labels: dict[str, set[str]] = {}

    def effects(self, one: Script, situation: Situation) -> Sequence[Effect]:
        """What a scriptlet does; raises BuildFailed for one that is not known."""
        verdict = self._verdict(one, situation)
        self.labels.setdefault(one.package, set()).update(verdict.labels)
        return verdict.effects

    def _verdict(self, one: Script, situation: Situation) -> Verdict:
        if name_of(one.package) in self._skipped:
            return Verdict(labels=("skipped",))
        try:
            if one.scriptlet.flags & _EXPANDED and "%" in one.scriptlet.body:
                raise Refused("rpm puts something into it when it runs")
            verdict = judge(one.scriptlet.program, one.scriptlet.body, situation)
        except Refused as refused:
            raise _error(one, f"is not one that can be done without running it: {refused.reason}") from refused
        if verdict.failure and one.scriptlet.kind in _DECISIVE:
            raise _error(one, f"keeps rpm from changing the package: {verdict.failure}")
        return verdict


class _Paths:
    """The files of packages, to be asked for those below a folder; listed when somebody asks."""

    def __init__(self, parties: Sequence[Party]) -> None:
        self._parties = parties
        self._sorted: list[str] | None = None

    def have(self, item: Scriptlet) -> bool:
        """True when one begins as a file trigger says."""
        if self._sorted is None:
            self._sorted = sorted(path for one in self._parties for path in one.paths())
        return any(self._has(condition.name) for condition in item.conditions)

    def _has(self, prefix: str) -> bool:
        found = self._sorted or []
        at = bisect_left(found, prefix)
        return at < len(found) and found[at].startswith(prefix)


def _names(condition: Dependency, one: Party) -> bool:
    """True when a trigger's condition is about this package in this version."""
    if condition.name != one.name:
        return False
    wanted = condition.flags & (Sense.LESS | Sense.GREATER | Sense.EQUAL)
    if not wanted or not condition.evr:
        return True
    theirs = Evr.parse(condition.evr)
    mine = one.header.nevra.evr
    if not theirs.release:
        mine = Evr(epoch=mine.epoch, version=mine.version)
    order = {-1: Sense.LESS, 0: Sense.EQUAL, 1: Sense.GREATER}[mine.compare(theirs)]
    return bool(wanted & order)


def _error(one: Script, what: str) -> BuildFailed:
    name = name_of(one.package)
    lines = [line for line in one.scriptlet.body.strip().splitlines() if line.strip()]
    shown = "".join(f"\n    {line[:160]}" for line in lines[:30])
    more = f"\n    … {len(lines) - 30} more lines" if len(lines) > 30 else ""
    return BuildFailed(
        f"the {one.scriptlet.kind} scriptlet of {one.package} {what}\n"
        f"  {' '.join(one.scriptlet.program)[:160]}{shown}{more}",
        hint=f"when the image does without it, say `scriptlets: {{{name}: {{skip: REASON}}}}`; "
        "else choose another package, or do its work with `files`",
    )
