"""What a lock's packages may surprise with: versions that differ, repositories at a release that nobody named."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from imagekit.findings import Finding, Severity
from imagekit.lock import Lock, LockedPlatform
from imagekit.lock_packages import LATEST
from imagekit.rpm.evr import Nevra
from imagekit.spec.model import Spec
from imagekit.spec.platform import PlatformSpec

#: Packages of which it is told one by one.
_LISTED: Final = 10


def skew(spec: Spec, lock: Lock) -> Iterator[Finding]:
    """A warning for each package that the architectures have in different versions: they may behave differently."""
    versions: dict[str, dict[str, str]] = {}
    for platform in lock.platforms:
        for package in platform.packages.install if platform.packages else ():
            nevra = Nevra.parse(package.nevra)
            versions.setdefault(nevra.name, {})[platform.architecture] = str(nevra.evr)
    skewed = {name: found for name, found in sorted(versions.items()) if len(set(found.values())) > 1}
    places = {item.name: item.place for item in spec.packages.install}
    for name, found in list(skewed.items())[:_LISTED]:
        which = ", ".join(f"{version} on {architecture}" for architecture, version in found.items())
        yield Finding(
            code="IK0112",
            severity=Severity.WARNING,
            message=f"{name} has different versions: {which}",
            hint="lock again when its repository has the same for both, or ask for a version that both have",
            place=places.get(name) or spec.places.get("packages") or spec.places.get("upgrade"),
        )
    if len(skewed) > _LISTED:
        yield Finding(
            code="IK0112",
            severity=Severity.WARNING,
            message=f"{len(skewed) - _LISTED} more packages have different versions on the architectures",
            hint="`imagekit plan` lists all versions",
            place=spec.places.get("packages") or spec.places.get("upgrade"),
        )


def unreleased(spec: PlatformSpec, locked: LockedPlatform) -> Iterator[Finding]:
    """A warning where the base did not say its release, and its package repositories were read at the newest one."""
    said = {entry.name for entry in spec.packages.repositories if entry.release}
    for name, repository in locked.packages.repositories.items() if locked.packages else ():
        if repository.release == LATEST and name not in said:
            yield Finding(
                code="IK0113",
                severity=Severity.WARNING,
                message=f"the base has no system-release package: the package repository {name} is read at `{LATEST}`",
                hint=f"say which one with `repositories: [{{name: {name}, release: …}}]`",
                place=next((item.place for item in spec.packages.install if item.place), None),
            )
