"""A descriptor: media type, digest and size of a blob (image-spec, descriptor.md)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field, replace
from typing import Final, Self

from imagekit.errors import RemoteFailed
from imagekit.oci import media
from imagekit.oci.canonical import Json
from imagekit.oci.digest import Digest
from imagekit.oci.platform import Platform
from imagekit.values import dataclass

#: No blob of an image can be larger: Lambda takes 10 GB for all layers together.
MAX_SIZE: Final = 64 * 1024**3


@dataclass(frozen=True, kw_only=True, slots=True)
class Descriptor:
    """What a manifest says of a blob; `size` in bytes."""

    media_type: str
    digest: Digest
    size: int
    platform: Platform | None = None
    annotations: Mapping[str, str] = field(default_factory=dict)
    artifact_type: str = ""

    @classmethod
    def of(cls, data: bytes, media_type: str, *, platform: Platform | None = None) -> Self:
        """The descriptor of these bytes."""
        return cls(media_type=media_type, digest=Digest.of(data), size=len(data), platform=platform)

    @classmethod
    def from_mapping(cls, document: Json) -> Self:
        """Out of a foreign manifest; raises RemoteFailed."""
        if not isinstance(document, dict):
            raise RemoteFailed(f"a descriptor is not an object: {str(document)[:100]}")
        size = document.get("size")
        if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size <= MAX_SIZE:
            raise RemoteFailed(f"a descriptor has the impossible size {str(size)[:40]!r}")
        platform = document.get("platform")
        return cls(
            media_type=str(document.get("mediaType", "")),
            digest=Digest.parse(document.get("digest")),
            size=size,
            platform=Platform.from_mapping(platform) if isinstance(platform, dict) else None,
            annotations=text_mapping(document.get("annotations")),
            artifact_type=str(document.get("artifactType") or ""),
        )

    def to_mapping(self) -> dict[str, Json]:
        """As a manifest or an index holds it."""
        document: dict[str, Json] = {
            "mediaType": self.media_type,
            "digest": str(self.digest),
            "size": self.size,
        }
        if self.platform:
            document["platform"] = self.platform.to_mapping()
        if self.annotations:
            document["annotations"] = dict(self.annotations)
        if self.artifact_type:
            document["artifactType"] = self.artifact_type
        return document

    def in_oci(self) -> Self:
        """The same blob under OCI's media type."""
        return replace(self, media_type=media.to_oci(self.media_type))


def text_mapping(document: Json) -> dict[str, str]:
    """Labels or annotations out of a foreign document; what is not text is left out."""
    if not isinstance(document, dict):
        return {}
    return {key: value for key, value in document.items() if isinstance(value, str)}
