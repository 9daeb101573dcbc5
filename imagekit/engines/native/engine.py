"""Choosing packages as dnf would, for any architecture, without running anything of the image."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Final

from imagekit.decompression import Damaged, Decompressed
from imagekit.engines.native import answers, trust
from imagekit.engines.native.installed import Installed
from imagekit.engines.native.repodata import Listed, Reader, Repodata
from imagekit.engines.native.solver import process
from imagekit.engines.native.solver.cached import Cached
from imagekit.engines.native.trust import Keys, Trusted
from imagekit.engines.ports import Change, Difference, Means
from imagekit.errors import BuildFailed, Missing, RemoteFailed
from imagekit.facts import Database, Facts
from imagekit.lock_packages import LATEST, LockedPackage, LockedPackages, LockedRepository
from imagekit.oci.digest import Digest
from imagekit.oci.ports import Fetched
from imagekit.packages import PackageRepository, PackageRequest
from imagekit.parallel import each
from imagekit.placed import At
from imagekit.rpm.updateinfo import Advisory, advisories
from imagekit.spec.packages import Upgrades
from imagekit.values import dataclass

_PIECE: Final = 1 << 20


@dataclass(frozen=True, kw_only=True, slots=True)
class NativeEngine:
    """The engine `native`: libsolv chooses, and the headers and payloads of packages say what to lay down."""

    means: Means

    def missing(self) -> str | None:
        """How to get what this machine lacks to choose packages; None when it lacks nothing."""
        from importlib.util import find_spec

        if find_spec("solv"):
            return None
        return (
            "packages are chosen by libsolv, whose Python package `solv` is made for CPython on Linux (glibc, x86_64 "
            "and aarch64): lock the spec on such a machine, or install `solv`; images are built from the lock anywhere"
        )

    def resolve(
        self,
        request: PackageRequest,
        facts: Facts,
        known: Sequence[str] = (),
        *,
        best: Sequence[str] = (),
        fetch: bool = True,
    ) -> LockedPackages:
        """What dnf would install and remove; packages that are `known` from an older lock stay as they are, those
        named in `best` are the newest that there are.

        With `fetch` the packages are brought here, and their signatures judged. Raises Missing without libsolv,
        BuildFailed for what cannot be had, WrongChecksum and WrongSignature for what is not what it should be,
        RemoteFailed for what repositories answer.
        """
        # As `dnf remove` does: what goes takes along what needs it, and nothing comes in its place.
        look = self.look(request if request.brings_something else replace(request, repositories=()), facts)
        files = {url: self._file(url, request) for url in request.files}
        upgrade = request.upgrade.names
        if request.upgrade.which is Upgrades.SECURITY:
            upgrade = look.endangered()
        answer = look.ask(
            install=request.install,
            files={url: file.path for url, file in files.items()},
            remove=request.remove,
            upgrade=upgrade,
            upgrade_all=request.upgrade.which is Upgrades.ALL,
            replaceable=request.replaceable,
            weak=request.weak_dependencies,
            known=known,
            best=best,
        )
        answers.check(answer, request)
        hrefs = {item.repository.name: item.href for item in look.repositories}
        install = answers.packages(answer, hrefs, files)
        if fetch and install:
            self._check(install, look)
        return LockedPackages(
            asked=request.asked,
            install=install,
            removed=answers.removed(answer),
            repositories=look.locked,
        )

    def install(self, change: Change) -> Difference:
        """Locked packages on a base, ready to be written: what can be looked at before the first file is."""
        from imagekit.engines.native.install import Installation

        return Installation(change)

    def look(self, request: PackageRequest, facts: Facts) -> Look:
        """The package repositories of a request as they are now, beside what the base has."""
        if lacking := self.missing():
            raise Missing("packages cannot be chosen on this machine", hint=lacking)
        if facts.database is None:
            raise BuildFailed(
                "the base has no RPM database, so that nothing is known of its packages",
                hint="build on an image that has one, or take `packages`, `upgrade` and `remove` out",
            )
        installed = Installed.of(facts.database)
        repositories = _released(request.repositories, installed)
        trusted = Keys(fetch=self.means.fetch, root=self.means.root)
        keys = {item.name: trusted.of(item) for item in repositories if item.is_checked}
        reader = Reader(fetch=self.means.fetch, verify=partial(_verify, keys))
        with self.means.progress.task(f"reading the package repositories for {request.architecture}"):
            found = each(reader.read, repositories, self.means.workers)
        return Look(
            architecture=request.architecture,
            engine=self,
            reader=reader,
            repositories=found,
            keys=keys,
            installed=installed,
            database=facts.database,
        )

    def _check(self, install: Sequence[LockedPackage], look: Look) -> None:
        """Bring all packages here, which the build wants anyway, and look whether they are what they should be."""
        trusted = {
            item.repository.name: look.keys[item.repository.name].certificates
            for item in look.repositories
            if item.repository.checks_packages
        }
        urls = {item.repository.name: item.url for item in look.repositories}

        def one(item: LockedPackage) -> None:
            path = os.path.join(self.means.root, item.url)
            if not item.is_local:
                named_by = urls.get(item.repository, "")
                path = self.means.fetch.fetch(item.url, digest=item.digest, size=item.size, named_by=named_by).path
                task.advance(item.size)
            trust.check(item, path, trusted)

        total = sum(item.size for item in install if not item.is_local)
        number = f"{len(install)} package{'s' if len(install) != 1 else ''}"
        with self.means.progress.task(f"fetching {number} for {look.architecture}", total) as task:
            each(one, install, self.means.workers)

    def _file(self, url: str, request: PackageRequest) -> Fetched:
        """A package file outside all repositories."""
        sha256 = request.files[url]
        if "://" in url:
            with At(request.places.get(("packages", url))):
                return self.means.fetch.fetch(url, digest=Digest(sha256) if sha256 else None, size=None)
        path = os.path.join(self.means.root, url)
        return Fetched(path=path, digest=Digest(sha256), size=os.path.getsize(path))


@dataclass(frozen=True, kw_only=True, slots=True)
class Look:
    """Package repositories at one moment, and the base that packages are chosen for."""

    architecture: str
    engine: NativeEngine
    reader: Reader
    repositories: tuple[Repodata, ...]
    keys: Mapping[str, Trusted]
    installed: Installed
    database: Database

    @property
    def locked(self) -> dict[str, LockedRepository]:
        """The repositories as a lock holds them."""
        return {
            item.repository.name: LockedRepository(
                url=item.url,
                revision=item.repomd.revision,
                repomd=item.digest,
                keys=self.keys[item.repository.name].keys if item.repository.checks_packages else (),
                release=item.repository.release,
            )
            for item in self.repositories
        }

    def ask(self, **words: Any) -> Mapping[str, Any]:
        """What the solver answers; words that are left out ask for nothing."""
        nothing = {"install": (), "files": {}, "remove": (), "upgrade": (), "upgrade_all": False}
        nothing |= {"replaceable": (), "weak": False, "known": (), "best": (), "newer": False}
        title = f"choosing packages for {self.architecture}"
        means = self.engine.means
        with means.progress.task(title), Cached(cache=means.cache).loading(self._primaries()) as loaded:
            return process.ask(
                {
                    **nothing,
                    **words,
                    "architecture": self.architecture,
                    "repositories": loaded,
                    "database": {
                        **self.database.to_mapping(),
                        "file": self.database.file,
                        "log_file": self.database.log_file,
                        "source": self.database.source,
                    },
                },
                lambda: {name: (one.path, one.open_size) for name, one in self._lists("filelists").items()},
            )

    def newer(self) -> tuple[tuple[str, str], ...]:
        """The base's packages that have a newer version in a repository, with the newest."""
        return tuple((one, two) for one, two in self.ask(newer=True)["newer"])

    def advisories(self) -> Iterator[Advisory]:
        """All advisories of all repositories."""
        for item in self.repositories:
            listed = self.reader.record(item, "updateinfo")
            if listed:
                source = f"the advisories of {item.repository.name}"
                with open(listed.path, "rb") as file:
                    yield from advisories(_unpacked(Decompressed(file).read, listed.open_size, source), source)

    def endangered(self) -> tuple[str, ...]:
        """The base's packages that have an advisory for security, as NAME.ARCH."""
        fixed = (nevra for item in self.advisories() if item.is_security for nevra in item.packages)
        return tuple(sorted({f"{item.name}.{item.arch}" for item in fixed if self.installed.is_older(item)}))

    def _primaries(self) -> Iterator[tuple[str, int, Listed]]:
        """The lists of packages, with the repositories' names and priorities."""
        lists = self._lists("primary")
        for item in self.repositories:
            name = item.repository.name
            yield name, item.repository.priority, lists[name]

    def _lists(self, kind: str) -> dict[str, Listed]:
        """One list of every repository that has it."""
        fetched = each(lambda item: self.reader.record(item, kind), self.repositories, self.engine.means.workers)
        return {item.repository.name: found for item, found in zip(self.repositories, fetched, strict=True) if found}


def _released(repositories: Sequence[PackageRepository], installed: Installed) -> tuple[PackageRepository, ...]:
    """The repositories with the base's release in their URLs; the base is asked only when one of them needs it."""
    if not any(item.needs_release for item in repositories):
        return tuple(item.of_release("") for item in repositories)
    return tuple(item.of_release(installed.release or LATEST) for item in repositories)


def _verify(keys: Mapping[str, Trusted], repository: PackageRepository, data: bytes, signature: bytes) -> None:
    certificates = keys[repository.name].certificates
    certificates.verify(data, signature, f"repomd.xml of the package repository {repository.name}")


def _unpacked(read: Callable[[int], bytes], open_size: int | None, source: str) -> Iterator[bytes]:
    size = 0
    try:
        while piece := read(_PIECE):
            size += len(piece)
            if open_size is not None and size > open_size:
                break
            yield piece
    except Damaged as error:
        raise RemoteFailed(f"{source} cannot be unpacked: {error}") from error
    if open_size not in (None, size):
        raise RemoteFailed(f"{source} has another size than repomd.xml says, {open_size:,} bytes when it is unpacked")
