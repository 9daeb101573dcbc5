"""Package repositories, and what is asked of them, as values: of the base and the spec together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field, replace
from typing import Any, Final, Self

from imagekit.errors import InvalidSpec
from imagekit.findings import Finding, Place
from imagekit.spec.packages import RepositoryEntry, Upgrade, Upgrades
from imagekit.spec.placeholders import RELEASE, words
from imagekit.values import dataclass

#: dnf's, for a repository that says nothing of it (dnf.conf(5)).
PRIORITY: Final = 99
#: What a name in `base.yaml` holds that stands for any topic, and what its URL says in its place.
_TOPIC: Final = "{topic}"


@dataclass(frozen=True, kw_only=True, slots=True)
class PackageRepository:
    """Where packages come from: a folder with `repodata/`, by its URL or by a list of mirrors; both may hold
    `{releasever}`.

    `keys` are URLs, or paths below `root`, of the OpenPGP keys; only those with one of `fingerprints` are trusted, or
    all when there are none, which is for local files alone. `release` is what `{releasever}` stands for, or "".
    """

    name: str
    baseurl: str = ""
    mirrorlist: str = ""
    keys: tuple[str, ...] = ()
    fingerprints: tuple[str, ...] = ()
    checks_packages: bool = True
    checks_metadata: bool = False
    priority: int = PRIORITY
    release: str = ""
    enabled: bool = True
    place: Place | None = field(default=None, compare=False, repr=False)

    @classmethod
    def from_mapping(cls, document: Mapping[str, Any]) -> Self:
        """Out of `base.yaml`."""
        keys = document.get("keys", ())
        return cls(
            name=document["name"],
            baseurl=document.get("baseurl", ""),
            mirrorlist=document.get("mirrorlist", ""),
            keys=tuple(key["url"] for key in keys),
            fingerprints=tuple(key["fingerprint"] for key in keys),
            enabled=document.get("enabled", "true") == "true",
        )

    @property
    def url(self) -> str:
        """The URL that is asked first."""
        return self.baseurl or self.mirrorlist

    @property
    def is_checked(self) -> bool:
        """True when keys are needed."""
        return self.checks_packages or self.checks_metadata

    @property
    def needs_release(self) -> bool:
        """True when the base has to say which release it is."""
        return not self.release and RELEASE in words(self.url)

    def at(self, rpm_architecture: str, oci_architecture: str, architecture: str) -> Self:
        """The same for one architecture: URLs of `base.yaml` have its names in them."""
        names = {"rpm_arch": rpm_architecture, "oci_arch": oci_architecture, "architecture": architecture}
        return replace(self, baseurl=_filled(self.baseurl, names), mirrorlist=_filled(self.mirrorlist, names))

    def of_release(self, release: str) -> Self:
        """The same with `{releasever}` filled in; its release is then the one that stands in its URL."""
        names = {RELEASE: self.release or release}
        return replace(
            self,
            baseurl=_filled(self.baseurl, names),
            mirrorlist=_filled(self.mirrorlist, names),
            release=names[RELEASE] if RELEASE in words(self.url) else "",
        )

    def to_mapping(self) -> dict[str, Any]:
        """As a request is digested."""
        return {
            "name": self.name,
            "baseurl": self.baseurl,
            "mirrorlist": self.mirrorlist,
            "keys": list(self.keys),
            "fingerprints": list(self.fingerprints),
            "checks": [self.checks_packages, self.checks_metadata],
            "priority": self.priority,
            "release": self.release,
        }

    def changed(self, entry: RepositoryEntry) -> Self:
        """With what a spec says otherwise; another place is a whole one, other keys are all of them."""
        moved = entry.baseurl is not None or entry.mirrorlist is not None
        return replace(
            self,
            name=entry.name,
            baseurl=entry.baseurl or "" if moved else self.baseurl,
            mirrorlist=entry.mirrorlist or "" if moved else self.mirrorlist,
            keys=entry.gpgkey or self.keys,
            fingerprints=entry.fingerprints if entry.gpgkey else self.fingerprints,
            checks_packages=self.checks_packages if entry.gpgcheck is None else entry.gpgcheck,
            checks_metadata=self.checks_metadata if entry.repo_gpgcheck is None else entry.repo_gpgcheck,
            priority=self.priority if entry.priority is None else entry.priority,
            release=self.release if entry.release is None else entry.release,
            enabled=entry.enabled,
            place=entry.place,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class PackageRequest:
    """What has to be resolved of packages for one architecture, which is RPM's name of it.

    `install` and `remove` are requests as dnf takes them. `files` are packages outside all repositories, by URL or
    by path below `root`, with the sha256 that is known of them, or "". `replaceable` are packages of the base that
    another one may take the place of without being asked. `is_alone` says that the spec is for one architecture;
    `places` is where the spec says each, by the key (`packages`, `upgrade`, `remove`) and the name.
    """

    architecture: str
    install: tuple[str, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)
    remove: tuple[str, ...] = ()
    upgrade: Upgrade = field(default_factory=Upgrade)
    weak_dependencies: bool = False
    repositories: tuple[PackageRepository, ...] = ()
    replaceable: tuple[str, ...] = ()
    is_alone: bool = field(default=False, compare=False)
    places: Mapping[tuple[str, str], Place] = field(default_factory=dict, compare=False, repr=False)

    @property
    def asked(self) -> tuple[str, ...]:
        """All that is to be installed, in the words of the spec."""
        return (*self.install, *self.files)

    @property
    def brings_something(self) -> bool:
        """False when packages are only removed."""
        return bool(self.asked) or self.upgrade.which is not Upgrades.NONE

    def to_mapping(self) -> dict[str, Any]:
        """As it is digested."""
        return {
            "install": sorted(self.install),
            "files": dict(self.files),
            "remove": sorted(self.remove),
            "upgrade": [self.upgrade.which.value, *sorted(self.upgrade.names)],
            "weak_dependencies": self.weak_dependencies,
            "repositories": [item.to_mapping() for item in self.repositories],
            "replaceable": sorted(self.replaceable),
        }


def together(known: Sequence[PackageRepository], entries: Iterable[RepositoryEntry]) -> tuple[PackageRepository, ...]:
    """The repositories of a base with what a spec says of them and its own behind; those taken out are left out.

    Raises InvalidSpec with all that lack a place or a key.
    """
    found = {item.name: item for item in known if _TOPIC not in item.name}
    patterns = [item for item in known if _TOPIC in item.name]
    for entry in entries:
        of_base = found.get(entry.name) or _topic(entry.name, patterns) or PackageRepository(name=entry.name)
        found[entry.name] = of_base.changed(entry)
    used = tuple(item for item in found.values() if item.enabled)
    refused = tuple(finding for item in used if (finding := _problem(item, known)))
    if refused:
        raise InvalidSpec(refused)
    return used


def _topic(name: str, patterns: Iterable[PackageRepository]) -> PackageRepository | None:
    """The repository of a topic, where a base has one for any."""
    for item in patterns:
        head, _, tail = item.name.partition(_TOPIC)
        if name.startswith(head) and name.endswith(tail) and len(name) > len(head) + len(tail):
            topic = name[len(head) : len(name) - len(tail)]
            return replace(item, mirrorlist=item.mirrorlist.replace(_TOPIC, topic))
    return None


def _problem(item: PackageRepository, known: Sequence[PackageRepository]) -> Finding | None:
    if not item.url:
        names = ", ".join(one.name for one in known)
        return Finding(
            code="IK0206",
            message=f"the package repository {item.name} has neither `baseurl` nor `mirrorlist`",
            hint=f"add one of them, or name one that the base has: {names}" if names else "add one of them",
            place=item.place,
        )
    if item.is_checked and not item.keys:
        return Finding(
            code="IK0206",
            message=f"the package repository {item.name} has no key that its signatures are checked with",
            hint="add `gpgkey`, or say `gpgcheck: false` to take packages without a signature",
            place=item.place,
        )
    return None


def _filled(text: str, values: Mapping[str, str]) -> str:
    for name, value in values.items():
        text = text.replace(f"{{{name}}}", value)
    return text
