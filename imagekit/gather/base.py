"""What is known of a base: its manifest and config, and the names in its file system that layers meet."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

from imagekit import images
from imagekit.architecture import Architecture
from imagekit.base import Base
from imagekit.facts import layout_from_bytes
from imagekit.lock import LockedImage
from imagekit.oci.image import Image
from imagekit.oci.ports import Cache, Source
from imagekit.plan.layers import check_base
from imagekit.progress import Progress
from imagekit.rootfs.base_layout import BaseLayout
from imagekit.values import dataclass

_LAYOUTS: Final = "base-layout"


@dataclass(frozen=True, kw_only=True, slots=True)
class BaseReader:
    """Reads bases; `source` opens an image's name."""

    cache: Cache
    progress: Progress
    source: Callable[[str], tuple[Source, str]]

    def image(self, locked: LockedImage, architecture: Architecture) -> Image:
        """The base's manifest and config; raises BuildFailed for a base that Lambda would refuse."""
        source, _ = self.source(locked.reference)
        image = images.read(source, locked.manifest, architecture, locked.reference)
        check_base(image, locked.reference)
        return image

    def layout(self, base: Base, locked: LockedImage | None, image: Image | None) -> BaseLayout:
        """What `base.yaml` says of the system's own base; any other one is read, once per digest."""
        if locked is None or image is None or locked.reference == base.reference:
            return base.layout
        key = str(locked.manifest)
        kept = self.cache.record(_LAYOUTS, key)
        if kept is not None:
            return layout_from_bytes(kept)
        from imagekit.rootfs.whiteouts import layout_of

        source, _ = self.source(locked.reference)
        with self.progress.task(f"reading the file names of {locked.reference}"):
            layers = [partial(source.blob, layer) for layer in image.manifest.layers]
            layout = layout_of(layers, locked.reference)
        self.cache.keep(_LAYOUTS, key, layout.record)
        return layout
