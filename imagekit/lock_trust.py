"""Whom a lock lets packages in from: nobody but those that the spec and its operating system trust.

A lock is a file that anyone can edit, and a build without the network asks nobody else: what it says of repositories
and of their keys is held against the spec before anything is taken on its word.
"""

from __future__ import annotations

from collections.abc import Iterator

from imagekit.lock_packages import NO_REPOSITORY, LockedPackages, LockedRepository
from imagekit.packages import PackageRepository, PackageRequest


def distrusted(locked: LockedPackages, request: PackageRequest | None, where: str) -> Iterator[str]:
    """What a lock trusts and the spec does not, in sentences; `where` is the architecture."""
    trusted = {item.name: item for item in request.repositories} if request else {}
    used = {item.repository for item in locked.install} - {NO_REPOSITORY}
    for name in sorted(used & locked.repositories.keys()):
        if name not in trusted:
            yield f"{where}: the package repository {name} is locked but no longer the spec's"
        elif not _is_signed_as_asked(locked.repositories[name], trusted[name]):
            yield f"{where}: the package repository {name} is locked with other keys than the spec trusts"
    files = request.files if request else {}
    for item in locked.install:
        if item.repository == NO_REPOSITORY and item.url not in files:
            yield f"{where}: {item.nevra} is locked out of {item.url}, which is no longer asked for"
        elif item.repository == NO_REPOSITORY and files[item.url] not in ("", item.digest.hex):
            yield f"{where}: {item.url} has another sha256 than what is locked"


def _is_signed_as_asked(locked: LockedRepository, trusted: PackageRepository) -> bool:
    """Whether a locked repository's packages need one of the keys that the spec names."""
    if not trusted.checks_packages:
        return True
    return bool(locked.keys) and all(
        key.url in trusted.keys and (not trusted.fingerprints or key.fingerprint in trusted.fingerprints)
        for key in locked.keys
    )
