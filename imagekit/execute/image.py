"""An image that is to run here: what it says of itself, and where the bytes of its layers are."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Self

from imagekit import images
from imagekit.architecture import Architecture
from imagekit.emulator.ports import RootFilesystem
from imagekit.oci.descriptor import Descriptor
from imagekit.oci.digest import Digest
from imagekit.oci.image import Image
from imagekit.oci.ports import Opener, Source
from imagekit.rootfs.unpack import Layer, unpacked
from imagekit.values import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class LocalImage:
    """One platform's image; `name` is what messages call it, `open` gives a layer's blob wherever it is."""

    name: str
    architecture: Architecture
    image: Image
    open: Callable[[Descriptor], Opener]

    @classmethod
    def from_source(cls, source: Source, selector: str, architecture: Architecture, name: str) -> Self:
        """Out of a registry, a layout or an archive; raises RemoteFailed, and InvalidFile for another platform's."""
        found = images.find(source, selector, architecture, name)
        return cls(
            name=name, architecture=architecture, image=found.image, open=lambda blob: partial(source.blob, blob)
        )

    @property
    def digest(self) -> Digest:
        """Of its manifest."""
        return self.image.descriptor.digest

    def root(self, folder: str) -> RootFilesystem:
        """Its root file system, unpacked below `folder` unless it is there already; raises what `unpacked` raises."""
        pairs = zip(self.image.manifest.layers, self.image.config.diff_ids, strict=True)
        layers = [Layer(opener=self.open(blob), diff_id=diff_id) for blob, diff_id in pairs]
        return RootFilesystem(
            reference=self.name,
            architecture=self.architecture,
            config=self.image.config,
            folder=unpacked(folder, layers, self.name),
        )
