"""Files out of other images: their layers are brought into the cache, and their merged view is read there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Final

from imagekit.oci.descriptor import Descriptor
from imagekit.oci.manifest import Manifest
from imagekit.oci.ports import Cache, Opener, Source
from imagekit.plan.parts import ImagePart
from imagekit.progress import Progress
from imagekit.rootfs.entry import Item
from imagekit.rootfs.from_image import ImagePath, from_image
from imagekit.rootfs.patterns import Patterns
from imagekit.rootfs.whiteouts import MergedView
from imagekit.values import dataclass

_PIECE: Final = 1 << 18


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageFiles:
    """Reads images; `source` opens an image's name."""

    source: Callable[[str], tuple[Source, str]]
    cache: Cache
    progress: Progress

    def items(self, part: ImagePart) -> Iterator[Item]:
        """The files that a part names, as entries of a layer."""
        source, _ = self.source(part.source)
        manifest = Manifest.from_bytes(source.document(str(part.digest)).data)
        layers = [self._local(source, layer, part.source) for layer in manifest.layers]
        wanted = ImagePath(
            path=part.path,
            target=part.target,
            mode=part.mode,
            patterns=Patterns(include=part.include, exclude=part.exclude),
        )
        yield from from_image(MergedView.from_layers(layers, part.source), layers, part.source, wanted)

    def _local(self, source: Source, layer: Descriptor, name: str) -> Opener:
        """A layer on this disk: it is read twice, and may be wanted by the next build."""
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
