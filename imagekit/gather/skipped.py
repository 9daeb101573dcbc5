"""Scriptlets that a spec leaves out, of packages that no image of it has anything to do with: a slip of the pen."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from imagekit.findings import Finding, Severity
from imagekit.lock import Lock, LockedPlatform
from imagekit.lock_packages import LockedPackages, name_of
from imagekit.spec.model import Spec
from imagekit.spec.nearest import nearest
from imagekit.spec.node import dotted


def idle(spec: Spec, lock: Lock, in_base: Callable[[LockedPlatform], Sequence[str]]) -> Iterator[Finding]:
    """A warning for each package under `scriptlets` that neither comes nor goes, nor is in a base, on any platform.

    `in_base` gives the names of a base's packages, and is asked only where the lock does not know one.
    """
    changed = {name for platform in lock.platforms for name in _changed(platform.packages)}
    if changed.issuperset(spec.packages.skipped):
        return
    there = changed | {name for platform in lock.platforms for name in in_base(platform)}
    for name in sorted(spec.packages.skipped.keys() - there):
        found = nearest(name, sorted(there))
        yield Finding(
            code="IK0111",
            severity=Severity.WARNING,
            message=f"`scriptlets` has {name}, a package that the image does not have",
            hint=f"did you mean `{found}`?" if found else "take it out",
            place=spec.places.get(dotted(("scriptlets", name))),
        )


def _changed(packages: LockedPackages | None) -> Iterator[str]:
    if packages:
        yield from (item.name for item in packages.install)
        yield from (name_of(nevra) for nevra in packages.removed)
