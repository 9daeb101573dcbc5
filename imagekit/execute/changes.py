"""Watching what an image is built from, by the times and sizes of files: no program of the system's is needed."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from threading import Event, Thread
from types import TracebackType
from typing import Final, Self

from imagekit.project import Project
from imagekit.rootfs.walk import ALWAYS_OUT
from imagekit.spec.model import FromDisk

#: Seconds between two looks.
_PAUSE: Final = 0.2


def watched(project: Project) -> tuple[str, ...]:
    """The files and folders of a project: its spec, what that extends, and what goes into the image from this disk."""
    root, platform = project.spec.root, project.platforms[0]
    named = [item.source for item in platform.files if isinstance(item, FromDisk)]
    folders = [step.directory for step in platform.build]
    return tuple(dict.fromkeys((*project.spec.sources, *(os.path.join(root, name) for name in (*named, *folders)))))


class Watch:
    """A context in which `changed` says what changed first, and `then` is called, once, from another thread."""

    def __init__(self, paths: Iterable[str], then: Callable[[], None]) -> None:
        self.changed = ""
        self._paths = tuple(paths)
        self._then = then
        self._end = Event()
        self._thread = Thread(target=self._look, name="watches files", daemon=True)

    def __enter__(self) -> Self:
        self._seen = dict(_stamps(self._paths))
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._end.wait(_PAUSE):
            now = dict(_stamps(self._paths))
            other = [path for path in now.keys() | self._seen.keys() if now.get(path) != self._seen.get(path)]
            if other:
                self.changed = min(other)
                self._then()
                return


def _stamps(paths: Iterable[str]) -> Iterator[tuple[str, tuple[int, int, int]]]:
    """Each file below the paths with what changes when it does."""
    waiting = list(paths)
    while waiting:
        path = waiting.pop()
        try:
            state = os.stat(path)
            if os.path.isdir(path):
                with os.scandir(path) as entries:
                    waiting.extend(entry.path for entry in entries if entry.name not in ALWAYS_OUT)
            else:
                yield path, (state.st_mtime_ns, state.st_size, state.st_ino)
        except OSError:
            continue  # it went meanwhile: that is a change when it was there before
