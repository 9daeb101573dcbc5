"""One change in one container: packages, then commands, then what differs."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

from imagekit.containers.connection import Engine
from imagekit.containers.container import Container
from imagekit.containers.failures import in_words
from imagekit.containers.processes import Command, TookTooLong
from imagekit.containers.transfer import reading
from imagekit.engines.codes import OUT_OF_REACH
from imagekit.engines.docker import ledger
from imagekit.engines.docker.managers import REPOSITORY_FILE, Manager, erase, repository_file
from imagekit.engines.docker.output import Output
from imagekit.engines.docker.taken import PASSING, Rules, Taken, taken
from imagekit.engines.native.accounts import SHADOW
from imagekit.engines.native.database import BESIDE, rewritten
from imagekit.engines.native.incoming import Incoming
from imagekit.engines.native.install import Installation
from imagekit.engines.native.slim import is_needed
from imagekit.engines.ports import Change, Means
from imagekit.errors import BuildFailed
from imagekit.facts import Database, DatabaseKind
from imagekit.readable import Readable
from imagekit.rootfs.base_layout import BaseLayout
from imagekit.rootfs.entry import Entry, Item, Kind
from imagekit.rootfs.reach import out_of_reach
from imagekit.rootfs.tar_reader import Limits, Member, MemberKind
from imagekit.rpm.database.installed import Addition
from imagekit.rpm.header import Header
from imagekit.rpm.listing import Offered, repodata
from imagekit.rpm.tag import Tag
from imagekit.values import dataclass
from imagekit.words import cleaned

#: Where what imagekit brings lies in the container.
_TOOLS: Final = ".imagekit"
_FOLDER: Final = f"{_TOOLS}/packages"
_PIECE: Final = 1 << 20
_LISTED: Final = 5
_DAY: Final = 86_400
#: Seconds that a command may take.
_LIMIT: Final = 3600.0
_PROXIES: Final = frozenset({"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY"})
#: The field of `shadow` with the day of the last change.
_CHANGED: Final = 2
#: What package managers see: words that do not depend on anybody's language, and no traces in the base's Python.
_ENVIRONMENT: Final = {"LC_ALL": "C", "HOME": "/root", "PYTHONDONTWRITEBYTECODE": "1"}
#: Prints the names of all processes but the first and itself, and those that have ended (proc_pid_stat(5)).
_RUNNING: Final = """
for folder in /proc/[0-9]*; do
    case $folder in /proc/1|/proc/$$) continue ;; esac
    read -r line <$folder/stat || continue
    case $line in *") Z "*) continue ;; esac
    read -r name <$folder/comm && echo "$name"
