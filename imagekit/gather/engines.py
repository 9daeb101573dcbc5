"""The container engine of a run, reached when the first step needs it, and the images that steps run in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

from imagekit.architecture import Architecture
from imagekit.lock import Lock, LockedImage
from imagekit.oci.ports import Cache, Source
from imagekit.progress import Progress

if TYPE_CHECKING:
    from imagekit.containers.connection import Engine

_OTHERWISE: Final = "or build on this machine, with `in: host`"


class Engines:
    """A context; `source` opens an image's name, `lock` says which bytes stand behind it."""

    def __init__(
        self,
        *,
        environment: Mapping[str, str],
        source: Callable[[str], tuple[Source, str]],
        lock: Lock,
        cache: Cache,
        progress: Progress,
    ) -> None:
        self._environment = environment
        self._source = source
        self._lock = lock
        self._cache = cache
        self._progress = progress
        self._stack = ExitStack()
        self._engine: Engine | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def engine(self) -> Engine:
        """The engine, connected; raises Missing."""
        if self._engine is None:
            from imagekit.containers.connection import connected

            self._engine = self._stack.enter_context(connected(self._environment, otherwise=_OTHERWISE))
        return self._engine

    def locked(self, name: str, architecture: Architecture) -> LockedImage:
        """What the lock says of an image; of the base for an empty name."""
        platform = self._lock.at(architecture.name)
        if name:
            return platform.images[name]
        assert platform.base, "a spec without a base has no steps in it"
        return platform.base

    def image(self, locked: LockedImage, architecture: Architecture) -> str:
        """The engine's name of an image, loaded unless it is there; raises BuildFailed, Missing, RemoteFailed."""
        from imagekit import images as images_of
        from imagekit.containers import images
        from imagekit.execute.image import LocalImage
        from imagekit.gather.local_layers import LocalLayers

        source, _ = self._source(locked.reference)
        layers = LocalLayers(cache=self._cache, progress=self._progress)
        local = LocalImage(
            name=locked.reference,
            architecture=architecture,
            image=images_of.read(source, locked.manifest, architecture, locked.reference),
            # Brought into the cache, where packages and a push find them too, when the engine wants them.
            open=lambda layer: layers.openers(source, [layer], locked.reference)[0],
        )
        picture = images.Picture(
            reference=local.reference,
            architecture=architecture,
            diff_ids=local.image.config.diff_ids,
            archive=local.archive,
        )
        with self._progress.task(f"{locked.reference} for {architecture}, for the container engine") as task:
            return images.ready(self.engine(), picture, lambda: task.say("loaded"))
