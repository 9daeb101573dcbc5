"""What a plan is made from: the digests of everything that lies on disk, and what is known of the base."""

from __future__ import annotations

from dataclasses import field

from imagekit.oci.image import Image
from imagekit.plan.parts import ArchivePart, EmbeddedPart, FilesPart, ImagePart, PackagesPart
from imagekit.rootfs.base_layout import BaseLayout
from imagekit.values import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Inputs:
    """One platform's inputs, in the order of the spec; `base` is None where the image starts empty.

    `layout` is what layers meet: the base's names, or imagekit's own in an image that starts empty. What `packages`
    bring lies on top of it.
    `dependencies` are the folders of third-party code that were found among `files`, or were installed. An image starts
    with `bootstrap`, a program of the spec's own, or with `client`, the embedded runtime client.
    """

    base: Image | None
    layout: BaseLayout
    packages: PackagesPart | None = None
    bootstrap: FilesPart | None = None
    client: EmbeddedPart | None = None
    files: tuple[FilesPart, ...] = ()
    dependencies: tuple[FilesPart, ...] = ()
    archives: tuple[ArchivePart, ...] = ()
    images: tuple[ImagePart, ...] = ()
    certificates: bytes = field(default=b"", repr=False)
