"""All scriptlets of a change of packages, judged in rpm's order; what they do is handed on, nothing is run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final

from imagekit.engines.native.ledger import Refused, Verdict, judge
from imagekit.engines.native.ledger.effects import Effect
from imagekit.engines.native.ledger.situation import Situation
from imagekit.errors import BuildFailed
from imagekit.rpm.header import Header
from imagekit.rpm.tag import Tag
from imagekit.values import dataclass

#: Macros and queries that rpm would put in when it runs a scriptlet (rpm, lib/rpmscript.h).
_EXPANDED: Final = 0b11


@dataclass(frozen=True, kw_only=True, slots=True)
class Moment:
    """When a scriptlet of a package would run: its name in a spec file, and the tags that hold it."""

    name: str
    body: Tag
    program: Tag
    flags: Tag


PRETRANS: Final = Moment(name="%pretrans", body=Tag.PRETRANS, program=Tag.PRETRANSPROG, flags=Tag.PRETRANSFLAGS)
PRE: Final = Moment(name="%pre", body=Tag.PREIN, program=Tag.PREINPROG, flags=Tag.PREINFLAGS)
POST: Final = Moment(name="%post", body=Tag.POSTIN, program=Tag.POSTINPROG, flags=Tag.POSTINFLAGS)
PREUN: Final = Moment(name="%preun", body=Tag.PREUN, program=Tag.PREUNPROG, flags=Tag.PREUNFLAGS)
POSTUN: Final = Moment(name="%postun", body=Tag.POSTUN, program=Tag.POSTUNPROG, flags=Tag.POSTUNFLAGS)
POSTTRANS: Final = Moment(name="%posttrans", body=Tag.POSTTRANS, program=Tag.POSTTRANSPROG, flags=Tag.POSTTRANSFLAGS)


@dataclass(frozen=True, kw_only=True, slots=True)
class Script:
    """One scriptlet as it would run: of which package, when, with which arguments."""

    package: str
    moment: str
    program: tuple[str, ...]
    body: str
    arguments: tuple[str, ...]
    flags: int = 0


def script(header: Header, moment: Moment, count: int) -> Iterator[Script]:
    """A package's scriptlet at a moment, where it has one; `count` is how many of it there will be."""
    if moment.body in header or moment.program in header:
        yield Script(
            package=str(header.nevra),
            moment=moment.name,
            program=header.texts(moment.program) or ("/bin/sh",),
            body=header.text(moment.body),
            arguments=(str(count),),
            flags=header.integer(moment.flags),
        )


class Judge:
    """Judges scriptlets; `skipped` are the packages whose own are left out, with the reason, by name."""

    def __init__(self, skipped: Mapping[str, str]) -> None:
        self._skipped = skipped
        #: What was found in the scriptlets, by package.
        self.labels: dict[str, set[str]] = {}

    def effects(
        self, scripts: Iterable[Script], situation: Callable[[Script], Situation]
    ) -> Iterator[tuple[Script, Effect]]:
        """What scriptlets do, one after the other; raises BuildFailed for the first that is not known."""
        for one in scripts:
            verdict = self._verdict(one, situation(one))
            self.labels.setdefault(one.package, set()).update(verdict.labels)
            yield from ((one, effect) for effect in verdict.effects)

    def _verdict(self, one: Script, situation: Situation) -> Verdict:
        if one.package.rsplit("-", 2)[0] in self._skipped:
            return Verdict(labels=("skipped",))
        try:
            if one.flags & _EXPANDED and "%" in one.body:
                raise Refused("rpm puts something into it when it runs")
            return judge(one.program, one.body, situation)
        except Refused as refused:
            raise _unknown(one, refused.reason) from refused


def _unknown(one: Script, reason: str) -> BuildFailed:
    name = one.package.rsplit("-", 2)[0]
    lines = [line for line in one.body.strip().splitlines() if line.strip()]
    shown = "\n".join(f"    {line[:160]}" for line in lines[:30])
    more = f"\n    … {len(lines) - 30} more lines" if len(lines) > 30 else ""
    return BuildFailed(
        f"the {one.moment} scriptlet of {one.package} is not one that imagekit can do without running it: {reason}\n"
        f"  {' '.join(one.program)[:160]}\n{shown}{more}",
        hint=f"when the image does without it, say `scriptlets: {{{name}: {{skip: REASON}}}}`; "
        "else choose another package, or do its work with `files`",
    )


def ordered(arriving: Sequence[tuple[Header, int]], moment: Moment) -> Iterator[Script]:
    """The scriptlets of several packages at one moment; each package with how many of it there will be."""
    for header, count in arriving:
        yield from script(header, moment, count)
