"""What differs between two locks: names that stand for other bytes, packages that come, go and move."""

from __future__ import annotations

from collections.abc import Iterable

from imagekit.errors import UsageError
from imagekit.lock import Lock, LockedPlatform
from imagekit.lock_packages import LockedPackages, name_of
from imagekit.spec.nearest import nearest
from imagekit.values import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """One name that stands for other bytes now than the lock says."""

    architecture: str
    name: str
    locked: str
    now: str

    def to_mapping(self) -> dict[str, str]:
        """For machines."""
        return {"architecture": self.architecture, "name": self.name, "locked": self.locked, "now": self.now}


def moved_packages(lock: Lock | None, fresh: Lock) -> tuple[Change, ...]:
    """Packages that come, go or change their version between two locks; what is not there is "nothing"."""
    found = []
    for new in fresh.platforms:
        known = lock.platform(new.architecture) if lock else None
        before, after = _versions(known.packages if known else None), _versions(new.packages)
        for name in sorted(before.keys() | after.keys()):
            old, now = before.get(name, "nothing"), after.get(name, "nothing")
            if old != now:
                found.append(Change(architecture=new.architecture, name=name, locked=old, now=now))
    return tuple(found)


def _versions(packages: LockedPackages | None) -> dict[str, str]:
    """What a lock installs and removes, by name; an upgrade is what is installed."""
    if packages is None:
        return {}
    removed = {name_of(nevra): "removed" for nevra in packages.removed}
    return removed | {item.name: item.nevra.removeprefix(f"{item.name}-") for item in packages.install}


def changes(lock: Lock, fresh: Lock) -> tuple[Change, ...]:
    """What is outdated: names in both locks with different bytes."""
    return tuple(
        Change(architecture=new.architecture, name=name, locked=old, now=now)
        for new in fresh.platforms
        if (known := lock.platform(new.architecture))
        for name, now in _bytes_of(new).items()
        if (old := _bytes_of(known).get(name)) and old != now
    )


def _bytes_of(platform: LockedPlatform) -> dict[str, str]:
    """The digest behind each name."""
    images = [image for image in (platform.base, *platform.images.values()) if image]
    found = {image.reference: str(image.index or image.manifest) for image in images}
    return found | {url: str(archive.digest) for url, archive in platform.archives.items()}


def check_locked(lock: Lock | None, names: Iterable[str]) -> None:
    """Raise UsageError for a package, by name or full name, that no platform of a lock has."""
    locked = [item.packages for item in lock.platforms if item.packages] if lock else []
    for name in names:
        if not any(item.package(name) for item in locked):
            there = {package.name for item in locked for package in item.install}
            found = nearest(name, there)
            raise UsageError(
                f"the package {name} is not locked",
                hint=f"did you mean {found}?"
                if found
                else "packages of the base are named under `upgrade` in the spec",
            )
