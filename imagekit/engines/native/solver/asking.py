"""From the words of a spec to libsolv's jobs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import Any, Final

import solv

from imagekit.engines.native.solver.universe import Universe
from imagekit.values import dataclass

_Words: Final = solv.Selection
#: What `dnf install` takes: a name, NAME.ARCH, NAME-VERSION, a glob, what is provided, each with `= VERSION`.
_AS_DNF: Final = (
    _Words.SELECTION_NAME
    | _Words.SELECTION_PROVIDES
    | _Words.SELECTION_GLOB
    | _Words.SELECTION_CANON
    | _Words.SELECTION_DOTARCH
    | _Words.SELECTION_REL
)
_INSTALLED: Final = (
    _Words.SELECTION_NAME
    | _Words.SELECTION_GLOB
    | _Words.SELECTION_CANON
    | _Words.SELECTION_DOTARCH
    | _Words.SELECTION_REL
    | _Words.SELECTION_INSTALLED_ONLY
)
_LISTED: Final = 5


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """Jobs, with the packages that each word may mean, and the words that mean nothing."""

    jobs: list[Any] = field(default_factory=list)
    meant: dict[str, frozenset[int]] = field(default_factory=dict)
    unknown: list[str] = field(default_factory=list)
    absent: list[str] = field(default_factory=list)


def asked(universe: Universe, request: Mapping[str, Any]) -> Asked:
    """The jobs of a request; `security` are the names that have to be upgraded for their advisories."""
    found = Asked()
    for text in request["install"]:
        selection = universe.pool.select(text, _AS_DNF | (_Words.SELECTION_FILELIST if text.startswith("/") else 0))
        if selection.isempty():
            found.unknown.append(text)
        else:
            _ask(found, text, selection, solv.Job.SOLVER_INSTALL)
    for solvable, url in universe.files.items():
        found.jobs.append(universe.pool.Job(solv.Job.SOLVER_INSTALL | solv.Job.SOLVER_SOLVABLE, solvable))
        found.meant[url] = frozenset({solvable})
    for text in request["remove"]:
        _of_base(universe, found, text, solv.Job.SOLVER_ERASE)
    for text in request["upgrade"]:
        _of_base(universe, found, text, solv.Job.SOLVER_UPDATE)
    if request["upgrade_all"]:
        found.jobs.append(universe.pool.Job(solv.Job.SOLVER_UPDATE | solv.Job.SOLVER_SOLVABLE_ALL, 0))
    for name in request["replaceable"]:
        selection = universe.pool.select(name, _INSTALLED)
        found.jobs.extend(selection.jobs(solv.Job.SOLVER_ALLOWUNINSTALL))
    return found


def pins(universe: Universe, known: Sequence[str]) -> list[Any]:
    """Jobs that forbid all other versions of packages that were chosen before and are still there."""
    kept: dict[tuple[str, str], set[str]] = {}
    here = {str(item): item for item in universe.available()}
    for nevra in known:
        if nevra in here:
            kept.setdefault((here[nevra].name, here[nevra].arch), set()).add(nevra)
    lock = solv.Job.SOLVER_LOCK | solv.Job.SOLVER_SOLVABLE
    return [
        universe.pool.Job(lock, item.id)
        for item in universe.available()
        if (versions := kept.get((item.name, item.arch))) and str(item) not in versions
    ]


def newest(universe: Universe, names: Iterable[str]) -> list[Any]:
    """Jobs for the newest version of packages, and no other."""
    how = solv.Job.SOLVER_INSTALL | solv.Job.SOLVER_FORCEBEST
    return [job for name in names for job in universe.pool.select(name, _Words.SELECTION_NAME).jobs(how)]


def not_weak(universe: Universe) -> list[Any]:
    """What the base's packages recommend and the base does without is not wanted now either (dnf.conf(5),
    `exclude_from_weak_autodetect`).
    """
    found: set[int] = set()
    for item in universe.installed.solvables_iter():
        for dependency in item.lookup_deparray(solv.SOLVABLE_RECOMMENDS):
            found |= _unmet(universe, dependency)
    installed = {item.id for item in universe.installed.solvables_iter()}
    for item in universe.available():
        for dependency in item.lookup_deparray(solv.SOLVABLE_SUPPLEMENTS):
            if not _is_rich(dependency) and any(one.id in installed for one in universe.pool.whatprovides(dependency)):
                found.add(item.id)
    job = solv.Job.SOLVER_EXCLUDEFROMWEAK | solv.Job.SOLVER_SOLVABLE
    return [universe.pool.Job(job, item) for item in sorted(found)]


def lacks_files(universe: Universe, jobs: Iterable[Any], paths: frozenset[int], *, weak: bool) -> bool:
    """True when a package that may come in requires a path that only complete file lists can know."""
    if not paths:
        return False
    texts = tuple(universe.pool.id2str(path) for path in paths)
    kinds = (solv.SOLVABLE_REQUIRES, solv.SOLVABLE_RECOMMENDS) if weak else (solv.SOLVABLE_REQUIRES,)
    waiting = [item for job in jobs for item in job.solvables()]
    seen, looked_up = {item.id for item in waiting}, set()
    while waiting:
        item = waiting.pop()
        for dependency in (one for kind in kinds for one in item.lookup_deparray(kind)):
            if dependency.id in looked_up:
                continue
            looked_up.add(dependency.id)
            if dependency.id in paths or (_is_rich(dependency) and any(text in str(dependency) for text in texts)):
                return True
            new = [one for one in universe.pool.whatprovides(dependency) if one.id not in seen]
            seen |= {one.id for one in new}
            waiting += new
    return False


def near(universe: Universe, text: str, *, installed: bool = False) -> list[str]:
    """The names that a word may have been meant to be; with their versions where the name is right."""
    there = list(universe.installed.solvables_iter() if installed else universe.available())
    versions = [f"{item.name} {item.evr}" for item in there if _is_version_of(text, item.name)]
    if versions:
        return list(dict.fromkeys(versions))[:_LISTED]
    names = sorted({item.name for item in there})
    word = text.split(maxsplit=1)[0].strip("*?").rpartition("/")[2].casefold() if text.split() else ""
    if not word:
        return []
    within = [name for name in names if fnmatchcase(name.casefold(), f"*{word}*")]
    if within:
        return sorted(within, key=lambda name: (len(name), name))[:_LISTED]
    alike = [name for name in names if abs(len(name) - len(word)) <= 4]
    return get_close_matches(word, alike, n=_LISTED, cutoff=0.6)


def _is_version_of(text: str, name: str) -> bool:
    """Whether a word asks for a version of this package: `NAME = 1`, `NAME-1`."""
    rest = text.removeprefix(name)
    return rest != text and (rest.lstrip()[:1] in {"<", ">", "="} or (rest[:1] == "-" and rest[1:2].isdigit()))


def _ask(found: Asked, text: str, selection: Any, how: int) -> None:
    found.jobs.extend(selection.jobs(how))
    found.meant[text] = frozenset(item.id for item in selection.solvables())


def _of_base(universe: Universe, found: Asked, text: str, how: int) -> None:
    selection = universe.pool.select(text, _INSTALLED)
    if selection.isempty():
        found.absent.append(text)
    else:
        _ask(found, text, selection, how)


def _unmet(universe: Universe, dependency: Any) -> set[int]:
    """The packages that would meet a dependency of the base that nothing in the base meets."""
    if _is_rich(dependency):
        return set()
    providers = universe.pool.whatprovides(dependency)
    return set() if any(item.isinstalled() for item in providers) else {item.id for item in providers}


def _is_rich(dependency: Any) -> bool:
    return str(dependency).startswith("(")
