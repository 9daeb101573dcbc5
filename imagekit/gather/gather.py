"""Gathering for all platforms of a project: host steps first, then what lies on disk, then the base."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from imagekit import parallel
from imagekit.gather import dependencies
from imagekit.gather.base import BaseReader
from imagekit.gather.facts import FactsReader
from imagekit.gather.inputs import Gathered, Gatherer
from imagekit.gather.trust import Trust
from imagekit.lock import Lock
from imagekit.oci.image import Image
from imagekit.oci.ports import Cache, Source
from imagekit.placed import At
from imagekit.plan.parts import ImagePart
from imagekit.progress import Progress
from imagekit.project import Project
from imagekit.rootfs.base_layout import BaseLayout
from imagekit.rootfs.entry import Item
from imagekit.spec.platform import PlatformSpec
from imagekit.values import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Surroundings:
    """What gathering needs of the world; `folder` is where logs go, `now` gives seconds since 1970."""

    cache: Cache
    progress: Progress
    source: Callable[[str], tuple[Source, str]]
    environment: Mapping[str, str]
    machine: str
    folder: Path
    now: Callable[[], float]
    left_out: frozenset[str]


def gather(project: Project, lock: Lock, around: Surroundings, *, build: bool) -> tuple[Gathered, ...]:
    """The inputs of each platform; with `build` the host steps run first, without it nothing is executed."""
    gatherer = Gatherer(
        cache=around.cache,
        now_ns=lambda: int(around.now() * 1e9),
        language=project.language,
        left_out=around.left_out,
        is_built=build,
        scratch=around.folder,
        database=FactsReader(cache=around.cache, progress=around.progress, source=around.source).database,
        static_only=project.base.static_only,
        trust=Trust.of(project),
    )
    if build:
        _make(project, lock, gatherer, around)
    bases = _bases(project, lock, around)
    return tuple(
        gatherer.gather(spec, lock.at(spec.architecture.name), image, layout)
        for spec, (image, layout) in zip(project.platforms, bases, strict=True)
    )


def _bases(project: Project, lock: Lock, around: Surroundings) -> tuple[tuple[Image | None, BaseLayout], ...]:
    """Each platform's base, side by side: where nothing is kept of it yet, each is a few questions to its registry."""
    reader = BaseReader(cache=around.cache, progress=around.progress, source=around.source)

    def read(spec: PlatformSpec) -> tuple[Image | None, BaseLayout]:
        locked = lock.at(spec.architecture.name).base
        with At(project.base_place):
            image = reader.image(locked, spec.architecture) if locked else None
            return image, reader.layout(project.base, locked, image)

    return parallel.each(read, project.platforms, len(project.platforms))


def image_items(
    part: ImagePart, source: Callable[[str], tuple[Source, str]], cache: Cache, progress: Progress
) -> Iterator[Item]:
    """The files that a part takes out of another image, as entries of a layer."""
    from imagekit.gather.image_files import ImageFiles

    return ImageFiles(source=source, cache=cache, progress=progress).items(part)


def _make(project: Project, lock: Lock, gatherer: Gatherer, around: Surroundings) -> None:
    """Run the build: its steps, on this machine and in containers, and what installs dependencies.

    What no platform can do without is asked for before the first command of any runs.
    """
    wanted = [(spec, dependencies.find(spec, project.language, around.folder)) for spec in project.platforms]
    if not any(spec.build or installation for spec, installation in wanted):
        return
    from imagekit.gather import install, steps
    from imagekit.gather.engines import Engines
    from imagekit.gather.workshop import Workshop, users

    root = os.path.abspath(project.spec.root)
    engines = Engines(
        environment=around.environment,
        source=around.source,
        lock=lock,
        cache=around.cache,
        progress=around.progress,
    )
    workshop = Workshop(
        machine=around.machine,
        environment=users(around.environment),
        folder=around.folder,
        cache=around.cache,
        progress=around.progress,
        inputs=lambda folder, patterns: gatherer.digest_of(folder, patterns, root),
        state=lambda folder: gatherer.digest_of(folder, (), str(folder)),
        tree=lambda folder, include, exclude: gatherer.tree_of(folder, include, exclude, root),
        engines=engines,
        specs=project.every_platform,
    )
    with engines:
        for step, installing in ((steps.check, install.check), (steps.run, install.install)):
            for spec, installation in wanted:
                if spec.build:
                    step(spec, project.language, workshop)
                if installation:
                    installing(spec, project.language, installation, workshop)