done 2>/dev/null
"""
_FIRST: Final = re.compile(r"\s*([^\n]{0,60})")


@dataclass(frozen=True, kw_only=True, slots=True)
class Work:
    """What is done in the container `box` of an engine."""

    means: Means
    change: Change
    packages: tuple[Incoming, ...]
    engine: Engine
    box: Container

    @property
    def where(self) -> str:
        """The architecture, as messages name it."""
        return self.change.image.architecture.name if self.change.image else ""

    def trust(self) -> None:
        """The user's own authorities, for the image and for all that is run in it."""
        if self.change.authorities:
            alone = replace(self.change, install=(), removed=frozenset(), commands=())
            self.box.put(Installation(alone).items())

    def install(self, manager: Manager) -> None:
        """Have the packages installed and removed; raises BuildFailed where that fails, or is not what is locked."""
        change, there = self.change, self.change.installed
        names = [one.nevra for one in self.packages]
        ours = {one.name for one in self.packages}
        going = ledger.leaving(there, (), change.removed).values()
        conflicting = [str(header.nevra) for header in going if header.text(Tag.NAME) not in ours]
        with self.means.progress.task(f"{self.where} {manager.name} in a container of the base") as task:
            if names:
                self.box.put(self._brought())
                if conflicting and not manager.erases:
                    self._command(erase(conflicting), "rpm", task.say)
                self._command(manager.install(names), manager.name, task.say)
                self._command(("/bin/sh", "-c", f"rm -rf /{_TOOLS} /{self._repository_file}"), "rm", task.say)
            if change.removed:
                left = {str(header.nevra) for header in self._packages_now().values()} & change.removed
                if left:
                    self._command(manager.remove(sorted(left)), manager.name, task.say)
        ledger.check(
            there, self._packages_now(), self.packages, change.removed, f"{self.where}: {manager.name} in the base"
        )

    def run(self) -> None:
        """Run the commands of the spec, one after the other; raises BuildFailed for one that fails."""
        for number, script in enumerate(self.change.commands, 1):
            first = _FIRST.match(script)
            title = f"{self.where} command {number}: {first[1] if first else ''}"
            with self.means.progress.task(title) as task:
                words = ("/bin/sh", "-e", "-c", script)
                self._command(words, f"the command {number} of `run`", task.say, log=f"{self.where}-run-{number}.log")
            if still := self._processes():
                task.say(f"ended what it left running: {', '.join(still)}")
                self.means.progress.say(
                    f"{title}: ended what it left running: {', '.join(still)}; an image has files alone"
                )
                self.box.run(Command(words=("/bin/sh", "-c", "kill -9 -1")), lambda _: None, task.say)

    def taken(self) -> tuple[Taken, Mapping[int, Header]]:
        """What differs from the base now, and the packages that are there."""
        change = self.change
        with self.means.progress.task(f"{self.where} taking what changed"), in_words("does not give what changed"):
            changed = [path.lstrip("/") for path, _ in self.box.changes()]
            api: Any = self.engine.api
            pieces = api.export(self.box.name)
            with reading(pieces, f"the container of {self.where}", Limits()) as reader:
                found = taken(changed, reader, self._rules(), self._single)
        database = change.facts.database
        after = _after(database, found, change.installed)
        if change.commands:
            who = f"{self.where}: the commands of `run`"
            ledger.check(change.installed, after, self.packages, change.removed, who)
        self._tell(found, changed)
        return self._without_days(found), after

    def _without_days(self, found: Taken) -> Taken:
        """The day on which an account was made (shadow(5)) is the clock's, as other times that commands leave."""
        data = found.read(SHADOW)
        if data is None:
            return found
        known = self.change.facts.content(SHADOW).splitlines(keepends=True)
        days = {b"%d" % (self._since() // _DAY + more) for more in range(2)}
        lines = data.splitlines(keepends=True)
        return found.with_content(SHADOW, b"".join(one if one in known else _without_day(one, days) for one in lines))

    def _command(self, words: Sequence[str], who: str, say: Callable[[str], None], log: str = "") -> None:
        """Run one to its end, with its output in a log where that has a name; raises BuildFailed."""
        with Output(f"{self.means.logs}/{log}" if log and self.means.logs else "") as output:
            environment = self._environment if log else _ENVIRONMENT
            # One stream for both outputs: engines keep no order between two.
            together = ("/bin/sh", "-c", 'exec "$0" "$@" 2>&1', *words)
            command = Command(words=together, environment=environment, limit=_LIMIT)
            try:
                code = self.box.run(command, output.add, say)
                how = f"failed with exit code {code}" if code else ""
            except TookTooLong as error:
                how = error.message
        if how:
            raise BuildFailed(
                f"{self.where}: {who} {how}\n{output.shown}",
                hint=f"its whole output is in {output.log}" if output.log else "",
            )

    @property
    def _environment(self) -> dict[str, str]:
        """What commands of the spec see beside the image's own variables: the platform, and this machine's proxies."""
        given = self.means.environment.items()
        found = {name: text for name, text in given if name.upper() in _PROXIES}
        image = self.change.image
        if image:
            one = image.architecture
            names = {"IMAGEKIT_ARCHITECTURE": one.name, "IMAGEKIT_OCI_ARCH": one.oci, "IMAGEKIT_RPM_ARCH": one.rpm}
            found |= names
        return found

    def _brought(self) -> Iterator[Item]:
        """The locked packages as a repository, and what tells the package manager of it."""
        offered = [
            Offered(header=one.package.header, name=f"{one.nevra}.rpm", size=one.locked.size, digest=one.locked.digest)
            for one in self.packages
        ]
        for path in (_TOOLS, _FOLDER, f"{_FOLDER}/repodata"):
            yield Entry(path=path, kind=Kind.DIRECTORY, mode=0o755), None
        for one in self.packages:
            yield Entry(path=f"{_FOLDER}/{one.nevra}.rpm", size=one.locked.size), partial(_opened, one.path)
        for path, data in repodata(offered).items():
            yield Entry(path=f"{_FOLDER}/{path}", size=len(data)), data
        yield from _into(self.change.facts.layout, self._repository_file, repository_file(_FOLDER))

    @property
    def _repository_file(self) -> str:
        return self.change.facts.layout.resolved(REPOSITORY_FILE)

    def _rules(self) -> Rules:
        layout = self.change.facts.layout
        own = {_TOOLS, *(entry.path for entry, _ in _into(layout, self._repository_file, b""))}
        files = [file for one in self.packages for file in one.files if not file.is_ghost]
        return Rules(
            layout=layout,
            own=frozenset(own),
            since=self._since(),
            owned=frozenset(layout.place_of(file.path) for file in files),
            unneeded=frozenset(layout.place_of(file.path) for file in files if not is_needed(file))
            if self.change.slim
            else frozenset(),
        )

    def _since(self) -> int:
        """When the container began, in seconds by the clock of the engine's machine."""
        state = self.engine.api.inspect_container(self.box.name)["State"]
        return int(datetime.fromisoformat(str(state["StartedAt"])[:19]).replace(tzinfo=UTC).timestamp())

    def _single(self, path: str) -> Iterator[tuple[Member, Readable]]:
        with self.box.taken(f"/{path}") as reader:
            for member in reader or ():
                if reader:
                    yield member, reader.content()

    def _packages_now(self) -> Mapping[int, Header]:
        """The packages in the container's database."""
        known = self.change.facts.database
        if known is None:
            return {}
        data, log = (self._content(f"{known.path}{ending}") for ending in ("", BESIDE[0]))
        return ledger.read(known, data, log, "the RPM database in the container")

    def _content(self, path: str) -> bytes:
        for member, stream in self._single(path):
            if member.kind is MemberKind.FILE:
                return b"".join(iter(partial(stream.read, _PIECE), b""))
        return b""

    def _processes(self) -> tuple[str, ...]:
        """What still runs beside the container's first process, by name."""
        said: list[bytes] = []
        self.box.run(Command(words=("/bin/sh", "-c", _RUNNING)), said.append, self.means.progress.say)
        return tuple(cleaned(line)[:60] for line in b"".join(said).decode("utf-8", "replace").splitlines())

    def _tell(self, found: Taken, changed: Sequence[str]) -> None:
        """What is not in the image although somebody may have meant it to be, and the other way round."""
        run = sorted({one.name for one in self.packages} & self.change.skipped.keys())
        if run:
            self.change.warn(
                f"{self.where}: scriptlets were run that `scriptlets` leaves out by `native`: {', '.join(run)}"
            )
        if found.special:
            self.change.warn(f"{self.where}: left out, as Lambda takes no devices and pipes: {_paths(found.special)}")
        layout = self.change.facts.layout
        new = ((path, one.kind, one.mode) for path, one in found.entries.items() if path not in layout.files)
        if closed := out_of_reach(new):
            self.change.warn(f"{self.where}: Lambda's user cannot use {_paths(closed)}", OUT_OF_REACH)
        passing = sorted(path for path in changed if PASSING.fullmatch(path) and path in found.present)
        if passing and self.change.commands:
            self.change.warn(f"{self.where}: left out, as nothing there outlives a start: {_paths(passing)}")


class Finished:
    """The difference that a container left, as one layer."""

    def __init__(
        self, *, change: Change, packages: tuple[Incoming, ...], taken: Taken, after: Mapping[int, Header]
    ) -> None:
        self._change = change
        self._packages = packages
        self._after = after
        database = change.facts.database
        self._database = database if database and database.kind is DatabaseKind.SQLITE else None
        beside = [f"{self._database.path}{ending}" for ending in ("", *BESIDE)] if self._database else []
        self._beside = frozenset(beside)
        self._taken = taken.without(self._beside)

    @property
    def layout(self) -> BaseLayout:
        """What the layer meets."""
        return self._change.facts.layout

    def items(self) -> Iterator[Item]:
        """What changed, then the database: made anew of the base's, so that the same packages are the same bytes."""
        yield from self._taken.items()
        if self._database and self._changes_packages:
            gone = ledger.leaving(self._change.installed, self._packages, self._change.removed)
            yield from rewritten(self._database, [self._addition(one) for one in self._packages], gone.keys())

    def removed(self) -> tuple[str, ...]:
        """The places of the base that are gone."""
        gone = set(self._taken.gone()) - self._beside
        if self._database and self._changes_packages:
            gone |= {path for path in self._beside - {self._database.path} if path in self.layout.files}
        return tuple(sorted(gone))

    def entries(self) -> Iterator[Entry]:
        """All entries of the layer without their contents."""
        yield from self._taken.entries.values()

    @property
    def _changes_packages(self) -> bool:
        return bool(self._packages or self._change.removed)

    def _addition(self, one: Incoming) -> Addition:
        """A package for the database, with what of it the package manager did not lay down, or is left out."""
        header = next((item for item in self._after.values() if str(item.nevra) == one.nevra), None)
        states = header.integers(Tag.FILESTATES) if header else ()
        absent = {index for index, state in enumerate(states) if state}
        if self._change.slim:
            absent |= {file.index for file in one.files if not is_needed(file)}
        return Addition(package=one.package, left_out=tuple(sorted(absent)))


def _after(known: Database | None, found: Taken, before: Mapping[int, Header]) -> Mapping[int, Header]:
    """The packages at the end; the base's where nobody touched the database."""
    if known is None:
        return {}
    data, log = found.read(known.path), found.read(f"{known.path}{BESIDE[0]}")
    if data is None:
        return before
    return ledger.read(known, data, log or b"", "the RPM database in the container")


def _without_day(line: bytes, days: set[bytes]) -> bytes:
    fields = line.split(b":")
    if len(fields) > _CHANGED and fields[_CHANGED] in days:
        fields[_CHANGED] = b""
    return b":".join(fields)


def _into(layout: BaseLayout, path: str, data: bytes) -> Iterator[Item]:
    """A file, and before it those of its directories that the base does not have."""
    names = path.split("/")
    for depth in range(1, len(names)):
        folder = "/".join(names[:depth])
        if folder not in layout.directories and folder not in layout.symlinks:
            yield Entry(path=folder, kind=Kind.DIRECTORY, mode=0o755), None
    yield Entry(path=path, size=len(data)), data


def _opened(path: str) -> Readable:
    return open(path, "rb", buffering=0)


def _paths(paths: Sequence[str]) -> str:
    more = f" and {len(paths) - _LISTED} more" if len(paths) > _LISTED else ""
    return ", ".join(f"/{path}" for path in paths[:_LISTED]) + more
