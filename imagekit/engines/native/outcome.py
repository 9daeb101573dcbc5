"""What scriptlets do, carried out: files, directories and symlinks that no package brings, and accounts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from imagekit.engines.native.accounts import Accounts
from imagekit.engines.native.alternatives import Alternatives
from imagekit.engines.native.ledger.effects import (
    AddAccount,
    Alternative,
    Effect,
    LinkerCache,
    MakeDirectory,
    MakeFile,
    MakeLink,
    NoAlternative,
    SetMode,
    SetOwner,
    Stale,
    Trust,
    Unmade,
)
from imagekit.engines.native.ledger.situation import Situation
from imagekit.engines.native.placement import Owners, Placement
from imagekit.engines.native.scripts import BEFORE, Script
from imagekit.errors import BuildFailed
from imagekit.facts import Facts
from imagekit.rootfs.entry import Entry, Kind, checked, shown


class Outcome:
    """The image beside its packages' own files. Entries are under their places."""

    def __init__(self, facts: Facts, placement: Placement) -> None:
        self._facts = facts
        self._placement = placement
        self.accounts = Accounts({path: facts.content(path) for path in facts.files})
        self.alternatives = Alternatives(facts.content)
        #: What packages bring with another mode or owner, and what they do not bring.
        self.modes: dict[str, int] = {}
        self._owners: dict[str, SetOwner] = {}
        self._made: dict[str, MakeDirectory | MakeFile | MakeLink] = {}
        #: Places of caches that are out of date, and by program whose files only it could make, and what lacks them.
        self.stale: set[str] = set()
        self.unmade: dict[Unmade, set[str]] = {}
        self.wants_trust = False

    def carry_out(self, effect: Effect, package: str) -> None:
        """One effect; raises BuildFailed, naming the package, for what cannot be."""
        match effect:
            case AddAccount(account=account):
                self.accounts.add(account)
            case Alternative():
                self.alternatives.add(effect)
            case NoAlternative():
                self.alternatives.remove(effect)
            case LinkerCache():
                return  # the cache is made of the packages' files, whoever asks for it
            case Trust():
                self.wants_trust = True
            case Stale(path=path):
                self.stale.add(self._place(path))
            case Unmade():
                self.unmade.setdefault(effect, set()).add(package)
            case _:
                self._change(effect, package)

    def kind(self, path: str) -> Kind | None:
        """What is at an absolute path of the image as it is now, a symlink itself; None is nothing."""
        place = self._place(path)
        if place in self._made:
            return {MakeDirectory: Kind.DIRECTORY, MakeFile: Kind.FILE, MakeLink: Kind.SYMLINK}[type(self._made[place])]
        placed = self._placement.places.get(place)
        return placed.kind if placed else base_kind(self._facts, place)

    def situation(self, script: Script) -> Situation:
        """The image as a scriptlet finds it: before its package's own files where it runs before them."""
        own = script.package if script.scriptlet.kind in BEFORE else ""

        def kind(path: str) -> Kind | None:
            place = self._place(path)
            placed = self._placement.places.get(place)
            if placed and placed.package == own:
                return base_kind(self._facts, place)
            return self.kind(path)

        return Situation(
            arguments=script.arguments,
            kind=kind,
            names=self._names,
            has_user=lambda name: self.accounts.uid(name) is not None,
            has_group=lambda name: self.accounts.gid(name) is not None,
        )

    def _names(self) -> Iterator[str]:
        """All paths of the image, absolute."""
        layout = self._facts.layout
        for paths in (layout.files, layout.symlinks, layout.directories, self._placement.places, self._made):
            yield from (f"/{path}" for path in paths)

    def adjusted(self, entry: Entry, owners: Owners) -> Entry:
        """A package's entry with the mode and owner that scriptlets give it."""
        if entry.path in self.modes:
            entry = replace(entry, mode=self.modes[entry.path])
        if entry.path in self._owners:
            entry = owners.given(entry, self._owners[entry.path].user, self._owners[entry.path].group)
        return entry

    def entries(self, owners: Owners) -> dict[str, tuple[Entry, bytes]]:
        """What no package brings, by place."""
        found: dict[str, tuple[Entry, bytes]] = {}
        for place, made in self._made.items():
            entry = _entry(place, made)
            if isinstance(made, MakeDirectory):
                entry = owners.given(entry, made.user, made.group)
            found[place] = self.adjusted(entry, owners), b""
        for path, target in self.alternatives.links().items():
            place = self._place(path)
            found[place] = Entry(path=place, kind=Kind.SYMLINK, mode=0o777, target=target), b""
        for path, data in self.accounts.changed().items():
            known = self._facts.files.get(path)
            mode = known.mode if known else 0o644
            found[path] = Entry(path=path, mode=mode, size=len(data)), data
        for path, data in self.alternatives.files().items():
            found[path] = Entry(path=path, size=len(data)), data
        return found

    def _change(self, effect: MakeDirectory | MakeFile | MakeLink | SetMode | SetOwner, package: str) -> None:
        place = self._place(effect.path)
        there = self.kind(effect.path)
        match effect:
            case MakeDirectory() | MakeFile():
                if there is None:
                    self._made[place] = effect
            case MakeLink(target=target, replaces=replaces):
                self._check_link(there, effect, package)
                if there is None or replaces:
                    self._made[place] = effect
                    self._placement.ways.link(place, target)
            case SetMode(mode=mode):
                self._check_mine(place, there, effect.path, package)
                self.modes[place] = mode
            case SetOwner():
                self._check_mine(place, there, effect.path, package)
                self._owners[place] = effect

    def _check_link(self, there: Kind | None, effect: MakeLink, package: str) -> None:
        if there is Kind.DIRECTORY or (there is Kind.FILE and effect.replaces):
            raise BuildFailed(
                f"a scriptlet of {package} makes a symlink of {shown(effect.path)}, and there is a {there} in its place"
            )

    def _check_mine(self, place: str, there: Kind | None, path: str, package: str) -> None:
        """Modes and owners of the base's own files are not changed: their contents are not at hand."""
        if there is None or (place not in self._placement.places and place not in self._made):
            raise BuildFailed(
                f"a scriptlet of {package} changes the mode or owner of {shown(path)}, which no new package has",
                hint="leave its scriptlets out with `scriptlets`, or choose another package",
            )

    def _place(self, path: str) -> str:
        path = path.strip("/")
        return self._placement.ways.place_of(checked(path)) if path else ""


def _entry(place: str, made: MakeDirectory | MakeFile | MakeLink) -> Entry:
    match made:
        case MakeDirectory(mode=mode):
            return Entry(path=place, kind=Kind.DIRECTORY, mode=mode)
        case MakeFile():
            return Entry(path=place)
        case MakeLink(target=target):
            return Entry(path=place, kind=Kind.SYMLINK, mode=0o777, target=target)


def base_kind(facts: Facts, place: str) -> Kind | None:
    """What the base has at a place; None is nothing."""
    if place in facts.layout.directories or not place:
        return Kind.DIRECTORY
    if place in facts.layout.symlinks:
        return Kind.SYMLINK
    return Kind.FILE if place in facts.layout.files else None
