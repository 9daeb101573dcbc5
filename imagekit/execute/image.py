"""An image that is to run here: what it says of itself, and where the bytes of its layers are."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Final, Self

from imagekit import images, openers
from imagekit.architecture import Architecture
from imagekit.emulator.ports import RootFilesystem
from imagekit.oci.descriptor import Descriptor
from imagekit.oci.digest import Digest
from imagekit.oci.image import Image
from imagekit.oci.ports import Document, Opener, Source
from imagekit.rootfs.unpack import Layer, unpacked
from imagekit.values import dataclass

#: What engines call images that are only tried: no registry has this name, and so much of the digest is in the tag.
_LOCAL: Final = "imagekit"
_DIGITS: Final = 12


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

    @property
    def reference(self) -> str:
        """What an engine calls it: one name for one content."""
        word = self.name.rpartition("/")[2].partition("@")[0].partition(":")[0] or "image"
        return f"{_LOCAL}/{word}:{self.digest.hex[:_DIGITS]}"

    @contextmanager
    def archive(self) -> Iterator[Iterable[bytes]]:
        """Its stream for `docker load`, under `reference`."""
        from imagekit.store.bundle import Bundle, stream

        config = self.image.config_bytes
        bundle, (name, _, tag) = Bundle(), self.reference.partition(":")
        bundle.put(self.image.manifest.config, openers.of_bytes(config))
        for blob in self.image.manifest.layers:
            bundle.put(blob, self.open(blob))
        bundle.put_document(Document(data=self.image.manifest_bytes, descriptor=self.image.descriptor), tag)
        yield stream(bundle.docker_parts(name))

    def root(self, folder: str, *, keeps_stem: bool = False) -> RootFilesystem:
        """Its root file system, unpacked below `folder` unless it is there already; raises what `unpacked` raises.

        `keeps_stem` keeps the layers below the last by themselves, for an image whose last layer will change soon.
        """
        pairs = zip(self.image.manifest.layers, self.image.config.diff_ids, strict=True)
        layers = [Layer(opener=self.open(blob), diff_id=diff_id) for blob, diff_id in pairs]
        return RootFilesystem(
            reference=self.reference,
            architecture=self.architecture,
            config=self.image.config,
            folder=unpacked(folder, layers, self.name, keeps_stem=keeps_stem),
        )
