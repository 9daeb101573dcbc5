"""From a request for packages to what is locked of them: the base's facts read, an engine asked, skew told."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from typing import Final

from imagekit import images
from imagekit.architecture import by_name
from imagekit.engines.native.engine import Look, NativeEngine
from imagekit.facts import Facts
from imagekit.gather.facts import FactsReader
from imagekit.lock import Lock, LockedImage, PlatformRequest
from imagekit.lock_packages import LockedPackages
from imagekit.oci.ports import Cache, Fetch, Source
from imagekit.packages import PackageRequest
from imagekit.progress import Progress
from imagekit.rpm.evr import Nevra
from imagekit.values import dataclass

logger = logging.getLogger(__name__)

_LISTED: Final = 10


@dataclass(frozen=True, kw_only=True, slots=True)
class PackageResolver:
    """Chooses packages; `source` opens an image's name, `root` is what local package files are relative to.

    `free` are packages, by name, that an older lock does not hold; None frees all of them. With `fetches` packages are
    brought here and their signatures judged, as a lock that is written needs.
    """

    source: Callable[[str], tuple[Source, str]]
    fetch: Fetch
    cache: Cache
    progress: Progress
    root: str
    workers: int
    free: Collection[str] | None = ()
    fetches: bool = True

    def __call__(self, request: PlatformRequest, base: LockedImage, known: LockedPackages | None) -> LockedPackages:
        """The packages of one platform; raises as the engine does."""
        assert request.packages
        kept: list[str] = []
        if known and self.free is not None:
            kept = [item.nevra for item in known.install if item.name not in self.free]
        return self._engine.resolve(request.packages, self._facts(request, base), kept, fetch=self.fetches)

    def look(self, request: PlatformRequest, base: LockedImage) -> Look:
        """The package repositories of one platform as they are now."""
        packages = request.packages or PackageRequest(architecture=by_name(request.architecture).rpm)
        return self._engine.look(packages, self._facts(request, base))

    @property
    def _engine(self) -> NativeEngine:
        return NativeEngine(
            fetch=self.fetch, cache=self.cache, progress=self.progress, root=self.root, workers=self.workers
        )

    def _facts(self, request: PlatformRequest, base: LockedImage) -> Facts:
        source, _ = self.source(base.reference)
        image = images.read(source, base.manifest, by_name(request.architecture), base.reference)
        return FactsReader(cache=self.cache, progress=self.progress, source=self.source).read(base, image)


def warn_of_skew(lock: Lock) -> None:
    """Say which packages have different versions on the platforms: they may behave differently."""
    versions: dict[str, dict[str, str]] = {}
    for platform in lock.platforms:
        for package in platform.packages.install if platform.packages else ():
            nevra = Nevra.parse(package.nevra)
            versions.setdefault(nevra.name, {})[platform.architecture] = str(nevra.evr)
    skewed = {name: found for name, found in versions.items() if len(set(found.values())) > 1}
    for name, found in list(skewed.items())[:_LISTED]:
        which = ", ".join(f"{version} on {architecture}" for architecture, version in found.items())
        logger.warning("%s has different versions: %s", name, which)
    if len(skewed) > _LISTED:
        logger.warning("%d more packages have different versions on the architectures", len(skewed) - _LISTED)
