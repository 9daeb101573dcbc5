"""What becomes of locks beside the one line: made anew, brought up to date, compared with what there is now, told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from imagekit import __version__
from imagekit.gather.package_files import PackageFiles
from imagekit.lock import Lock, LockedImage, Making, PlatformRequest, Request
from imagekit.lock_changes import check_locked
from imagekit.lockfile import LockFile
from imagekit.making import created, making
from imagekit.project import Project

if TYPE_CHECKING:
    from imagekit.lock_packages import LockedPackages
    from imagekit.news import News
    from imagekit.pipeline import Session
    from imagekit.resolve_packages import PackageResolver


def upgrade(
    session: Session, work: Project, compression: str | None = None, names: Sequence[str] = (), *, write: bool = True
) -> Lock:
    """A lock with everything resolved anew, or these packages alone; written beside the spec unless it says the same.

    Raises UsageError for a package that is not locked.
    """
    file = lock_file(work)
    known = file.read()
    check_locked(known, names)
    wanted = making(work, compression, known)
    lock = made(session, work, wanted, known if names else None, names, fetches=write)
    if known and known.says_the_same_as(lock):
        return known
    if write:
        file.write(lock)
    return lock


def lock_file(work: Project) -> LockFile:
    """The lock beside the spec."""
    return LockFile.beside(work.spec.path, __version__)


def request(session: Session, work: Project, *, everywhere: bool = False) -> Request:
    """What a project asks for; `everywhere` also of bases that it asks nothing of. Raises as `Project.request`."""
    files = PackageFiles(cache=session.cache, root=work.spec.root, now=session.now)
    return work.request(files.sha256, everywhere=everywhere)


def fresh(session: Session, work: Project, compression: str | None = None) -> Lock:
    """What a lock would hold if it were made now; nothing is written, and no package is fetched."""
    wanted = making(work, compression, lock_file(work).read())
    return made(session, work, wanted, None, fetches=False)


def news(session: Session, work: Project, known: Lock, now: Lock, *, all_bases: bool = False) -> tuple[News, ...]:
    """Newer versions of packages, with their advisories: of those locked, and of those that the base has.

    A base is looked at where the spec asks for packages, or with `all_bases`.
    """
    from imagekit.resolve_packages import platform_news

    requests = request(session, work, everywhere=all_bases)
    resolver = _packages(session, work)
    return tuple(
        item
        for asked in requests.platforms
        if asked.packages and (locked := known.platform(asked.architecture))
        for item in platform_news(resolver, asked, locked, now.at(asked.architecture))
    )


def bill(session: Session, work: Project, lock: Lock) -> dict[str, object]:
    """What the images consist of, as SPDX 2.3; nothing is built."""
    from imagekit.gather.bill import Bills
    from imagekit.gather.facts import FactsReader
    from imagekit.sbom import document

    places = session.places.below(work.spec.root)
    bills = Bills(reader=FactsReader(cache=session.cache, progress=session.progress, source=places.source))
    found = [bills.of(spec, lock.at(spec.architecture.name)) for spec in work.platforms]
    return document(work.spec.name, work.spec.version or "", found, lock.created, f"imagekit-{__version__}")


def made(
    session: Session,
    work: Project,
    wanted: Making,
    known: Lock | None,
    free: Sequence[str] = (),
    *,
    fetches: bool = True,
) -> Lock:
    """A new lock. Only here SOURCE_DATE_EPOCH is read: what was locked has its time already."""
    from imagekit.resolve import Resolver

    wishes, places = request(session, work), session.places.below(work.spec.root)
    time = created(session.environment, session.now())

    def packages(asked: PlatformRequest, base: LockedImage, known: LockedPackages | None) -> LockedPackages:
        return replace(_packages(session, work), free=tuple(free), fetches=fetches)(asked, base, known)

    resolver = Resolver(source=places.source, fetch=places.fetch, packages=packages)
    return resolver.lock(wishes, wanted, known=known, created=time, version=__version__)


def _packages(session: Session, work: Project) -> PackageResolver:
    from imagekit.resolve_packages import PackageResolver

    places = session.places.below(work.spec.root)
    return PackageResolver(
        source=places.source,
        fetch=places.fetch,
        cache=session.cache,
        progress=session.progress,
        root=work.spec.root,
        workers=session.workers,
    )
