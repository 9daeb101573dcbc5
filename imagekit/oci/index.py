"""An index: the manifests of several platforms under one name (image-spec, image-index.md)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import field
from typing import Final, Self

from imagekit.errors import InvalidFile, RemoteFailed
from imagekit.oci import canonical, media
from imagekit.oci.canonical import Json
from imagekit.oci.descriptor import Descriptor, text_mapping
from imagekit.oci.platform import Platform
from imagekit.values import dataclass

_MAX_MANIFESTS: Final = 1_000
#: Build tools mark their attestations so (`vnd.docker.reference.type: attestation-manifest`).
_ATTESTATION: Final = "vnd.docker.reference.type"


@dataclass(frozen=True, kw_only=True, slots=True)
class Index:
    """Descriptors of manifests, each with its platform."""

    manifests: tuple[Descriptor, ...]
    media_type: str = media.INDEX
    annotations: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Out of foreign bytes of either family; raises RemoteFailed."""
        document = canonical.mapping_from_bytes(data, "the index")
        manifests = document.get("manifests")
        if document.get("schemaVersion") != 2 or not isinstance(manifests, list) or len(manifests) > _MAX_MANIFESTS:
            raise RemoteFailed("the index is not of schema version 2 with manifests")
        return cls(
            manifests=tuple(Descriptor.from_mapping(item) for item in manifests),
            media_type=str(document.get("mediaType") or media.INDEX),
            annotations=text_mapping(document.get("annotations")),
        )

    def to_bytes(self) -> bytes:
        """The canonical bytes; their digest is the multi-arch image's digest."""
        document: dict[str, Json] = {
            "schemaVersion": 2,
            "mediaType": self.media_type,
            "manifests": [item.to_mapping() for item in self.manifests],
        }
        if self.annotations:
            document["annotations"] = dict(self.annotations)
        return canonical.to_bytes(document)

    def images(self) -> tuple[Descriptor, ...]:
        """The entries that are images: no attestations, no artifacts, no unknown platforms."""
        return tuple(item for item in self.manifests if _is_image(item))

    def select(self, platform: Platform) -> Descriptor:
        """The one image for this platform; raises InvalidFile when there is none or more than one."""
        found = {item.digest: item for item in self.images() if item.platform == platform}
        if len(found) > 1:
            raise InvalidFile(
                f"the index has {len(found)} images for {platform}",
                hint="name the one you mean by its digest: repository@sha256:…",
            )
        if not found:
            raise InvalidFile(
                f"the index has no image for {platform}; it has {_platforms(self.images())}",
                hint="leave that architecture out of `architectures`, or choose another base",
            )
        return next(iter(found.values()))


def _is_image(item: Descriptor) -> bool:
    known = item.platform is None or item.platform.is_known
    return known and not item.artifact_type and _ATTESTATION not in item.annotations


def _platforms(items: Iterable[Descriptor]) -> str:
    return ", ".join(sorted({str(item.platform) for item in items})) or "no platform at all"
