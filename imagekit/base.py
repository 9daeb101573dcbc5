"""A base operating system, read from its folder in `base_images/`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any, Final, Self

from imagekit import data, datafile
from imagekit.findings import Finding, Place, Severity
from imagekit.packages import PackageRepository
from imagekit.rootfs.base_layout import BaseLayout, Directory
from imagekit.values import dataclass

_FILE: Final = "base.yaml"


@dataclass(frozen=True, kw_only=True, slots=True)
class System:
    """What imagekit itself puts into an image that starts empty: modes and contents by path."""

    directories: Mapping[str, int] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    certificates: tuple[str, ...] = ()

    @classmethod
    def from_mapping(cls, document: Mapping[str, Any]) -> Self:
        """Out of `base.yaml`."""
        return cls(
            directories={path: int(mode, 8) for path, mode in document.get("directories", {}).items()},
            files=dict(document.get("files", {})),
            certificates=tuple(document.get("certificates", ())),
        )

    @property
    def layout(self) -> BaseLayout:
        """What the layers above meet."""
        files = frozenset(path.strip("/") for path in (*self.files, *self.certificates))
        directories = {path.strip("/"): Directory(mode=mode) for path, mode in self.directories.items()}
        for path in (*directories, *files):
            for cut in (number for number, character in enumerate(path) if character == "/"):
                directories.setdefault(path[:cut], Directory())
        return BaseLayout(directories=directories, files=files)


@dataclass(frozen=True, kw_only=True, slots=True)
class Base:
    """One operating system; without a `reference` the image starts empty.

    `layout` is what layers meet: the base's names, or what imagekit itself puts into an empty image first.
    `static_only` says that nothing but a static executable can start there; `empty` are folders without a file.
    """

    name: str
    title: str
    layout: BaseLayout
    reference: str = ""
    package_manager: str = ""
    glibc: str = ""
    end_of_life: date | None = None
    advice: str = ""
    entrypoint: tuple[str, ...] = ()
    working_directory: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    static_only: bool = False
    empty: tuple[str, ...] = ()
    system: System | None = None
    repositories: tuple[PackageRepository, ...] = ()
    #: Packages that another one may take the place of: small stand-ins for what is whole elsewhere.
    replaceable: tuple[str, ...] = ()

    @classmethod
    def from_mapping(cls, name: str, document: Mapping[str, Any]) -> Self:
        """Out of `base.yaml`; `tests/test_data.py` checks every file against its schema."""
        lifecycle = document.get("lifecycle", {})
        ends = lifecycle.get("end_of_life")
        system = System.from_mapping(document["system"]) if "system" in document else None
        return cls(
            name=name,
            title=document["title"],
            layout=system.layout if system else _layout(document),
            reference=document.get("reference", ""),
            package_manager=document.get("package_manager", ""),
            glibc=document.get("glibc", ""),
            end_of_life=date.fromisoformat(ends) if ends else None,
            advice=lifecycle.get("advice", ""),
            entrypoint=tuple(document.get("entrypoint", ())),
            working_directory=document.get("working_directory", ""),
            environment=dict(document.get("environment", {})),
            static_only=document.get("static_only") == "true",
            empty=tuple(document.get("empty", ("/",) if system else ())),
            system=system,
            repositories=tuple(map(PackageRepository.from_mapping, document.get("package_repositories", ()))),
            replaceable=tuple(document.get("replaceable_packages", ())),
        )

    def surely_lacks(self, path: str) -> bool:
        """Whether the base image certainly has no such file."""
        return any(path.startswith(f"{folder.rstrip('/')}/") for folder in self.empty)

    def lifecycle_finding(self, today: date, place: Place | None) -> Finding | None:
        """A warning once the operating system gets no more security updates."""
        if self.end_of_life is None or today <= self.end_of_life:
            return None
        return Finding(
            code="IK0203",
            severity=Severity.WARNING,
            message=f"{self.title} reached its end of life on {self.end_of_life}",
            hint=self.advice,
            place=place,
        )


@cache
def known() -> Mapping[str, Path]:
    """The folders in `base_images/` by name."""
    return data.named(data.base_images(), _FILE)


@cache
def read(name: str) -> Base:
    """The base with this name, which `known` lists."""
    return Base.from_mapping(name, datafile.read(known()[name]))


def _layout(document: Mapping[str, Any]) -> BaseLayout:
    modes = {path: int(mode, 8) for path, mode in document.get("directories", {}).items()}
    return BaseLayout(
        directories={path.strip("/"): Directory(mode=mode) for path, mode in modes.items() if path.strip("/")},
        symlinks={path.strip("/"): target for path, target in document.get("symlinks", {}).items()},
        files=frozenset(path.strip("/") for path in document.get("files", ())),
    )
