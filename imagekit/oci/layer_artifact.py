"""A layer by itself in a registry, under the key of what it was made from: an artifact (image-spec, manifest.md,
"Guidelines for Artifact Usage")."""

from __future__ import annotations

from typing import Final, Self

from imagekit.errors import RemoteFailed
from imagekit.oci import canonical, media
from imagekit.oci.descriptor import Descriptor, text_mapping
from imagekit.oci.digest import Digest
from imagekit.oci.manifest import Manifest
from imagekit.oci.ports import Document
from imagekit.values import dataclass

_ARTIFACT: Final = "application/vnd.imagekit.layer.v1"
_NAMES: Final = "application/vnd.imagekit.layer-names.v1+json"
#: The config of an artifact that has none ("Guidance for an Empty Descriptor").
EMPTY: Final = b"{}"
_EMPTY: Final = Descriptor.of(EMPTY, "application/vnd.oci.empty.v1+json")
_KEY: Final = "dev.imagekit.layer.key"
_DIFF_ID: Final = "dev.imagekit.layer.diff-id"
_CODEC: Final = "dev.imagekit.layer.codec"
#: Bytes of a document of names; three thousand packages have some twenty million characters of them.
_MAX_NAMES: Final = 64 << 20


@dataclass(frozen=True, kw_only=True, slots=True)
class LayerArtifact:
    """A layer, what it was made from and by; `names` is the blob with the names in it, where packages are."""

    key: Digest
    codec: str
    layer: Descriptor
    diff_id: Digest
    names: Descriptor | None = None

    @classmethod
    def tag(cls, key: Digest) -> str:
        """What a layer is found by."""
        return f"layer-{key.hex}"

    @classmethod
    def names_of(cls, data: bytes) -> Descriptor:
        """The descriptor of a document of names."""
        return Descriptor.of(data, _NAMES)

    @classmethod
    def from_document(cls, document: Document, key: Digest, codec: str) -> Self:
        """Out of what a registry has under the key; raises RemoteFailed for anything but this key's layer."""
        fields = canonical.mapping_from_bytes(document.data, "the artifact of a layer")
        manifest, told = Manifest.from_bytes(document.data), text_mapping(fields.get("annotations"))
        if fields.get("artifactType") != _ARTIFACT:
            raise RemoteFailed("it is no layer of imagekit")
        if (told.get(_KEY), told.get(_CODEC)) != (str(key), codec):
            raise RemoteFailed(f"it is of another key or codec: {told.get(_KEY)}, {told.get(_CODEC)}")
        by_type = {item.media_type: item for item in manifest.layers}
        if media.LAYER not in by_type or len(by_type) != len(manifest.layers):
            raise RemoteFailed("it does not have one layer")
        names = by_type.get(_NAMES)
        if names and names.size > _MAX_NAMES:
            raise RemoteFailed(f"its names have {names.size} bytes")
        return cls(
            key=key, codec=codec, layer=by_type[media.LAYER], diff_id=Digest.parse(told.get(_DIFF_ID)), names=names
        )

    @property
    def blobs(self) -> tuple[Descriptor, ...]:
        """What has to be there before the document: layer, names, config."""
        return (self.layer, *((self.names,) if self.names else ()), _EMPTY)

    def to_document(self) -> Document:
        """The manifest that holds it."""
        data = canonical.to_bytes(
            {
                "schemaVersion": 2,
                "mediaType": media.MANIFEST,
                "artifactType": _ARTIFACT,
                "config": _EMPTY.to_mapping(),
                "layers": [item.to_mapping() for item in self.blobs[:-1]],
                "annotations": {_KEY: str(self.key), _DIFF_ID: str(self.diff_id), _CODEC: self.codec},
            }
        )
        return Document(data=data, descriptor=Descriptor.of(data, media.MANIFEST))
