"""Looking at an image: what its documents say of it, without reading a layer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from imagekit.architecture import by_oci
from imagekit.images import image_of
from imagekit.oci import media
from imagekit.oci.descriptor import Descriptor
from imagekit.oci.digest import Digest
from imagekit.oci.image import Image
from imagekit.oci.index import Index
from imagekit.oci.ports import Document, Source
from imagekit.values import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Seen:
    """One platform of an image."""

    manifest: Digest
    image: Image

    @property
    def architecture(self) -> str:
        """Lambda's name of it, or OCI's where Lambda has none."""
        try:
            return by_oci(self.image.platform.architecture).name
        except KeyError:
            return self.image.platform.architecture

    def to_mapping(self) -> dict[str, Any]:
        """All that is shown."""
        config = self.image.config
        return {
            "platform": str(self.image.platform),
            "manifest": str(self.manifest),
            "layers": [self._layer(*item) for item in self._layers()],
            "config": {
                "created": config.created,
                "environment": dict(config.environment),
                "entrypoint": list(config.entrypoint),
                "command": list(config.command),
                "working_directory": config.working_directory,
                "labels": dict(config.labels),
            },
            "annotations": dict(self.image.manifest.annotations),
        }

    def _layers(self) -> list[tuple[Descriptor, Digest, str]]:
        """Each layer with its diff ID and the history entry that made it."""
        made = [item.created_by for item in self.image.config.history if not item.empty_layer]
        layers, diff_ids = self.image.manifest.layers, self.image.config.diff_ids
        made += [""] * (len(layers) - len(made))
        return list(zip(layers, diff_ids, made, strict=False))

    def _layer(self, layer: Descriptor, diff_id: Digest, made: str) -> Mapping[str, Any]:
        return {
            "digest": str(layer.digest),
            "size": layer.size,
            "diff_id": str(diff_id),
            "media_type": layer.media_type,
            "origin": made or "unknown",
        }


def look(source: Source, selector: str) -> tuple[Digest, tuple[Seen, ...]]:
    """The digest of what a name stands for, and its platforms; raises RemoteFailed."""
    top = source.document(selector)
    if top.descriptor.media_type not in media.INDEXES:
        return top.descriptor.digest, (_seen(source, top),)
    entries = Index.from_bytes(top.data).images()
    return top.descriptor.digest, tuple(_seen(source, source.document(str(entry.digest))) for entry in entries)


def _seen(source: Source, document: Document) -> Seen:
    return Seen(manifest=document.descriptor.digest, image=image_of(source, document))
