"""The spec of one platform as values: every placeholder filled in, nothing left that depends on the architecture."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from imagekit.architecture import Architecture
from imagekit.findings import Place
from imagekit.spec.bootstrap import STARTED, Client
from imagekit.spec.expectation import Expectation
from imagekit.spec.model import FromDisk, Kind, Push, Step
from imagekit.spec.packages import Packages
from imagekit.values import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class PlatformArchive:
    """An archive for one platform; `source` is its URL, or a path below `root`."""

    source: str
    target: str
    strip: int = 0
    sha256: str | None = None
    place: Place | None = field(default=None, compare=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class PlatformFromImage:
    """Files out of another image for one platform; `image` is a reference or `oci:DIR`."""

    image: str
    source: str
    target: str
    mode: int | None = None
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    place: Place | None = field(default=None, compare=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class PlatformProgram:
    """The executable below `root` that Lambda starts on one platform."""

    path: str
    place: Place | None = field(default=None, compare=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class PlatformSpec:
    """What the user asked for on one platform.

    The values of `environment` may hold `{base.NAME}`; the base image's own values are filled in by
    `placeholders.expand` when they are known, and those of `repositories` `{releasever}`. All else is concrete.
    `bootstrap` is None where what starts is among `files`.
    """

    path: str
    kind: Kind
    name: str
    language: str
    version: str | None
    os: str
    architecture: Architecture
    base: str | None
    root: str
    handler: str | None
    bootstrap: PlatformProgram | Client | None
    build: tuple[Step, ...]
    archives: tuple[PlatformArchive, ...]
    files: tuple[FromDisk | PlatformFromImage, ...]
    environment: Mapping[str, str]
    labels: Mapping[str, str]
    push: Push
    tests: tuple[Expectation, ...] = ()
    default_build: bool = False
    packages: Packages = field(default_factory=Packages)

    @property
    def started(self) -> str:
        """The path of the image's program that starts, behind the runtime client where that is in front of it."""
        command = self.bootstrap.command if isinstance(self.bootstrap, Client) else ()
        return command[0] if command else STARTED
