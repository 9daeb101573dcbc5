"""What on this disk an image is made of, judged by the spec alone: what changes it, and what cannot."""

from __future__ import annotations

import os
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Final

from imagekit import data
from imagekit.project import Project
from imagekit.rootfs.patterns import IGNORE_FILE, Patterns
from imagekit.rootfs.walk import ALWAYS_OUT
from imagekit.spec.model import FromDisk, Step
from imagekit.spec.platform import PlatformFromImage, PlatformProgram, PlatformSpec
from imagekit.spec.syntax import is_url, layout
from imagekit.values import dataclass

#: Symlinks on the way to one path; a system follows no more (path_resolution(7)).
_MAX_LINKS: Final = 40


@dataclass(frozen=True, kw_only=True, slots=True)
class Read:
    """A file, or a folder with what is below it, as far as patterns choose it; `path` is absolute."""

    path: str
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()

    def chooser(self) -> Callable[[str], bool]:
        """Whether a path below it, relative to it, is chosen."""
        matcher = Patterns(include=self.include, exclude=self.exclude).matcher()

        def chosen(below: str) -> bool:
            names = below.split("/")
            if names[-1] == IGNORE_FILE:  # what it leaves out is another question; that it changed is the answer
                return True
            return ALWAYS_OUT.isdisjoint(names) and (
                matcher is None or (matcher.includes(below) and not matcher.excludes(below))
            )

        return chosen


def reads(project: Project, lock: str) -> tuple[Read, ...]:
    """All that the image is made of, and its tests; `lock` is the lock's path.

    imagekit's own data counts too: it lies in a checkout of imagekit. A step without `inputs` may read all of `root`.
    """
    found = [*project.spec.sources, lock, str(data.base_images() / project.spec.os)]
    found.append(str(data.languages() / project.spec.language))
    everything = [Read(path=os.path.abspath(path)) for path in found]
    for platform in project.platforms:
        everything += _of_platform(platform)
    return tuple(dict.fromkeys(everything))


def changed(read: Read, paths: Sequence[str]) -> bool:
    """Whether one of the paths, absolute and sorted, is what is read, or lies below it, or above it as a submodule."""
    real = _real(read.path)
    if any(_is_there(paths, place) for place in (*_above(real), *_links(read.path))):
        return True
    below = f"{real}/"
    start = bisect_left(paths, below)
    if start == len(paths) or not paths[start].startswith(below):
        return False
    chosen = read.chooser()
    for path in paths[start:]:
        if not path.startswith(below):
            return False
        if chosen(path.removeprefix(below)):
            return True
    return False


@cache
def _real(path: str) -> str:
    return os.path.realpath(path)


@cache
def _links(path: str) -> tuple[str, ...]:
    """Every symlink on the way to a path, by where it lies: one that leads elsewhere now changes what is read."""
    found: list[str] = []
    waiting = [path]
    while waiting and len(found) < _MAX_LINKS:
        parent, name = os.path.split(waiting.pop())
        if not name:
            continue
        place = os.path.join(_real(parent), name)
        if os.path.islink(place) and place not in found:
            found.append(place)
            waiting.append(os.path.join(_real(parent), os.readlink(place)))
        waiting.append(parent)
    return tuple(found)


def _above(path: str) -> Iterator[str]:
    """The path itself and every folder above it."""
    while path != "/":
        yield path
        path = os.path.dirname(path)


def _is_there(paths: Sequence[str], path: str) -> bool:
    found = bisect_left(paths, path)
    return found < len(paths) and paths[found] == path


def _of_platform(spec: PlatformSpec) -> Iterator[Read]:
    for item in spec.files:
        if isinstance(item, FromDisk):
            yield Read(path=_below(spec, item.source), include=item.include, exclude=item.exclude)
            yield from (Read(path=os.path.join(folder, IGNORE_FILE)) for folder in _up_to_root(spec, item.source))
    for path in _names(spec):
        yield Read(path=_below(spec, path))
    for step in spec.build:
        yield _of_step(spec, step)


def _names(spec: PlatformSpec) -> Iterator[str]:
    """Single files and image layouts that the spec names, relative to its root."""
    images = [item.image for item in spec.files if isinstance(item, PlatformFromImage)]
    yield from filter(None, map(layout, (spec.base or "", *images)))
    yield from (item.source for item in spec.archives if not is_url(item.source))
    yield from (item.name for item in spec.packages.install if item.is_local)
    yield from (key for item in spec.packages.repositories for key in item.gpgkey if not is_url(key))
    yield from spec.packages.certificates
    for test in spec.tests:
        yield from (one.file for one in (test.event, test.answer) if one and one.file)
    if isinstance(spec.bootstrap, PlatformProgram):
        yield spec.bootstrap.path


def _of_step(spec: PlatformSpec, step: Step) -> Read:
    if step.inputs is None:
        return Read(path=os.path.abspath(spec.root))
    return Read(path=_below(spec, step.directory), include=step.inputs)


def _up_to_root(spec: PlatformSpec, source: str) -> Iterator[str]:
    """The folders above a source, up to the spec's root: each may say what stays out."""
    root = os.path.normpath(os.path.abspath(spec.root))
    folder = _below(spec, source)
    while folder.startswith(f"{root}/"):
        folder = os.path.dirname(folder)
        yield folder


def _below(spec: PlatformSpec, path: str) -> str:
    return os.path.normpath(os.path.join(os.path.abspath(spec.root), path))
