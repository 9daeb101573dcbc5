"""A spec together with what imagekit knows of its language and its operating system: one spec for each platform."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import Self

from imagekit import base, language
from imagekit.architecture import Architecture
from imagekit.base import Base
from imagekit.errors import InvalidSpec, UsageError, WrongChecksum
from imagekit.findings import Finding, Place, Severity
from imagekit.language import Language
from imagekit.lock import PlatformRequest, Request
from imagekit.packages import PackageRequest, together
from imagekit.rootfs import root
from imagekit.spec.bootstrap import Client
from imagekit.spec.flatten import for_platform
from imagekit.spec.known import Known
from imagekit.spec.load import load
from imagekit.spec.model import BASE, Kind, Spec
from imagekit.spec.packages import NATIVE, Package
from imagekit.spec.platform import PlatformFromImage, PlatformSpec
from imagekit.spec.syntax import is_url, label, layout
from imagekit.values import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Project:
    """What a command works on. `warnings` are those of the spec and of its operating system."""

    spec: Spec
    language: Language
    base: Base
    platforms: tuple[PlatformSpec, ...]
    warnings: tuple[Finding, ...]

    @classmethod
    def load(
        cls,
        path: str,
        read: Callable[[str], bytes],
        *,
        overrides: Sequence[str] = (),
        cwd: str = "",
        today: date,
    ) -> Self:
        """The project of the spec at `path`; raises InvalidSpec with all that is wrong with it."""
        spec, found = load(path, read, known(), overrides, cwd)
        used, system = language.read(spec.language), base.read(spec.os)
        complete = used.complete(spec)
        lifecycle = system.lifecycle_finding(today, spec.places.get("os"))
        refused = tuple(_not_together(spec, used, system))
        if refused:
            raise InvalidSpec((*found, *refused))
        platforms = tuple(for_platform(complete, item, used.words(item)) for item in complete.architectures)
        missing = next((item for item in platforms if _lacks_command(item, system)), None)
        return cls(
            spec=complete,
            language=used,
            base=system,
            platforms=platforms,
            warnings=(
                *found,
                *((lifecycle,) if lifecycle else ()),
                *((_command_missing(missing),) if missing else ()),
            ),
        )

    def only(self, architectures: Sequence[Architecture]) -> Self:
        """The same with some of its platforms; all when none is named. Raises UsageError for one that it lacks."""
        lacking = [item for item in architectures if item not in self.spec.architectures]
        if lacking:
            raise UsageError(
                f"the spec is not for {lacking[0].platform}",
                hint=f"add {lacking[0]} to `architectures`, or leave --platform out",
            )
        if not architectures:
            return self
        return replace(self, platforms=tuple(item for item in self.platforms if item.architecture in architectures))

    def request(self, digest: Callable[[str, Place | None], str], *, everywhere: bool = False) -> Request:
        """What has to be resolved, for all platforms of the spec; `digest` gives the sha256 of a local package file.

        With `everywhere` package repositories are part of it also where the spec asks for no packages.

        Raises InvalidFile for a `root` that is no folder, and for a local image or package outside it.
        """
        everything = self.every_platform
        root.check(self.spec.root, self.spec.places.get("root"))
        for platform in everything:
            self._check_images(platform)
        requests = [_request(item, self.base, digest) for item in everything]
        if everywhere and self.base.repositories:
            requests = [
                replace(one, packages=_packages(item, self.base, digest))
                for one, item in zip(requests, everything, strict=True)
            ]
        if len(self.spec.architectures) == 1:
            requests = [
                replace(one, packages=one.packages and replace(one.packages, is_alone=True)) for one in requests
            ]
        return Request(platforms=tuple(requests))

    @property
    def every_platform(self) -> tuple[PlatformSpec, ...]:
        """All platforms of the spec, whichever are worked on."""
        return tuple(for_platform(self.spec, item, self.language.words(item)) for item in self.spec.architectures)

    @property
    def base_place(self) -> Place | None:
        """Where the spec says what the image is built on."""
        return self.spec.places.get("base") or self.spec.places.get("os")

    def _check_images(self, platform: PlatformSpec) -> None:
        """Local images lie below `root`, as all that a spec names on this disk."""
        named = [(item.image, item.place) for item in platform.files if isinstance(item, PlatformFromImage)]
        named += [(step.image, step.place) for step in platform.build]
        for name, place in ((platform.base or "", self.base_place), *named):
            if path := layout(name):
                real = os.path.realpath(os.path.join(platform.root, path))
                root.inside(platform.root, real, name, place)

    def labelled(self, labels: Mapping[str, str]) -> Self:
        """The same with more labels, which win over the spec's; raises UsageError for a name that is none."""
        for name in labels:
            if problem := label(name):
                raise UsageError(f"--label: {problem.message}", hint=problem.hint)
        platforms = tuple(replace(item, labels={**item.labels, **labels}) for item in self.platforms)
        return replace(self, platforms=platforms)


def known() -> Known:
    """The names that a spec may use."""
    return Known(languages=language.Languages(language.known()), systems=tuple(base.known()))


def _request(spec: PlatformSpec, system: Base, digest: Callable[[str, Place | None], str]) -> PlatformRequest:
    images = [item.image for item in spec.files if isinstance(item, PlatformFromImage)]
    images += [step.image for step in spec.build if step.image]
    return PlatformRequest(
        architecture=spec.architecture.name,
        base=spec.base or system.reference,
        images=tuple(dict.fromkeys(images)),
        archives={item.source: item.sha256 or "" for item in spec.archives if is_url(item.source)},
        packages=_packages(spec, system, digest) if spec.packages.change_something else None,
        engine="" if spec.packages.engine == NATIVE else spec.packages.engine,
    )


