"""A manifest: one platform's config and layers (image-spec, manifest.md)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Final, Self

from imagekit.errors import RemoteFailed
from imagekit.oci import canonical, media
from imagekit.oci.canonical import Json
from imagekit.oci.descriptor import Descriptor, text_mapping
from imagekit.values import dataclass

#: Lambda refuses a manifest of this many bytes or more.
LAMBDA_LIMIT: Final = 25_400
#: A registry must take, and need not take more than, a manifest of this size (distribution-spec, "Pushing Manifests").
MAX_SIZE: Final = 4 * 1024 * 1024
_MAX_LAYERS: Final = 1_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Manifest:
    """Config and layers, lowest first."""

    config: Descriptor
    layers: tuple[Descriptor, ...]
    media_type: str = media.MANIFEST
    annotations: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Out of foreign bytes of either family; raises RemoteFailed."""
        document = canonical.mapping_from_bytes(data, "the manifest")
        layers = document.get("layers")
        if document.get("schemaVersion") != 2 or not isinstance(layers, list) or len(layers) > _MAX_LAYERS:
            raise RemoteFailed(
                "the manifest is not of schema version 2 with layers",
                hint="Docker's old schema 1 and artifacts that are no images cannot be read",
            )
        return cls(
            config=Descriptor.from_mapping(document.get("config")),
            layers=tuple(Descriptor.from_mapping(item) for item in layers),
            media_type=str(document.get("mediaType") or media.MANIFEST),
            annotations=text_mapping(document.get("annotations")),
        )

    def to_bytes(self) -> bytes:
        """The canonical bytes; their digest is the platform image's digest."""
        document: dict[str, Json] = {
            "schemaVersion": 2,
            "mediaType": self.media_type,
            "config": self.config.to_mapping(),
            "layers": [layer.to_mapping() for layer in self.layers],
        }
        if self.annotations:
            document["annotations"] = dict(self.annotations)
        return canonical.to_bytes(document)

    @property
    def blobs(self) -> tuple[Descriptor, ...]:
        """The layers, lowest first, then the config; each once."""
        return tuple({item.digest: item for item in (*self.layers, self.config)}.values())
