"""Package managers that bases have, and how each is told to install exactly what is locked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Final

from imagekit.errors import BuildFailed
from imagekit.rootfs.base_layout import BaseLayout
from imagekit.values import dataclass

#: The only package repository that is asked, and the file that tells package managers of it.
REPOSITORY: Final = "imagekit"
REPOSITORY_FILE: Final = "etc/yum.repos.d/imagekit.repo"
_ONLY: Final = ("--disablerepo=*", f"--enablerepo={REPOSITORY}")


class Kind(StrEnum):
    """Programs that differ in what they take; the value begins the name of the program behind all links."""

    MICRODNF = "microdnf"
    DNF5 = "dnf5"
    DNF = "dnf"
    YUM = "yum"


#: Words after the program's name, before the packages.
_INSTALL: Final[Mapping[Kind, tuple[str, ...]]] = {
    Kind.MICRODNF: ("install", "-y", *_ONLY, "--setopt=install_weak_deps=0"),
    Kind.DNF5: ("install", "-y", "--no-plugins", *_ONLY, "--setopt=install_weak_deps=0", "--allowerasing"),
    Kind.DNF: (
        *("install", "-y", "--noplugins", *_ONLY, "--setopt=install_weak_deps=0", "--allowerasing"),
        "--disableexcludes=all",
    ),
    Kind.YUM: ("install", "-y", "--noplugins", *_ONLY, "--disableexcludes=all"),
}
_REMOVE: Final[Mapping[Kind, tuple[str, ...]]] = {
    Kind.MICRODNF: ("remove", "-y"),
    Kind.DNF5: ("remove", "-y", "--no-plugins", "--no-autoremove"),
    Kind.DNF: ("remove", "-y", "--noplugins", "--noautoremove"),
    Kind.YUM: ("remove", "-y", "--noplugins", "--setopt=clean_requirements_on_remove=0"),
}
#: Those that let what comes take the place of what it conflicts with.
_ERASING: Final = frozenset({Kind.DNF, Kind.DNF5})


@dataclass(frozen=True, kw_only=True, slots=True)
class Manager:
    """A package manager of a base, by its path there."""

    kind: Kind
    program: str

    @classmethod
    def of(cls, layout: BaseLayout) -> Manager:
        """The one that a base has; raises BuildFailed where it has none."""
        for name in ("dnf", "dnf5", "microdnf", "yum"):
            place = layout.resolved(f"usr/bin/{name}")
            if place in layout.files:
                behind = place.rpartition("/")[2]
                kind = next((kind for kind in Kind if behind.startswith(kind.value)), Kind(name))
                return cls(kind=kind, program=f"/usr/bin/{name}")
        raise BuildFailed(
            "the base has neither dnf, microdnf nor yum, which `engine: docker` installs packages with",
            hint="take `engine: native`, which needs nothing of the base, or a base that has one of them",
        )

    @property
    def name(self) -> str:
        """What messages call it."""
        return self.program.rpartition("/")[2]

    @property
    def erases(self) -> bool:
        """True when what comes may take the place of what it conflicts with; else that has to go before."""
        return self.kind in _ERASING

    def install(self, packages: Iterable[str]) -> tuple[str, ...]:
        """The command that installs packages, by their full names, or brings them up to these versions."""
        return (self.program, *_INSTALL[self.kind], *packages)

    def remove(self, packages: Iterable[str]) -> tuple[str, ...]:
        """The command that removes packages with what needs them, and nothing else."""
        return (self.program, *_REMOVE[self.kind], *packages)


def erase(packages: Iterable[str]) -> tuple[str, ...]:
    """The command that removes packages although others may need them, before what comes in their place."""
    return ("/usr/bin/rpm", "--erase", "--nodeps", *packages)


def repository_file(folder: str) -> bytes:
    """What tells package managers of a repository in a folder of the container."""
    # What is in it was verified before it came there.
    lines = (
        *(f"[{REPOSITORY}]", f"name={REPOSITORY}", f"baseurl=file:///{folder}", "enabled=1"),
        *("gpgcheck=0", "repo_gpgcheck=0", "module_hotfixes=1", "metadata_expire=0", ""),
    )
    return "\n".join(lines).encode()
