"""What a spec wants of the world."""

from __future__ import annotations

from collections.abc import Iterator

from imagekit import base
from imagekit.doctor.remote import Wanted
from imagekit.packages import together
from imagekit.project import Project
from imagekit.spec.platform import PlatformFromImage
from imagekit.spec.syntax import is_url, layout


def of_project(project: Project) -> Wanted:
    """What a build of the project reads, and where it is pushed to; local images are no matter of hosts."""
    archives = (item.source for spec in project.platforms for item in spec.archives if is_url(item.source))
    return Wanted(
        images=tuple(dict.fromkeys(name for name in _images(project) if name and not layout(name))),
        archives=tuple(dict.fromkeys(archives)),
        packages=tuple(dict.fromkeys(_package_repositories(project))),
        repositories=tuple(dict.fromkeys(project.spec.push.to)),
    )


def of_everything() -> Wanted:
    """The bases that imagekit knows."""
    known = (base.read(name).reference for name in base.known())
    return Wanted(images=tuple(dict.fromkeys(filter(None, known))), needed=False)


def _package_repositories(project: Project) -> Iterator[str]:
    """What is asked first of each package repository, for specs whose packages are not the base's own alone.

    A path with the base's release is known when the base is read, and not here: then it ends before that.
    """
    for spec in project.platforms:
        asked, one = spec.packages, spec.architecture
        if not asked.change_something:
            continue
        known = [item.at(one.rpm, one.oci, one.name) for item in project.base.repositories]
        for item in together(known, asked.repositories):
            url = item.of_release("").url if item.release else item.url
            first = url if item.mirrorlist and not item.baseurl else f"{url.rstrip('/')}/repodata/repomd.xml"
            head, brace, _ = first.partition("{")
            if is_url(first):
                yield f"{head.rpartition('/')[0]}/" if brace else first


def _images(project: Project) -> Iterator[str]:
    for spec in project.platforms:
        yield spec.base or project.base.reference
        yield from (item.image for item in spec.files if isinstance(item, PlatformFromImage))
        yield from (step.image for step in spec.build if step.image)
