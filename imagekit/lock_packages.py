"""The packages of a lock: what is installed and removed, why, out of which package repositories."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import field
from enum import StrEnum
from typing import Any, Final, Self

from imagekit.oci.digest import Digest
from imagekit.packages import PackageRequest
from imagekit.values import dataclass

#: What a package out of no repository is said to come from.
NO_REPOSITORY: Final = ""
#: What stands for the release of a base that does not say it.
LATEST: Final = "latest"


class Unfit(Exception):
    """A value of a lock that does not belong where it stands, in our own words."""


class Why(StrEnum):
    """Why a package is installed or removed."""

    ASKED = "asked"  # the spec asks for it, in these words
    REQUIRES = "requires"  # another package needs this
    RECOMMENDS = "recommends"  # another package is better with this
    UPGRADES = "upgrades"  # it is newer than this one of the base
    REMOVED = "removed"  # the spec does not want it, in these words
    REPLACED = "replaced"  # this one takes its place
    CONFLICTS = "conflicts"  # another package cannot be beside it
    LACKS = "lacks"  # it needs this, which goes


@dataclass(frozen=True, kw_only=True, slots=True)
class Reason:
    """`what` is a request or a dependency, `of` the name of the package that has the dependency."""

    why: Why
    what: str
    of: str = ""

    @classmethod
    def from_mapping(cls, document: Mapping[str, Any]) -> Self:
        """Out of a lock."""
        (why,) = document.keys() - {"of"}
        return cls(why=Why(why), what=str(document[why]), of=str(document.get("of", "")))

    def to_mapping(self) -> dict[str, str]:
        """As a lock holds it."""
        return {self.why.value: self.what, **({"of": self.of} if self.of else {})}


@dataclass(frozen=True, kw_only=True, slots=True)
class LockedPackage:
    """One package file. `url` is where it is fetched from, or a path below `root` that begins with a dot."""

    nevra: str
    repository: str
    url: str
    size: int
    digest: Digest
    because: Reason

    @classmethod
    def from_mapping(cls, nevra: str, document: Mapping[str, Any]) -> Self:
        """Out of a lock."""
        return cls(
            nevra=nevra,
            repository=str(document.get("repository", NO_REPOSITORY)),
            url=str(document["url"]),
            size=int(document["size"]),
            digest=Digest.from_hex(document["sha256"]),
            because=Reason.from_mapping(document["because"]),
        )

    def to_mapping(self) -> dict[str, Any]:
        """As a lock holds it."""
        return {
            **({"repository": self.repository} if self.repository else {}),
            "url": self.url,
            "size": self.size,
            "sha256": self.digest.hex,
            "because": self.because.to_mapping(),
        }

    @property
    def name(self) -> str:
        """The package's name alone."""
        return name_of(self.nevra)

    @property
    def is_local(self) -> bool:
        """True for a file below `root`."""
        return self.url.startswith(".")


@dataclass(frozen=True, kw_only=True, slots=True)
class LockedKey:
    """The OpenPGP key with this fingerprint, in a file behind a URL or below `root`."""

    fingerprint: str
    url: str
    digest: Digest


