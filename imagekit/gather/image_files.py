"""Files out of other images: their merged view, read from the image's store."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from imagekit.oci.manifest import Manifest
from imagekit.oci.ports import Cache, Source
from imagekit.plan.parts import ImagePart
from imagekit.progress import Progress
from imagekit.rootfs.entry import Item


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageFiles:
    """Reads images; `source` opens an image's name."""

    source: Callable[[str], tuple[Source, str]]
    cache: Cache
    progress: Progress

    def items(self, part: ImagePart) -> Iterator[Item]:
        """The files that a part names, as entries of a layer."""
        from imagekit.rootfs.whiteouts import files_of

        source, _ = self.source(part.source)
        manifest = Manifest.from_bytes(source.document(str(part.digest)).data)
        yield from files_of(source, manifest, part)
