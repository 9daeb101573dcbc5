"""From a request to a lock: which bytes stand behind every name, asked for once and written down."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from imagekit import images
from imagekit.architecture import by_name
from imagekit.errors import BuildFailed, RemoteFailed, WrongChecksum
from imagekit.lock import Lock, LockedArchive, LockedImage, LockedPlatform, Making, PlatformRequest, Request
from imagekit.lock_packages import LockedPackages
from imagekit.oci.digest import Digest
from imagekit.oci.ports import Fetch, Fetched, Source
from imagekit.parallel import each
from imagekit.values import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Resolver:
    """What resolution asks: a source for an image's name with the selector in it, and files by URL."""

    source: Callable[[str], tuple[Source, str]]
    fetch: Fetch
    #: Chooses a platform's packages for its base, keeping what an older lock has.
    packages: Callable[[PlatformRequest, LockedImage, LockedPackages | None], LockedPackages]

    def lock(self, request: Request, making: Making, *, known: Lock | None, created: str, version: str) -> Lock:
        """The lock of a request; what `known` already holds stays as it is: the least change."""
        platforms = _all(
            lambda item: self._platform(item, known.platform(item.architecture) if known else None), request.platforms
        )
        return Lock(imagekit=version, created=created, request=request.digest, making=making, platforms=platforms)

    def _platform(self, request: PlatformRequest, known: LockedPlatform | None) -> LockedPlatform:
        known = known or LockedPlatform(architecture=request.architecture)
        base = self._base(request, known)
        return LockedPlatform(
            architecture=request.architecture,
            base=base,
            images={name: known.images.get(name) or self._image(name, request.architecture) for name in request.images},
            archives={
                url: self._archive(url, sha256, known.archives.get(url)) for url, sha256 in request.archives.items()
            },
            packages=self.packages(request, base, known.packages) if request.packages and base else None,
            engine=request.engine,
        )

    def _base(self, request: PlatformRequest, known: LockedPlatform) -> LockedImage | None:
        if not request.base:
            return None
        if known.base and known.base.reference == request.base:
            return known.base
        return self._image(request.base, request.architecture)

    def _image(self, name: str, architecture: str) -> LockedImage:
        source, selector = self.source(name)
        found = images.find(source, selector, by_name(architecture), name)
        return LockedImage(
            reference=name, manifest=found.manifest, config=found.image.manifest.config.digest, index=found.index
        )

    def _archive(self, url: str, sha256: str, known: LockedArchive | None) -> LockedArchive:
        if known and sha256 in ("", known.digest.hex):
            return known
        found = fetched(self.fetch, url, digest=Digest(sha256) if sha256 else None, size=None)
        return LockedArchive(url=url, digest=found.digest, size=found.size)


def _all(
    resolve: Callable[[PlatformRequest], LockedPlatform], requests: Sequence[PlatformRequest]
) -> tuple[LockedPlatform, ...]:
    """Every platform; what cannot be had is told of all of them together."""

    def outcome(request: PlatformRequest) -> LockedPlatform | BuildFailed:
        try:
            return resolve(request)
        except BuildFailed as error:
            if not request.packages:
                raise
            return error

    # Choosing packages is mostly waiting: for repositories, and for a process for each platform.
    side_by_side = len(requests) if all(request.packages for request in requests) else 1
    outcomes = each(outcome, requests, side_by_side)
    failures = [item for item in outcomes if isinstance(item, BuildFailed)]
    if len(failures) > 1 and len({str(error) for error in failures}) > 1:
        message = "\n  ".join(error.message for error in failures)
        alike = len({error.place for error in failures}) == 1
        hints = dict.fromkeys(error.hint for error in failures[: 1 if alike else None])
        raise BuildFailed(message, hint="; ".join(hints), place=failures[0].place if alike else None) from failures[0]
    if failures:
        raise failures[0]
    return tuple(item for item in outcomes if isinstance(item, LockedPlatform))


def fetched(fetch: Fetch, url: str, *, digest: Digest | None, size: int | None) -> Fetched:
    """The file behind a URL; errors name it as the spec does, whatever mirror was asked. Raises as `fetch` does."""
    try:
        return fetch.fetch(url, digest=digest, size=size)
    except (RemoteFailed, WrongChecksum) as error:
        if url in error.message:
            raise
        raise type(error)(f"{url}: {error.message}", hint=error.hint, place=error.place) from error
