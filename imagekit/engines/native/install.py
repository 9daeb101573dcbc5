"""From locked packages to the entries of one layer, as rpm would have installed them; nothing of theirs is run."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from imagekit.engines.codes import OUT_OF_REACH, UNKNOWN
from imagekit.engines.native import accounts, incoming, linking, outgoing
from imagekit.engines.native.configuration import settle
from imagekit.engines.native.database import BESIDE, rewritten
from imagekit.engines.native.incoming import Incoming
from imagekit.engines.native.linker import CACHE, SETTINGS_FOLDER
from imagekit.engines.native.linking import whole
from imagekit.engines.native.outcome import Outcome, base_kind
from imagekit.engines.native.payloads import in_turn
from imagekit.engines.native.placement import Owners, Placed, Placement, clashes
from imagekit.engines.native.scripts import Judge, Parties, Party
from imagekit.engines.native.slim import is_needed
from imagekit.engines.native.trusting import Trusting
from imagekit.engines.ports import Change
from imagekit.errors import BuildFailed
from imagekit.facts import DatabaseKind
from imagekit.rootfs.base_layout import BaseLayout
from imagekit.rootfs.entry import Entry, Item, Kind, shown
from imagekit.rootfs.reach import out_of_reach
from imagekit.rpm.database.installed import Addition
from imagekit.rpm.files import FileKind, PackagedFile, files
from imagekit.rpm.header import Header
from imagekit.rpm.tag import Tag

logger = logging.getLogger(__name__)

#: Bytes of a file of a package that has a meaning to the installation itself.
_MAX_SETTINGS: Final = 4 << 20
#: Paths that are told of one package.
_SHOWN: Final = 3


class Installation:
    """A change that was found possible: all headers are read, all conflicts and scriptlets are looked at."""

    def __init__(self, change: Change) -> None:
        """Raises BuildFailed for what cannot be installed, WrongChecksum for packages that are not what they say."""
        self._change = change
        self._packages = incoming.opened(change.install, change.shelf, change.workers)
        self._leaving = self._find_leaving()
        self._judge = Judge(change.skipped)
        self._placement = Placement(change.facts.layout, change.warn)
        self._placement.add(self._packages, is_needed if change.slim else _all_of_them)
        clashes(self._placement.places, self._staying_files())
        self._settled = settle(self._placement, self._leaving_files(), self._is_free(), change.read)
        self._outcome = Outcome(change.facts, self._placement)
        self._say_of_database()
        self._carry_out()
        self._say_of_caches()
        self._owners = Owners(self._outcome.accounts, change.warn)
        self._generated = {**self._settled.saved, **self._outcome.entries(self._owners)}
        cache = linking.cache(change.facts, self._placement, self._packages, self._linker_settings())
        if cache is not None:
            self._generated[CACHE] = Entry(path=CACHE, size=len(cache)), cache
        self._generated |= self._trusted()
        self._say_of_reach()

    @property
    def findings(self) -> Mapping[str, tuple[str, ...]]:
        """What kinds of scriptlets each package has, by its full name."""
        return {name: tuple(sorted(labels)) for name, labels in sorted(self._judge.labels.items())}

    @property
    def layout(self) -> BaseLayout:
        """What the layer meets."""
        return self._change.facts.layout

    def items(self) -> Iterator[Item]:
        """The entries of the layer: directories, the files of the packages, then what is generated."""
        places = self._placement.places.values()
        folders = [self._entry(one) for one in places if one.kind is Kind.DIRECTORY and one.path not in self._generated]
        folders += [entry for entry, _ in self._generated.values() if entry.kind is Kind.DIRECTORY]
        yield from ((entry, None) for entry in sorted(folders, key=lambda entry: entry.path))
        for package, contents in in_turn(self._packages, self._change.workers):
            for file, content in contents:
                chosen = self._placement.chosen.get((package.nevra, file.index))
                if chosen and chosen.kind is not Kind.DIRECTORY and chosen.path not in self._generated:
                    yield self._entry(chosen), content
        for _, (entry, data) in sorted(self._generated.items()):
            if entry.kind is not Kind.DIRECTORY:
                yield entry, data if entry.kind is Kind.FILE else None
        database = self._change.facts.database
        if database and database.kind is DatabaseKind.SQLITE and (self._packages or self._leaving):
            left_out = self._placement.left_out
            add = [Addition(package=one.package, left_out=left_out.get(one.nevra, ())) for one in self._packages]
            yield from rewritten(database, add, self._leaving.keys())

    def removed(self) -> tuple[str, ...]:
        """The places of the base that are gone."""
        arriving = self._placement.places.keys() | self._generated.keys() | self._settled.staying
        ways = self._placement.ways
        if self._leaving:  # what a newer version has as a ghost stays as it is (rpm, lib/transaction.c)
            arriving |= {ways.place_of(file.path) for one in self._packages for file in one.files if file.is_ghost}
        leaving = (file for header in self._leaving.values() for file in files(header))
        staying = (file for _, file, _ in self._staying_files()) if self._leaving else ()
        paths = outgoing.gone(self._change.facts.layout, ways, leaving, staying, arriving)
        others = {ways.place_of(path) for path in self._outcome.alternatives.gone()} - arriving | self._outcome.stale
        database = self._change.facts.database
        if database and database.kind is DatabaseKind.SQLITE and (self._packages or self._leaving):
            others |= {f"{database.path}{ending}" for ending in BESIDE}
        return tuple(sorted({*paths, *(path for path in others if base_kind(self._change.facts, path))}))

    def entries(self) -> Iterator[Entry]:
        """All entries of the layer without their contents, for what is put on top of it."""
        for placed in self._placement.places.values():
            yield self._owners.entry(placed)
        yield from (entry for entry, _ in self._generated.values())

    def _entry(self, placed: Placed) -> Entry:
        return self._outcome.adjusted(self._owners.entry(placed), self._owners)

    def _leaving_files(self) -> Iterator[tuple[str, PackagedFile]]:
        """The places and files of the packages that go."""
        for header in self._leaving.values():
            for file in files(header):
                yield self._placement.ways.place_of(file.path), file

    def _is_free(self) -> Callable[[str], bool]:
        """Whether the base has a file at a place that is of no package; packages are asked only where it has one."""
        there = self._change.facts.layout.files
        owned: set[str] = set()

        def is_free(place: str) -> bool:
            if place in there and not owned:
                owned.update(place for place, _, _ in self._staying_files())
            return place in there and place not in owned

        return is_free

    def _linker_settings(self) -> dict[str, bytes]:
        """What packages say to the dynamic linker, by place."""
        return {
            self._placement.ways.place_of(path): data
            for package in self._packages
            for path, data in _settings(package, SETTINGS_FOLDER)
        }

    def _trusted(self) -> dict[str, tuple[Entry, bytes]]:
        """Anchors and bundles of certificates that change."""
        made = self._generated.values()
        trusting = Trusting(
            facts=self._change.facts,
            placement=self._placement,
            packages=self._packages,
            contents=_settings,
            links={entry.path: entry.target for entry, _ in made if entry.kind is Kind.SYMLINK},
            gone=self.removed,
            authorities=self._change.authorities,
            warn=self._change.warn,
        )
        leaving = [place for place, _ in self._leaving_files()]
        return trusting.files(leaving, is_asked=self._outcome.wants_trust)

    def _say_of_database(self) -> None:
        """What rpm in the image will know of the packages is not silently less than what is there."""
        database = self._change.facts.database
        if not self._packages and not self._leaving:
            return
        if database is None:
            text = "the base has no RPM database; the packages are installed, and no program will list them"
            self._change.warn(text, UNKNOWN)
        elif database.kind is DatabaseKind.BERKELEY:
            self._change.warn(
                f"the packages are installed, and the image's RPM database /{database.path} does not know them: it is "
                "of a kind (Berkeley DB) that is only read",
                UNKNOWN,
            )

    def _say_of_caches(self) -> None:
        """Caches that would lie are left out; what nobody can make without running its program is said."""
        for place in self._outcome.stale & self._placement.places.keys():
            placed = self._placement.places[place]
            self._placement.left_out.setdefault(placed.package, set()).add(placed.file.index)
            self._placement.take_back(placed)
        for unmade, packages in self._outcome.unmade.items():
            self._change.warn(
                f"{', '.join(sorted(packages))}: {unmade.program} would be run, and nothing of the image is: "
                f"{unmade.lacking}; put what it makes in place with `files` where they have to"
            )

    def _say_of_reach(self) -> None:
        """What Lambda's user cannot use stays as the packages have it."""
        modes = self._outcome.modes
        places = self._placement.places
        closed = out_of_reach((path, one.kind, modes.get(path, one.file.mode)) for path, one in places.items())
        by_package: dict[str, list[str]] = {}
        for path in closed:
            by_package.setdefault(places[path].package, []).append(f"/{path}")
        for package, paths in sorted(by_package.items()):
            more = f" and {len(paths) - _SHOWN} more" if len(paths) > _SHOWN else ""
            shown_paths = ", ".join(map(shown, paths[:_SHOWN]))
            self._change.warn(f"{package}: Lambda's user cannot use {shown_paths}{more}", OUT_OF_REACH)

    def _find_leaving(self) -> Mapping[int, Header]:
        """The packages of the base that go: those that the lock names, and those that a new one is newer than."""
        names = {_identity(one.package.header) for one in self._packages}
        leaving = {
            number: header
            for number, header in self._change.installed.items()
            if str(header.nevra) in self._change.removed or (header.text(Tag.NAME), header.text(Tag.ARCH)) in names
        }
        missing = self._change.removed - {str(header.nevra) for header in leaving.values()}
        if missing:
            raise BuildFailed(
                f"the lock removes {', '.join(sorted(missing))}, which the base does not have",
                hint="run `imagekit lock` to have it locked anew",
            )
        return leaving

    def _staying_files(self) -> Iterator[tuple[str, PackagedFile, str]]:
        """The place, the file and the package of all that stays of the base."""
        ways = self._placement.ways
        for number, header in self._change.installed.items():
            if number not in self._leaving:
                name = str(header.nevra)
                for file in files(header):
                    is_folder = file.kind is FileKind.DIRECTORY
                    yield (ways.folder if is_folder else ways.place_of)(file.path), file, name

    def _carry_out(self) -> None:
        """Accounts first, as %pre makes them; then all that packages do, in rpm's order."""
        for package in self._packages:
            for path, data in _settings(package, accounts.SYSUSERS):
                for account in accounts.from_sysusers(data, f"{package.nevra}: /{path}"):
                    self._outcome.accounts.add(account)
        for script in self._parties().scripts():
            for effect in self._judge.effects(script, self._outcome.situation(script)):
                self._outcome.carry_out(effect, script.package)
        for name, labels in self.findings.items():
            logger.info("scriptlets of %s: %s", name, ", ".join(labels))

    def _parties(self) -> Parties:
        """All packages, with how many of each there are while its scriptlets run."""
        again = {one.name for one in self._packages}

        def party(header: Header, count: int) -> Party:
            return Party(header=header, count=count, paths=lambda: (f"/{file.path}" for file in files(header)))

        return Parties(
            arriving=[party(one.package.header, self._count(one)) for one in self._packages],
            leaving=[party(one, int(one.text(Tag.NAME) in again)) for one in self._leaving.values()],
            staying=[party(one, 1) for number, one in self._change.installed.items() if number not in self._leaving],
        )

    def _count(self, package: Incoming) -> int:
        """How many of a package there are while its scriptlets run: two when it takes the place of another."""
        known = sum(header.text(Tag.NAME) == package.name for header in self._change.installed.values())
        return known + 1


def _identity(header: Header) -> tuple[str, str]:
    """What two packages share of which one takes the place of the other."""
    return header.text(Tag.NAME), header.text(Tag.ARCH)


def _all_of_them(_: PackagedFile) -> bool:
    return True


def _settings(package: Incoming, folder: str | tuple[str, ...]) -> Iterator[tuple[str, bytes]]:
    """The files of a package in a folder, or in some, that say something to the installation itself."""
    wanted = {
        file.index
        for file in package.files
        if file.path.startswith(folder) and file.kind is FileKind.FILE and not file.is_ghost
    }
    if not wanted:
        return
    for file, content in package.contents():
        if file.index in wanted:
            if file.size > _MAX_SETTINGS:
                raise BuildFailed(f"{package.nevra}: /{file.path} is too large to be what it should be")
            yield file.path, whole(content)
            wanted.discard(file.index)
            if not wanted:
                return
