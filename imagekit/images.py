"""Reading one platform's image out of a source: from a tag or a digest to manifest and config."""

from __future__ import annotations

from imagekit.architecture import Architecture
from imagekit.errors import InvalidFile, RemoteFailed
from imagekit.oci import media
from imagekit.oci.descriptor import Descriptor
from imagekit.oci.digest import Digest
from imagekit.oci.image import Image
from imagekit.oci.index import Index
from imagekit.oci.manifest import MAX_SIZE, Manifest
from imagekit.oci.platform import Platform
from imagekit.oci.ports import Document, Source
from imagekit.values import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """An image, and the index through which it was found, if there was one."""

    image: Image
    manifest: Digest
    index: Digest | None = None


def find(source: Source, selector: str, architecture: Architecture, name: str) -> Found:
    """The image for an architecture under a tag or digest; `name` is what messages call it.

    Raises RemoteFailed, and InvalidFile for an image that is not for this architecture.
    """
    wanted = Platform.of(architecture)
    try:
        document = source.document(selector)
        if document.descriptor.media_type not in media.INDEXES:
            return Found(image=_image(source, document, wanted), manifest=document.descriptor.digest)
        entry = Index.from_bytes(document.data).select(wanted)
        image = _image(source, source.document(str(entry.digest)), wanted)
        return Found(image=image, manifest=entry.digest, index=document.descriptor.digest)
    except (RemoteFailed, InvalidFile) as error:
        if name in error.message:
            raise
        raise type(error)(f"{name}: {error.message}", hint=error.hint, place=error.place) from error


def read(source: Source, manifest: Digest, architecture: Architecture, name: str) -> Image:
    """The image with this manifest."""
    return find(source, str(manifest), architecture, name).image


def small_blob(source: Source, descriptor: Descriptor) -> bytes:
    """A config's bytes, verified by the source; nothing larger than a manifest may be is read into memory."""
    if descriptor.size > MAX_SIZE:
        raise RemoteFailed(f"the config {descriptor.digest} has {descriptor.size} bytes; {MAX_SIZE} are allowed")
    with source.blob(descriptor) as pieces:
        return b"".join(pieces)


def image_of(source: Source, document: Document) -> Image:
    """The image with this manifest; its config is read from the source."""
    return Image.from_bytes(document.data, small_blob(source, Manifest.from_bytes(document.data).config))


def _image(source: Source, document: Document, wanted: Platform) -> Image:
    image = image_of(source, document)
    if image.platform != wanted:
        raise InvalidFile(
            f"the image is for {image.platform}, wanted is {wanted}",
            hint="leave that architecture out of `architectures`, or choose another base",
        )
    return image
