"""Media types, and the family that each belongs to (image-spec, media-types.md)."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

INDEX: Final = "application/vnd.oci.image.index.v1+json"
MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
CONFIG: Final = "application/vnd.oci.image.config.v1+json"
LAYER: Final = "application/vnd.oci.image.layer.v1.tar+gzip"

DOCKER_LIST: Final = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_MANIFEST: Final = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_CONFIG: Final = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER: Final = "application/vnd.docker.image.rootfs.diff.tar.gzip"
DOCKER_FOREIGN_LAYER: Final = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"

#: What a registry is asked for: an index or a manifest of either family.
ACCEPTED: Final = (INDEX, DOCKER_LIST, MANIFEST, DOCKER_MANIFEST)
INDEXES: Final = frozenset({INDEX, DOCKER_LIST})
MANIFESTS: Final = frozenset({MANIFEST, DOCKER_MANIFEST})

#: Docker's media types in OCI's words. The bytes behind them are the same.
TO_OCI: Final = MappingProxyType(
    {DOCKER_LIST: INDEX, DOCKER_MANIFEST: MANIFEST, DOCKER_CONFIG: CONFIG, DOCKER_LAYER: LAYER}
)


def to_oci(media_type: str) -> str:
    """OCI's name of a media type of either family; others stay as they are."""
    return TO_OCI.get(media_type, media_type)