def _packages(spec: PlatformSpec, system: Base, digest: Callable[[str, Place | None], str]) -> PackageRequest:
    asked, one = spec.packages, spec.architecture
    known = [item.at(one.rpm, one.oci, one.name) for item in system.repositories]
    return PackageRequest(
        architecture=one.rpm,
        install=tuple(dict.fromkeys(item.name for item in asked.install if not (item.is_url or item.is_local))),
        files={
            item.name: item.sha256 if item.is_url else _pinned(spec, item, digest)
            for item in asked.install
            if item.is_url or item.is_local
        },
        remove=asked.remove,
        upgrade=asked.upgrade,
        weak_dependencies=asked.weak_dependencies,
        repositories=together(known, asked.repositories),
        replaceable=system.replaceable,
        places={**asked.places, **{("packages", item.name): item.place for item in asked.install if item.place}},
    )


def _pinned(spec: PlatformSpec, item: Package, digest: Callable[[str, Place | None], str]) -> str:
    """The sha256 of a package file below `root`; raises WrongChecksum when it is another one than the spec says."""
    path = os.path.join(spec.root, item.name)
    root.inside(spec.root, os.path.realpath(path), item.name, item.place)
    found = digest(path, item.place)
    if item.sha256 and found != item.sha256:
        raise WrongChecksum(f"{item.name} has another checksum: expected {item.sha256}, got {found}", place=item.place)
    return found


def _lacks_command(spec: PlatformSpec, system: Base) -> bool:
    """Whether what is started is certainly not in the image: nothing is known of a base of the spec's own, of packages,
    and of what is added to a runtime's image later."""
    start = spec.bootstrap
    if not isinstance(start, Client) or not start.command or spec.base or spec.packages.install:
        return False
    path = start.command[0]
    brought = any(f"{path}/".startswith(f"{item.target.rstrip('/')}/") for item in (*spec.files, *spec.archives))
    return spec.kind is Kind.FUNCTION and not brought and system.surely_lacks(path)


def _command_missing(spec: PlatformSpec) -> Finding:
    start = spec.bootstrap
    assert isinstance(start, Client)
    return Finding(
        code="IK0207",
        severity=Severity.WARNING,
        message=f"nothing brings {start.command[0]}, which is what is started, and {spec.os} does not have it",
        hint="bring it with `archives`, `files` or `packages`, or say in `bootstrap` where it is",
        place=start.place,
    )


def _not_together(spec: Spec, used: Language, system: Base) -> Iterator[Finding]:
    """A language may not be had on every operating system, nor may packages."""
    place = spec.places.get("os")
    if spec.os not in used.systems:
        yield Finding(
            code="IK0204",
            message=f"{used.title} is not available on {spec.os}",
            hint=f"set `os` to one of {', '.join(used.systems)}",
            place=place,
        )
    yield from _newer_glibc(spec, used, system)
    yield from _nothing_to_build_in(spec, system)
    if not system.package_manager:
        yield from _without_packages(spec)


def _without_packages(spec: Spec) -> Iterator[Finding]:
    """What is said of packages where there are none, and cannot be any."""
    asked = spec.packages
    if asked.change_something:
        yield Finding(
            code="IK0205",
            message=f"{spec.os} has no packages",
            hint="choose another `os`, or bring what you need with `archives` or `files`",
            place=asked.install[0].place if asked.install else spec.places.get("os"),
        )
    about = {
        "repositories": asked.repositories,
        "weak_dependencies": asked.weak_dependencies,
        "slim": asked.slim,
        "scriptlets": asked.skipped,
        "engine": asked.engine != NATIVE,
    }
    for key in (key for key, value in about.items() if value):
        yield Finding(
            code="IK0205",
            message=f"{spec.os} has no packages that `{key}` could be about",
            hint="take it out, or choose another `os`",
            place=spec.places.get(key),
        )
    if asked.commands:
        yield Finding(
            code="IK0205",
            message=f"{spec.os} has no shell that `run` could be run by",
            hint="choose another `os`, or bring what you need with `archives` or `files`",
            place=asked.commands_place,
        )


def _nothing_to_build_in(spec: Spec, system: Base) -> Iterator[Finding]:
    """An empty base holds nothing that could run a command."""
    for step in spec.build or ():
        if step.where == BASE and not (spec.base or system.reference):
            yield Finding(
                code="IK0209",
                message=f"{spec.os} is empty: no command can run in it",
                hint="name an image under `in`, or leave it out: then the step runs on this machine",
                place=step.place,
            )


def _newer_glibc(spec: Spec, used: Language, system: Base) -> Iterator[Finding]:
    """An interpreter out of an archive starts with the glibc that it was linked against, or a newer one."""
    needed, since = used.needed_glibc(spec)
    if not (needed and system.glibc) or language.numbers(needed) <= language.numbers(system.glibc):
        return
    enough = [name for name in used.systems if language.numbers(needed) <= language.numbers(base.read(name).glibc)]
    yield Finding(
        code="IK0208",
        message=f"{used.title} {spec.version} out of its archive needs glibc {needed}, {spec.os} has {system.glibc}",
        hint=f"set `os` to {' or '.join(enough)}, choose a version before {since}, or bring one that was built for "
        "less with `archives`",
        place=spec.places.get("version"),
    )
