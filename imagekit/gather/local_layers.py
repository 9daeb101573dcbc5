"""The layers of an image on this disk, where they can be read more than once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Final

from imagekit.oci.descriptor import Descriptor
from imagekit.oci.ports import Cache, Opener, Source
from imagekit.progress import Progress
from imagekit.values import dataclass

_PIECE: Final = 1 << 18


@dataclass(frozen=True, kw_only=True, slots=True)
class LocalLayers:
    """Brings layers into the cache: the next build may want them too, and a push need not ask for them again."""

    cache: Cache
    progress: Progress

    def openers(self, source: Source, layers: Sequence[Descriptor], name: str) -> list[Opener]:
        """What opens each of the layers, lowest first; `name` is what the user calls the image."""
        return [self._opener(source, layer, name) for layer in layers]

    def _opener(self, source: Source, layer: Descriptor, name: str) -> Opener:
        path = self.cache.blob(layer.digest)
        if path is None:
            with self.progress.task(f"{name} {layer.digest.short}", layer.size) as task, self.cache.writer() as writer:
                with source.blob(layer) as pieces:
                    for piece in pieces:
                        writer.file.write(piece)
                        task.advance(len(piece))
                path = writer.commit(layer.digest)
        return partial(_opened, path)


@contextmanager
def _opened(path: str) -> Iterator[Iterator[bytes]]:
    with open(path, "rb", buffering=0) as file:
        yield iter(partial(file.read, _PIECE), b"")
