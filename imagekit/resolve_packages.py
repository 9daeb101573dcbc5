"""From a request for packages to what is locked of them: the base's facts read, an engine asked."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator

from imagekit import images
from imagekit.architecture import by_name
from imagekit.engines.native.engine import Look, NativeEngine
from imagekit.engines.ports import Means
from imagekit.facts import Facts
from imagekit.gather.facts import FactsReader
from imagekit.lock import LockedImage, LockedPlatform, PlatformRequest
from imagekit.lock_packages import LockedPackages
from imagekit.news import News, news
from imagekit.oci.ports import Cache, Fetch, Source
from imagekit.packages import PackageRequest
from imagekit.progress import Progress
from imagekit.rpm.evr import Nevra
from imagekit.values import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class PackageResolver:
    """Chooses packages; `source` opens an image's name, `root` is what local package files are relative to.

    `free` are packages, by name, that an older lock does not hold, nor what came with them. With `fetches` packages are
    brought here and their signatures judged, as a lock that is written needs.
    """

    source: Callable[[str], tuple[Source, str]]
    fetch: Fetch
    cache: Cache
    progress: Progress
    root: str
    workers: int
    free: Collection[str] = ()
    fetches: bool = True

    def __call__(self, request: PlatformRequest, base: LockedImage, known: LockedPackages | None) -> LockedPackages:
        """The packages of one platform; raises as the engine does."""
        assert request.packages
        free = known.with_what_came_along(self.free) if known else frozenset()
        kept = [item.nevra for item in known.install if item.name not in free] if known else []
        best = tuple(name for name in self.free if known and known.package(name))
        facts = self._facts(request, base)
        return self._engine.resolve(request.packages, facts, kept, best=best, fetch=self.fetches)

    def look(self, request: PlatformRequest, base: LockedImage) -> Look:
        """The package repositories of one platform as they are now."""
        packages = request.packages or PackageRequest(architecture=by_name(request.architecture).rpm)
        return self._engine.look(packages, self._facts(request, base))

    @property
    def _engine(self) -> NativeEngine:
        means = Means(fetch=self.fetch, cache=self.cache, progress=self.progress, root=self.root, workers=self.workers)
        return NativeEngine(means=means)

    def _facts(self, request: PlatformRequest, base: LockedImage) -> Facts:
        source, _ = self.source(base.reference)
        image = images.read(source, base.manifest, by_name(request.architecture), base.reference)
        return FactsReader(cache=self.cache, progress=self.progress, source=self.source).read(base, image)


def platform_news(
    resolver: PackageResolver, request: PlatformRequest, locked: LockedPlatform, now: LockedPlatform
) -> tuple[News, ...]:
    """Newer versions of one platform's packages: of what its lock holds, as `now` has it, and of what its base has."""
    if now.base is None:
        return ()
    look = resolver.look(request, now.base)
    advisories = tuple(look.advisories())
    ours = tuple(_moved(locked.packages, now.packages))
    changed = {nevra for item in (locked.packages, now.packages) if item for nevra in item.removed}
    theirs = [(Nevra.parse(one), Nevra.parse(two)) for one, two in look.newer() if one not in changed]
    where = request.architecture
    return (
        *news(ours, advisories, where, in_base=False),
        *news(theirs, advisories, where, in_base=True),
    )


def _moved(known: LockedPackages | None, now: LockedPackages | None) -> Iterator[tuple[Nevra, Nevra]]:
    """Packages that are locked, and would be in another version."""
    there = [Nevra.parse(item.nevra) for item in now.install] if now else []
    for item in known.install if known else ():
        had = Nevra.parse(item.nevra)
        for new in there:
            if (new.name, new.arch) == (had.name, had.arch) and new.evr != had.evr:
                yield had, new
