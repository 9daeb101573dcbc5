"""Scriptlets: the programs that rpm runs when it installs or removes a package, and the triggers among them."""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntEnum, StrEnum
from typing import Final, NamedTuple

from imagekit.rpm.dependency import Dependency, Sense
from imagekit.rpm.header import Header
from imagekit.rpm.tag import Tag
from imagekit.values import dataclass

#: What rpm gives file triggers that name none (rpm, lib/rpmtriggers.h).
DEFAULT_PRIORITY: Final = 1_000_000
_SHELL: Final = ("/bin/sh",)


class ScriptletKind(StrEnum):
    """When it is run, as a spec file says it."""

    PRETRANS = "%pretrans"
    PRE = "%pre"
    POST = "%post"
    PREUN = "%preun"
    POSTUN = "%postun"
    POSTTRANS = "%posttrans"
    PREUNTRANS = "%preuntrans"
    POSTUNTRANS = "%postuntrans"
    VERIFY = "%verifyscript"
    TRIGGERPREIN = "%triggerprein"
    TRIGGERIN = "%triggerin"
    TRIGGERUN = "%triggerun"
    TRIGGERPOSTUN = "%triggerpostun"
    FILETRIGGERIN = "%filetriggerin"
    FILETRIGGERUN = "%filetriggerun"
    FILETRIGGERPOSTUN = "%filetriggerpostun"
    TRANSFILETRIGGERIN = "%transfiletriggerin"
    TRANSFILETRIGGERUN = "%transfiletriggerun"
    TRANSFILETRIGGERPOSTUN = "%transfiletriggerpostun"


class ScriptletFlag(IntEnum):
    """Bits of a scriptlet's flags: what rpm puts into its text when it runs it (rpm, lib/rpmscript.h)."""

    EXPAND = 1
    QUERY_FORMAT = 2
    CRITICAL = 4


@dataclass(frozen=True, kw_only=True, slots=True)
class Scriptlet:
    """One of them. `program` is the interpreter with its arguments, `<lua>` for rpm's own; `body` may be empty.

    `conditions` set a trigger off: packages, or for a file trigger the beginnings of paths; file triggers run by
    `priority`, the highest first.
    """

    kind: ScriptletKind
    program: tuple[str, ...]
    body: str
    flags: int = 0
    conditions: tuple[Dependency, ...] = ()
    priority: int = 0

    @property
    def is_trigger(self) -> bool:
        """True for what another package's coming or going sets off."""
        return bool(self.conditions)


class _Plain(NamedTuple):
    body: Tag
    program: Tag
    flags: Tag


_PLAIN: Final = {
    ScriptletKind.PRETRANS: _Plain(Tag.PRETRANS, Tag.PRETRANSPROG, Tag.PRETRANSFLAGS),
    ScriptletKind.PRE: _Plain(Tag.PREIN, Tag.PREINPROG, Tag.PREINFLAGS),
    ScriptletKind.POST: _Plain(Tag.POSTIN, Tag.POSTINPROG, Tag.POSTINFLAGS),
    ScriptletKind.PREUN: _Plain(Tag.PREUN, Tag.PREUNPROG, Tag.PREUNFLAGS),
    ScriptletKind.POSTUN: _Plain(Tag.POSTUN, Tag.POSTUNPROG, Tag.POSTUNFLAGS),
    ScriptletKind.POSTTRANS: _Plain(Tag.POSTTRANS, Tag.POSTTRANSPROG, Tag.POSTTRANSFLAGS),
    ScriptletKind.PREUNTRANS: _Plain(Tag.PREUNTRANS, Tag.PREUNTRANSPROG, Tag.PREUNTRANSFLAGS),
    ScriptletKind.POSTUNTRANS: _Plain(Tag.POSTUNTRANS, Tag.POSTUNTRANSPROG, Tag.POSTUNTRANSFLAGS),
    ScriptletKind.VERIFY: _Plain(Tag.VERIFYSCRIPT, Tag.VERIFYSCRIPTPROG, Tag.VERIFYSCRIPTFLAGS),
}


class _Family(NamedTuple):
    """The tags of a family of triggers, and its kinds by the bit that stands in the flags of their conditions."""

    bodies: Tag
    programs: Tag
    script_flags: Tag
    names: Tag
    senses: Tag
    versions: Tag
    indexes: Tag
    priorities: Tag | None
    kinds: dict[int, ScriptletKind]


