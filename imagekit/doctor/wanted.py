"""What a spec wants of the world."""

from __future__ import annotations

from collections.abc import Iterator

from imagekit import base
from imagekit.doctor.remote import Wanted
from imagekit.project import Project
from imagekit.spec.platform import PlatformFromImage
from imagekit.spec.syntax import is_url, layout


def of_project(project: Project) -> Wanted:
    """What a build of the project reads, and where it is pushed to; local images are no matter of hosts."""
    archives = (item.source for spec in project.platforms for item in spec.archives if is_url(item.source))
    return Wanted(
        images=tuple(dict.fromkeys(name for name in _images(project) if name and not layout(name))),
        archives=tuple(dict.fromkeys(archives)),
        repositories=tuple(dict.fromkeys(project.spec.push.to)),
    )


def of_everything() -> Wanted:
    """The bases that imagekit knows."""
    known = (base.read(name).reference for name in base.known())
    return Wanted(images=tuple(dict.fromkeys(filter(None, known))), needed=False)


def _images(project: Project) -> Iterator[str]:
    for spec in project.platforms:
        yield spec.base or project.base.reference
        yield from (item.image for item in spec.files if isinstance(item, PlatformFromImage))
