"""What a spec says of packages: which ones, where they come from, what becomes of their scriptlets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from enum import StrEnum
from typing import Any, Final, Self

from imagekit.architecture import Architecture, among
from imagekit.findings import Place
from imagekit.values import dataclass

#: The engine where nothing is said.
NATIVE: Final = "native"


class Upgrades(StrEnum):
    """Which packages of the base are brought up to date."""

    NONE = "none"
    SECURITY = "security"
    ALL = "all"
    NAMED = "named"


@dataclass(frozen=True, kw_only=True, slots=True)
class Package:
    """One item of `packages`: a request as dnf takes it, a path below `root` that begins with `./`, or a URL."""

    name: str
    sha256: str = ""
    only: tuple[Architecture, ...] = ()
    place: Place | None = field(default=None, compare=False)

    @classmethod
    def from_document(cls, value: str | Mapping[str, Any], place: Place | None) -> Self:
        """From a text, or a mapping that the schema's `package` has accepted."""
        item: Mapping[str, Any] = {"name": value} if isinstance(value, str) else value
        return cls(name=item["name"], sha256=item.get("sha256", ""), only=among(item.get("only", ())), place=place)

    @property
    def is_url(self) -> bool:
        """True for a package file that is fetched."""
        return "://" in self.name

    @property
    def is_local(self) -> bool:
        """True for a package file below `root`."""
        return self.name.startswith(("./", "../"))


@dataclass(frozen=True, kw_only=True, slots=True)
class RepositoryEntry:
    """One item of `repositories`: a package repository, or a change of one that the base has; None where nothing is
    said. `gpgkey` are paths below `root` or URLs, `fingerprints` those of the keys that are trusted.
    """

    name: str
    baseurl: str | None = None
    mirrorlist: str | None = None
    gpgkey: tuple[str, ...] = ()
    fingerprints: tuple[str, ...] = ()
    gpgcheck: bool | None = None
    repo_gpgcheck: bool | None = None
    priority: int | None = None
    release: str | None = None
    enabled: bool = True
    only: tuple[Architecture, ...] = ()
    place: Place | None = field(default=None, compare=False)

    @classmethod
    def from_document(cls, value: Mapping[str, Any], place: Place | None) -> Self:
        """From a mapping that the schema's `repository` has accepted."""
        return cls(
            name=value["name"],
            baseurl=value.get("baseurl"),
            mirrorlist=value.get("mirrorlist"),
            gpgkey=_several(value.get("gpgkey", ())),
            fingerprints=tuple(text.replace(" ", "").upper() for text in _several(value.get("fingerprint", ()))),
            gpgcheck=value.get("gpgcheck"),
            repo_gpgcheck=value.get("repo_gpgcheck"),
            priority=value.get("priority"),
            release=value.get("release"),
            enabled=value.get("enabled", True),
            only=among(value.get("only", ())),
            place=place,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Upgrade:
    """What `upgrade` says; `names` are requests as dnf takes them."""

    which: Upgrades = Upgrades.NONE
    names: tuple[str, ...] = ()

    @classmethod
    def from_document(cls, value: str | list[str] | None) -> Self:
        """From a word, or a list of packages of the base."""
        if isinstance(value, str):
            return cls(which=Upgrades(value))
        return cls(which=Upgrades.NAMED, names=tuple(value)) if value else cls()


@dataclass(frozen=True, kw_only=True, slots=True)
class Packages:
    """All that a spec says of packages. `skipped` are the packages whose scriptlets are left out, with the reason.

    `certificates` are files below `root` that the image shall trust. `engine` is what installs, `commands` are run in
    the base afterwards. `places` is where the names under `upgrade` and `remove` stand, by the key and the name.
    """

    install: tuple[Package, ...] = ()
    upgrade: Upgrade = field(default_factory=Upgrade)
    remove: tuple[str, ...] = ()
    repositories: tuple[RepositoryEntry, ...] = ()
    weak_dependencies: bool = False
    slim: bool = False
    skipped: Mapping[str, str] = field(default_factory=dict)
    certificates: tuple[str, ...] = ()
    engine: str = NATIVE
    commands: tuple[str, ...] = ()
    commands_place: Place | None = field(default=None, compare=False, repr=False)
    places: Mapping[tuple[str, str], Place] = field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def from_document(cls, value: Mapping[str, Any], places: Mapping[str, Place]) -> Self:
        """From a whole spec that the schema has accepted."""
        return cls(
            install=tuple(
                Package.from_document(item, places.get(f"packages.{index}"))
                for index, item in enumerate(value.get("packages", ()))
            ),
            upgrade=Upgrade.from_document(value.get("upgrade")),
            remove=tuple(dict.fromkeys(value.get("remove", ()))),
            repositories=tuple(
                RepositoryEntry.from_document(item, places.get(f"repositories.{index}"))
                for index, item in enumerate(value.get("repositories", ()))
            ),
            weak_dependencies=value.get("weak_dependencies", False),
            slim=value.get("slim", False),
            skipped={
                name: "" if isinstance(item, str) else item["skip"]
                for name, item in value.get("scriptlets", {}).items()
            },
            certificates=tuple(dict.fromkeys(value.get("certificates", ()))),
            engine=value.get("engine", NATIVE),
            commands=tuple(value.get("run", ())),
            commands_place=places.get("run"),
            places={
                (key, name): place
                for key in ("upgrade", "remove")
                if isinstance(value.get(key), list)
                for index, name in enumerate(value[key])
                if (place := places.get(f"{key}.{index}"))
            },
        )

    @property
    def change_something(self) -> bool:
        """True when packages are put into the image, renewed or removed."""
        return bool(self.install or self.remove or self.upgrade.which is not Upgrades.NONE)


def _several(value: str | list[str] | tuple[str, ...]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)
