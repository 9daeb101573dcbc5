"""An image: one platform's manifest and config with their bytes (image-spec, manifest.md and config.md)."""

from __future__ import annotations

from typing import Self

from imagekit.errors import RemoteFailed
from imagekit.oci import media
from imagekit.oci.config import Config
from imagekit.oci.descriptor import Descriptor
from imagekit.oci.manifest import Manifest
from imagekit.oci.platform import Platform
from imagekit.values import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Image:
    """One platform's image; the bytes are what the digests are of."""

    manifest: Manifest
    manifest_bytes: bytes
    config: Config
    config_bytes: bytes

    @classmethod
    def of(cls, manifest: Manifest, config: Config) -> Self:
        """The image of these values, with their canonical bytes."""
        return cls(
            manifest=manifest,
            manifest_bytes=manifest.to_bytes(),
            config=config,
            config_bytes=config.to_bytes(),
        )

    @classmethod
    def from_bytes(cls, manifest: bytes, config: bytes) -> Self:
        """A foreign image; raises RemoteFailed when layers and diff IDs do not match."""
        image = cls(
            manifest=Manifest.from_bytes(manifest),
            manifest_bytes=manifest,
            config=Config.from_bytes(config),
            config_bytes=config,
        )
        layers, diff_ids = len(image.manifest.layers), len(image.config.diff_ids)
        if layers != diff_ids:
            raise RemoteFailed(f"the image has {layers} layers but {diff_ids} diff IDs")
        return image

    @property
    def platform(self) -> Platform:
        """The config's platform."""
        return self.config.platform

    @property
    def descriptor(self) -> Descriptor:
        """As an index holds it."""
        return Descriptor.of(self.manifest_bytes, media.to_oci(self.manifest.media_type), platform=self.platform)
