"""Why each package comes or goes, by what the packages say of each other.

libsolv tells how it decided, which depends on the order in which it looked; here a package is there for the first one
that needs it, going on from what the spec asks for, so that the same choice always has the same reasons.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import field
from typing import Any

import solv

from imagekit.lock_packages import Reason, Why
from imagekit.values import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """What a choice changes: packages that come and that go.

    `meant` has the packages that each word of the spec stands for; `instead` what of the base a new package takes the
    place of, `by` what takes the place of one that goes, all by libsolv's number.
    """

    pool: Any
    new: tuple[Any, ...]
    gone: tuple[Any, ...]
    meant: Mapping[str, frozenset[int]] = field(default_factory=dict)
    instead: Mapping[int, Any] = field(default_factory=dict)
    by: Mapping[int, Any] = field(default_factory=dict)

    def arrivals(self) -> dict[int, Reason]:
        """The reasons for new packages, by number."""
        left = {item.id: item for item in sorted(self.new, key=str)}
        found: dict[int, Reason] = {}
        asked: list[Any] = []
        for text, items in self.meant.items():
            for item in [item for item in left.values() if item.id in items]:
                found[item.id] = Reason(why=Why.ASKED, what=text)
                asked.append(left.pop(item.id))
        self._follow(asked, left, found)
        for item in tuple(left.values()):
            if item.id in left and item.id in self.instead:
                found[item.id] = Reason(why=Why.UPGRADES, what=str(self.instead[item.id]))
                self._follow([left.pop(item.id)], left, found)
        for item in left.values():
            found[item.id] = self._offered(item, found)
        return found

    def departures(self) -> dict[str, Reason]:
        """The reasons for packages that go, by full name."""
        return {str(item): self._gone(item) for item in sorted(self.gone, key=str)}

    def _follow(self, start: Iterable[Any], left: dict[int, Any], found: dict[int, Reason]) -> None:
        """Give reasons to all that is needed from here; what is only recommended comes after what is required."""
        needing, recommending = deque(start), deque[Any]()
        while needing or recommending:
            if needing:
                item, why, kind = needing.popleft(), Why.REQUIRES, solv.SOLVABLE_REQUIRES
                recommending.append(item)
            else:
                item, why, kind = recommending.popleft(), Why.RECOMMENDS, solv.SOLVABLE_RECOMMENDS
            for dependency in sorted(item.lookup_deparray(kind), key=str):
                for one in sorted(self.pool.whatprovides(dependency), key=str):
                    if one.id in left:
                        found[one.id] = Reason(why=why, what=str(dependency), of=item.name)
                        needing.append(left.pop(one.id))

    def _offered(self, item: Any, found: Mapping[int, Reason]) -> Reason:
        """A package that offers itself, because of what it supplements."""
        for dependency in sorted(item.lookup_deparray(solv.SOLVABLE_SUPPLEMENTS), key=str):
            for one in sorted(self.pool.whatprovides(dependency), key=str):
                if one.id in found or one.isinstalled():
                    return Reason(why=Why.RECOMMENDS, what=str(dependency), of=one.name)
        return Reason(why=Why.REQUIRES, what=item.name)

    def _gone(self, item: Any) -> Reason:
        for text, items in self.meant.items():
            if item.id in items and item.id not in self.by:
                return Reason(why=Why.REMOVED, what=text)
        if item.id in self.by:
            return Reason(why=Why.REPLACED, what=str(self.by[item.id]))
        return self._conflict(item) or self._lack(item) or Reason(why=Why.CONFLICTS, what=item.name)

    def _lack(self, item: Any) -> Reason | None:
        gone = {one.id for one in self.gone}
        for dependency in sorted(item.lookup_deparray(solv.SOLVABLE_REQUIRES), key=str):
            lost = [one for one in self.pool.whatprovides(dependency) if one.id in gone and one.id != item.id]
            if lost:
                return Reason(why=Why.LACKS, what=str(dependency), of=lost[0].name)
        return None

    def _conflict(self, item: Any) -> Reason | None:
        for one in sorted(self.new, key=str):
            for mine, other in ((item, one), (one, item)):
                for dependency in sorted(mine.lookup_deparray(solv.SOLVABLE_CONFLICTS), key=str):
                    if other.matchesdep(solv.SOLVABLE_PROVIDES, dependency):
                        return Reason(why=Why.CONFLICTS, what=str(dependency), of=one.name)
        return None