_FAMILIES: Final = (
    _Family(
        *(Tag.TRIGGERSCRIPTS, Tag.TRIGGERSCRIPTPROG, Tag.TRIGGERSCRIPTFLAGS, Tag.TRIGGERNAME, Tag.TRIGGERFLAGS),
        *(Tag.TRIGGERVERSION, Tag.TRIGGERINDEX, None),
        {
            Sense.TRIGGERPREIN: ScriptletKind.TRIGGERPREIN,
            Sense.TRIGGERIN: ScriptletKind.TRIGGERIN,
            Sense.TRIGGERUN: ScriptletKind.TRIGGERUN,
            Sense.TRIGGERPOSTUN: ScriptletKind.TRIGGERPOSTUN,
        },
    ),
    _Family(
        *(Tag.FILETRIGGERSCRIPTS, Tag.FILETRIGGERSCRIPTPROG, Tag.FILETRIGGERSCRIPTFLAGS, Tag.FILETRIGGERNAME),
        *(Tag.FILETRIGGERFLAGS, Tag.FILETRIGGERVERSION, Tag.FILETRIGGERINDEX, Tag.FILETRIGGERPRIORITIES),
        {
            Sense.TRIGGERIN: ScriptletKind.FILETRIGGERIN,
            Sense.TRIGGERUN: ScriptletKind.FILETRIGGERUN,
            Sense.TRIGGERPOSTUN: ScriptletKind.FILETRIGGERPOSTUN,
        },
    ),
    _Family(
        *(Tag.TRANSFILETRIGGERSCRIPTS, Tag.TRANSFILETRIGGERSCRIPTPROG, Tag.TRANSFILETRIGGERSCRIPTFLAGS),
        *(Tag.TRANSFILETRIGGERNAME, Tag.TRANSFILETRIGGERFLAGS, Tag.TRANSFILETRIGGERVERSION),
        *(Tag.TRANSFILETRIGGERINDEX, Tag.TRANSFILETRIGGERPRIORITIES),
        {
            Sense.TRIGGERIN: ScriptletKind.TRANSFILETRIGGERIN,
            Sense.TRIGGERUN: ScriptletKind.TRANSFILETRIGGERUN,
            Sense.TRIGGERPOSTUN: ScriptletKind.TRANSFILETRIGGERPOSTUN,
        },
    ),
)
_TRIGGERS: Final = Sense.TRIGGERPREIN | Sense.TRIGGERIN | Sense.TRIGGERUN | Sense.TRIGGERPOSTUN


def scriptlets(header: Header) -> tuple[Scriptlet, ...]:
    """All scriptlets of a package, plain ones first. Raises BuildFailed for a header that contradicts itself."""
    found = list(_plain(header))
    for family in _FAMILIES:
        found += _triggers(header, family)
    return tuple(found)


def _plain(header: Header) -> Iterator[Scriptlet]:
    for kind, tags in _PLAIN.items():
        if tags.body in header or tags.program in header:
            yield Scriptlet(
                kind=kind,
                program=header.texts(tags.program) or _SHELL,
                body=header.text(tags.body),
                flags=header.integer(tags.flags),
            )


def _triggers(header: Header, family: _Family) -> Iterator[Scriptlet]:
    bodies = header.texts(family.bodies)
    programs = header.texts(family.programs) or _SHELL * len(bodies)
    flags = header.integers(family.script_flags) or (0,) * len(bodies)
    priorities = header.integers(family.priorities) if family.priorities else ()
    priorities = priorities or (DEFAULT_PRIORITY if family.priorities else 0,) * len(bodies)
    conditions = _conditions(header, family, len(bodies))
    if not len(bodies) == len(programs) == len(flags) == len(priorities):
        raise header.damaged(f"its {family.bodies.name.lower()} have other numbers of programs or flags")
    for index, body in enumerate(bodies):
        kinds = {dependency.flags & _TRIGGERS for dependency in conditions[index]}
        kind = family.kinds.get(kinds.pop()) if len(kinds) == 1 else None
        if kind is None:
            raise header.damaged(f"nothing in it, or more than one thing, sets off its trigger {index}")
        yield Scriptlet(
            kind=kind,
            program=(programs[index],),
            body=body,
            flags=flags[index],
            conditions=tuple(conditions[index]),
            priority=priorities[index],
        )


def _conditions(header: Header, family: _Family, count: int) -> list[list[Dependency]]:
    """For each trigger of a family what sets it off."""
    names, senses = header.texts(family.names), header.integers(family.senses)
    indexes, versions = header.integers(family.indexes), header.texts(family.versions)
    if not len(names) == len(senses) == len(versions) == len(indexes) or max(indexes, default=-1) >= count:
        raise header.damaged(f"its lists of {family.names.name.lower()} do not match")
    found: list[list[Dependency]] = [[] for _ in range(count)]
    for index, name, sense, version in zip(indexes, names, senses, versions, strict=True):
        found[index].append(Dependency(name=name, flags=sense, evr=version))
    return found
