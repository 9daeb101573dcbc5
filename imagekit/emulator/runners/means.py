"""What runners are given: settings, a folder, and the image as an archive."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import field

from imagekit.emulator.ports import RootFilesystem
from imagekit.values import dataclass

#: Gives an image as a stream that `docker load` takes, in pieces.
Archive = Callable[[RootFilesystem], AbstractContextManager[Iterable[bytes]]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Means:
    """`environment` is imagekit's own (PATH, DOCKER_HOST …); `folder` is one for small files that may be kept.

    `archive` is asked when an engine lacks the image; without it the engine pulls what the reference names.
    """

    environment: Mapping[str, str] = field(default_factory=dict)
    folder: str = ""
    archive: Archive | None = None

    def program(self, *names: str) -> str:
        """The path of the first of these programs that is installed; empty when none is."""
        for name in names:
            for folder in self.environment.get("PATH", os.defpath).split(os.pathsep):
                path = f"{folder}/{name}"
                if folder.startswith("/") and os.path.isfile(path) and os.access(path, os.X_OK):
                    return path
        return ""