@dataclass(frozen=True, kw_only=True, slots=True)
class LockedRepository:
    """What a package repository said when the lock was made: where it was, its revision, the digest of repomd.xml.

    `release` is the one that stood in its URL, or "". `keys` are those that its packages have to be signed with; none
    where signatures are not asked for.
    """

    url: str
    revision: str
    repomd: Digest
    keys: tuple[LockedKey, ...] = ()
    release: str = ""

    @classmethod
    def from_mapping(cls, document: Mapping[str, Any]) -> Self:
        """Out of a lock."""
        return cls(
            url=str(document["url"]),
            revision=str(document["revision"]),
            repomd=Digest.from_hex(document["repomd"]),
            keys=tuple(
                LockedKey(fingerprint=name, url=str(key["url"]), digest=Digest.from_hex(key["sha256"]))
                for name, key in sorted(document.get("keys", {}).items())
            ),
            release=str(document.get("release", "")),
        )

    def to_mapping(self) -> dict[str, Any]:
        """As a lock holds it."""
        keys = {key.fingerprint: {"url": key.url, "sha256": key.digest.hex} for key in self.keys}
        return {
            "url": self.url,
            "revision": self.revision,
            "repomd": self.repomd.hex,
            **({"release": self.release} if self.release else {}),
            **({"keys": keys} if keys else {}),
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class LockedPackages:
    """What becomes of one platform's packages. `asked` are the words of the spec that led to it, `removed` the
    packages of the base that go, with the reasons.
    """

    asked: tuple[str, ...] = ()
    install: tuple[LockedPackage, ...] = ()
    removed: Mapping[str, Reason] = field(default_factory=dict)
    repositories: Mapping[str, LockedRepository] = field(default_factory=dict)

    @classmethod
    def from_mapping(cls, document: Mapping[str, Any]) -> Self:
        """Out of a lock; raises Unfit for a package that no repository answers for, and that nobody asked for so."""
        found = cls(
            asked=tuple(map(str, document.get("asked", ()))),
            install=tuple(
                LockedPackage.from_mapping(nevra, item) for nevra, item in sorted(document.get("install", {}).items())
            ),
            removed={nevra: Reason.from_mapping(item) for nevra, item in document.get("remove", {}).items()},
            repositories={
                name: LockedRepository.from_mapping(item) for name, item in document.get("repositories", {}).items()
            },
        )
        for item in found.install:
            # Its repository says whose signature a package needs: one that names none would get in without any.
            if item.repository == NO_REPOSITORY and item.url not in found.asked:
                raise Unfit(f"{item.nevra} has no `repository`, and its `url` is not what was asked for")
            if item.repository != NO_REPOSITORY and item.repository not in found.repositories:
                raise Unfit(f"{item.nevra} is out of {item.repository}, a package repository that is not locked")
        return found

    def to_mapping(self) -> dict[str, Any]:
        """As a lock holds it."""
        return {
            "asked": sorted(self.asked),
            "install": {item.nevra: item.to_mapping() for item in self.install},
            "remove": {nevra: reason.to_mapping() for nevra, reason in self.removed.items()},
            "repositories": {name: item.to_mapping() for name, item in self.repositories.items()},
        }

    def way_to(self, name: str) -> tuple[LockedPackage, ...]:
        """A package and those that it is there for, up to what the spec asks for; empty when it is not locked."""
        way: list[LockedPackage] = []
        item = self.package(name)
        while item and item not in way:
            way.append(item)
            item = self.package(item.because.of) if item.because.of else None
        return tuple(way)

    def with_what_came_along(self, names: Collection[str]) -> frozenset[str]:
        """The names of packages, and of all that are there for them."""
        wanted = {item.name for name in names if (item := self.package(name))}
        return frozenset(item.name for item in self.install if wanted & {one.name for one in self.way_to(item.nevra)})

    def package(self, name: str) -> LockedPackage | None:
        """The package with this name or full name."""
        return next((item for item in self.install if name in (item.name, item.nevra)), None)


def name_of(nevra: str) -> str:
    """The name in NAME-VERSION-RELEASE.ARCH."""
    return nevra.rsplit("-", 2)[0]


def differences(locked: LockedPackages | None, request: PackageRequest | None, where: str) -> Iterator[str]:
    """Where a lock's packages are not what is asked for, in sentences; `where` is the architecture."""
    had = set(locked.asked) if locked else set()
    wanted = set(request.asked) if request else set()
    yield from (f"{where}: the package {name} is not locked" for name in sorted(wanted - had))
    yield from (f"{where}: the package {name} is locked but no longer asked for" for name in sorted(had - wanted))
    if request and locked is None and not wanted:
        yield f"{where}: the packages of the base that change are not locked"
