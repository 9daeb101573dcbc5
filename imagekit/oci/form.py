"""The form that every image of ours keeps to, and Lambda takes: what can be told from documents alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from imagekit.architecture import ARCHITECTURES
from imagekit.findings import Finding
from imagekit.oci import media
from imagekit.oci.config import Config
from imagekit.oci.descriptor import Descriptor
from imagekit.oci.index import Index
from imagekit.oci.manifest import LAMBDA_LIMIT, Manifest
from imagekit.oci.platform import Platform
from imagekit.oci.ports import Document

_FAMILIES: Final = {"application/vnd.oci.": "OCI", "application/vnd.docker.": "Docker"}
_GZIPPED: Final = frozenset({media.LAYER, media.DOCKER_LAYER})
_OURS: Final = "imagekit builds what Lambda takes; an image of another tool may be built on, not deployed"


def of_index(index: Index, descriptor: Descriptor) -> Iterator[Finding]:
    """Entries that are no images, platforms that stand twice, media types of another family."""
    yield from _family("the index", descriptor, index.media_type, (item.media_type for item in index.manifests))
    images = index.images()
    kept = {id(item) for item in images}
    for item in index.manifests:
        if id(item) not in kept:
            yield _finding("IK0462", f"the index's entry {item.digest} is no image", "attach it as a referrer instead")
    seen: set[Platform] = set()
    for item in images:
        if item.platform is None:
            yield _finding("IK0458", f"the index's entry {item.digest} has no platform")
        elif item.platform in seen:
            yield _finding("IK0462", f"the index has two images for {item.platform}")
        else:
            seen.add(item.platform)


def of_manifest(manifest: Manifest, document: Document, name: str) -> Iterator[Finding]:
    """A size beyond Lambda's limit, media types of two families, layers that are not gzip."""
    size = len(document.data)
    if size >= LAMBDA_LIMIT:
        yield _finding(
            "IK0457",
            f"{name}: the manifest has {size:,} bytes; Lambda takes fewer than {LAMBDA_LIMIT:,}",
            "use fewer or shorter labels and annotations, or a base with fewer layers",
        )
    below = (manifest.config.media_type, *(layer.media_type for layer in manifest.layers))
    yield from _family(name, document.descriptor, manifest.media_type, below)
    for layer in manifest.layers:
        if layer.media_type not in _GZIPPED:
            yield _finding("IK0455", f"{name}: the layer {layer.digest} is of type {layer.media_type[:100]!r}", _OURS)


def of_config(config: Config, manifest: Manifest, descriptor: Descriptor, name: str) -> Iterator[Finding]:
    """Numbers that do not agree, another platform, nothing to start."""
    layers, diff_ids = len(manifest.layers), len(config.diff_ids)
    if layers != diff_ids:
        yield _finding("IK0453", f"{name}: the manifest has {layers} layers, the config {diff_ids} diff IDs")
    entries = sum(not item.empty_layer for item in config.history)
    if entries != layers:
        yield _finding("IK0456", f"{name}: the history has entries for {entries} layers, the manifest has {layers}")
    if descriptor.platform is not None and descriptor.platform != config.platform:
        yield _finding("IK0458", f"{name}: the config is for {config.platform}")
    if config.platform not in {Platform.of(item) for item in ARCHITECTURES}:
        yield _finding("IK0458", f"{name}: Lambda runs nothing for {config.platform}")
    if not config.command:
        yield _finding("IK0459", f"{name}: CMD is empty", "name the handler: Lambda's entrypoint wants one word")


def _family(name: str, descriptor: Descriptor, own: str, below: Iterator[str] | tuple[str, ...]) -> Iterator[Finding]:
    """Media types of one family, and a document that is what its descriptor says."""
    if descriptor.media_type and descriptor.media_type != own:
        told = descriptor.media_type[:100]
        yield _finding("IK0454", f"{name}: the descriptor says {told!r}, the document {own[:100]!r}")
    families = {_family_of(item) for item in (own, *below)}
    if len(families) > 1:
        listed = " and ".join(sorted(families))
        yield _finding("IK0454", f"{name}: media types of {listed} are mixed", "Lambda takes one family at a time")


def _family_of(media_type: str) -> str:
    return next((name for start, name in _FAMILIES.items() if media_type.startswith(start)), "another family")


def _finding(code: str, message: str, hint: str = "") -> Finding:
    return Finding(code=code, message=message, hint=hint)
