"""Paths inside an image that lies in a folder: symlinks lead to where they lead in the image, never out of it."""

from __future__ import annotations

import os
import stat
from typing import Final

from imagekit.emulator.ports import Mount, RootFilesystem
from imagekit.errors import BuildFailed, InvalidFile

_MAX_LINKS: Final = 40


def real(folder: str, path: str) -> str:
    """Where a path leads, relative to `folder`, whose content does not change; raises OSError when it leads nowhere."""
    trail: list[str] = []
    waiting = path.split("/")[::-1]
    links = 0
    while waiting:
        name = waiting.pop()
        if name in {"", "."}:
            continue
        if name == "..":
            del trail[-1:]
            continue
        here = "/".join([folder, *trail, name])
        if not stat.S_ISLNK(os.lstat(here).st_mode):
            trail.append(name)
            continue
        links += 1
        if links > _MAX_LINKS:
            raise OSError(f"too many symlinks: {path}")
        target = os.readlink(here)
        if target.startswith("/"):
            trail.clear()
        waiting += target.split("/")[::-1]
    return "/".join(trail)


def folder_in(image: RootFilesystem, path: str) -> str:
    """Where a folder of an image really is; raises BuildFailed when there is none."""
    try:
        found = real(image.folder, path)
        if os.path.isdir(f"{image.folder}/{found}"):
            return found
    except OSError:
        found = ""
    raise BuildFailed(
        f"{image.reference} has no folder {path} to mount something on",
        hint="mount on a folder that the image has, or let the image make it",
    )


def file_in(image: RootFilesystem, path: str) -> str:
    """Where a file of an image really is; empty when there is none."""
    try:
        found = real(image.folder, path)
    except OSError:
        return ""
    return found if os.path.isfile(f"{image.folder}/{found}") else ""


def source_of(mount: Mount) -> str:
    """The folder of this machine that is mounted; raises InvalidFile when there is none."""
    if not os.path.isdir(mount.source):
        raise InvalidFile(f"{mount.source} is no folder; it cannot be mounted", hint="name a folder with --mount")
    return os.path.realpath(mount.source)
