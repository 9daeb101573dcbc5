"""One choice: from a request to the packages that come and go, or to why there is none, all as plain values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import solv

from imagekit.engines.native.solver import asking
from imagekit.engines.native.solver.reasons import Change
from imagekit.engines.native.solver.universe import Universe

#: Of one problem: what is said more often than not says the same again.
_SENTENCES: Final = 12
_PROBLEMS: Final = 20


def choose(universe: Universe, request: Mapping[str, Any], asked: asking.Asked) -> dict[str, Any]:
    """What comes, what goes and why: what was chosen before stays, unless nothing fits then."""
    jobs = [*asked.jobs, *(asking.not_weak(universe) if request["weak"] else [])]
    fixed, best = asking.pins(universe, request["known"]), asking.newest(universe, request["best"])
    solver, problems = _solver(universe, request), []
    for more in (best + fixed, best, []) if fixed or best else ([],):
        solver = _solver(universe, request)
        problems = solver.solve(jobs + more)
        if not problems:
            break
    if problems:
        return {"problems": [_sentences(problem) for problem in problems[:_PROBLEMS]]}
    transaction = solver.transaction()
    transaction.order()
    steps = transaction.steps()
    change = Change(
        pool=universe.pool,
        new=tuple(item for item in steps if not item.isinstalled()),
        gone=tuple(item for item in steps if item.isinstalled()),
        meant=asked.meant,
        instead={item.id: other for item in steps if not item.isinstalled() and (other := _same(transaction, item))},
        by={item.id: other for item in steps if item.isinstalled() and (other := transaction.othersolvable(item))},
    )
    reasons = change.arrivals()
    return {
        "install": [_package(universe, item, reasons[item.id].to_mapping()) for item in sorted(change.new, key=str)],
        "remove": {nevra: reason.to_mapping() for nevra, reason in change.departures().items()},
    }


def newer(universe: Universe) -> Iterator[tuple[str, str]]:
    """The base's packages that have a newer version somewhere, with the newest."""
    for item in sorted(universe.installed.solvables_iter(), key=str):
        best = item
        for one in universe.pool.whatprovides(item.nameid):
            if one.nameid == item.nameid and one.archid == item.archid and one.evrcmp(best) > 0:
                best = one
        if best.id != item.id:
            yield str(item), str(best)


def _solver(universe: Universe, request: Mapping[str, Any]) -> Any:
    """With dnf's settings (libdnf, Goal.cpp)."""
    solver = universe.pool.Solver()
    flags = ["BEST_OBEY_POLICY", "KEEP_ORPHANS", "YUM_OBSOLETES", "ALLOW_VENDORCHANGE", "DUP_ALLOW_VENDORCHANGE"]
    flags += ["ALLOW_DOWNGRADE"] if request["install"] or universe.files else []
    flags += [] if request["weak"] else ["IGNORE_RECOMMENDED"]
    flags += ["ALLOW_UNINSTALL"] if request["remove"] else []
    for name in flags:
        solver.set_flag(getattr(solv.Solver, f"SOLVER_FLAG_{name}"), 1)
    return solver


def _same(transaction: Any, item: Any) -> Any:
    """What a package takes the place of: another version of it, or what it obsoletes."""
    return next(iter(sorted(transaction.allothersolvables(item), key=str)), None)


def _package(universe: Universe, item: Any, because: Mapping[str, str]) -> dict[str, Any]:
    checksum = item.lookup_checksum(solv.SOLVABLE_CHECKSUM)
    location = item.lookup_location()
    return {
        "nevra": str(item),
        "repository": item.repo.name,
        "file": universe.files.get(item.id, ""),
        "href": location[0] if location else "",
        "base": item.lookup_str(solv.SOLVABLE_MEDIABASE) or "",
        "size": item.lookup_num(solv.SOLVABLE_DOWNLOADSIZE),
        "checksum": [checksum.typestr(), checksum.hex()] if checksum else [],
        "because": because,
    }


def _sentences(problem: Any) -> Sequence[str]:
    """dnf's own sentences for why something cannot be, each once, the first cause first."""
    found = dict.fromkeys(rule.info().problemstr() for rule in problem.findallproblemrules())
    return list(found)[:_SENTENCES]
