"""Files out of other images: their layers are brought into the cache, and their merged view is read there."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from imagekit.gather.local_layers import LocalLayers
from imagekit.oci.manifest import Manifest
from imagekit.oci.ports import Cache, Source
from imagekit.plan.parts import ImagePart
from imagekit.progress import Progress
from imagekit.rootfs.entry import Item
from imagekit.rootfs.from_image import ImagePath, from_image
from imagekit.rootfs.patterns import Patterns
from imagekit.rootfs.whiteouts import MergedView
from imagekit.values import dataclass


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
        local = LocalLayers(cache=self.cache, progress=self.progress)
        layers = local.openers(source, manifest.layers, part.source)
        wanted = ImagePath(
            path=part.path,
            target=part.target,
            mode=part.mode,
            patterns=Patterns(include=part.include, exclude=part.exclude),
        )
        yield from from_image(MergedView.from_layers(layers, part.source), layers, part.source, wanted)
