"""Platforms that were built on several machines under one index: the very one that a single machine makes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

from imagekit import parallel
from imagekit.architecture import ARCHITECTURES
from imagekit.deliver import WORKERS, Parcel
from imagekit.errors import InvalidFile, UsageError
from imagekit.images import image_of
from imagekit.lock import Lock
from imagekit.oci import media
from imagekit.oci.descriptor import Descriptor
from imagekit.oci.image import Image
from imagekit.oci.index import Index
from imagekit.oci.platform import Platform
from imagekit.oci.ports import Document, Opener, Source
from imagekit.oci.reference import Reference
from imagekit.plan import assemble
from imagekit.project import Project
from imagekit.store.places import Places
from imagekit.values import dataclass

_TITLE: Final = "org.opencontainers.image.title"
_BASE: Final = "org.opencontainers.image.base.name"
_CREATED: Final = "org.opencontainers.image.created"
_AGAIN: Final = "build every platform of one commit, with the lock in it: `imagekit build --locked --push --by-digest`"
_FORM: Final = "name each as `imagekit build --push --by-digest` printed it: REPOSITORY@sha256:…"


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """One platform's image, where a job left it."""

    reference: Reference
    source: Source
    document: Document
    image: Image

    @property
    def title(self) -> str:
        """The name of the spec that it was built from."""
        return self.image.manifest.annotations.get(_TITLE, "")

    @classmethod
    def read(cls, text: str, places: Places) -> tuple[Part, ...]:
        """The image of a reference by digest, all those of an index; raises UsageError, RemoteFailed, InvalidFile."""
        reference = Reference.parse(text)
        if reference.digest is None or reference.tag:
            raise UsageError(f"{text} does not say which image for ever: a tag moves", hint=_FORM)
        source = places.written(reference.name)
        document = source.document(str(reference.digest))
        documents = [document]
        if document.descriptor.media_type in media.INDEXES:
            documents = [source.document(str(one.digest)) for one in Index.from_bytes(document.data).images()]
        return tuple(
            cls(reference=reference.at(one.descriptor.digest), source=source, document=one, image=image_of(source, one))
            for one in documents
        )


def read(names: Iterable[str], places: Places) -> tuple[Part, ...]:
    """The images of these references, one that is named twice once."""
    found = parallel.each(lambda name: Part.read(name, places), dict.fromkeys(names), WORKERS)
    return tuple({part.document.descriptor.digest: part for some in found for part in some}.values())


def join(work: Project, parts: Sequence[Part], lock: Lock | None) -> Parcel:
    """A spec's images and their index, ready for delivery; `lock` is the spec's, when it has one.

    Raises UsageError where they are not each platform of the spec once, InvalidFile where they do not belong together.
    """
    for part in parts:
        _check_spec(work, part)
    ordered = tuple(_each_platform(work, parts))
    for part in ordered:
        _check_lock(part, ordered[0], lock)
    holders = {blob.digest: part for part in ordered for blob in part.image.manifest.blobs}
    return Parcel(
        manifests=tuple(Document(data=one.document.data, descriptor=one.image.descriptor) for one in ordered),
        index=assemble.index([part.image for part in ordered]),
        blobs=tuple({blob.digest: blob for part in ordered for blob in part.image.manifest.blobs}.values()),
        open=_opener(holders.__getitem__),
        origins=lambda digest: (holders[digest].reference.name,),
    )


def _opener(holder: Callable[..., Part]) -> Callable[[Descriptor], Opener]:
    return lambda blob: lambda: holder(blob.digest).source.blob(blob)


def _each_platform(work: Project, parts: Sequence[Part]) -> Iterator[Part]:
    """The images in the order of an index; raises UsageError unless each of the spec's platforms is there once."""
    for architecture in (one for one in ARCHITECTURES if one in work.spec.architectures):
        mine = [part for part in parts if part.image.platform == Platform.of(architecture)]
        if len(mine) > 1:
            raise UsageError(
                f"two images are for {architecture}: {' and '.join(str(one.reference) for one in mine)}",
                hint="leave the one out that an earlier build made",
            )
        if not mine:
            raise UsageError(
                f"there is no image for {architecture}, which the spec is for too",
                hint=f"`imagekit build --platform {architecture} --push --by-digest` makes it and prints its reference",
            )
        yield mine[0]
    foreign = [part for part in parts if part.image.platform not in map(Platform.of, work.spec.architectures)]
    for part in foreign:
        raise UsageError(
            f"{part.reference} is for {part.image.platform}, which the spec is not for",
            hint="leave it out, or add its architecture to `architectures`",
        )


def _check_spec(work: Project, part: Part) -> None:
    """Raise InvalidFile for an image of another spec, or one on another base than the spec's."""
    if part.title != work.spec.name:
        raise InvalidFile(
            f"{part.reference} is the image of {part.title or 'no spec that says its name'}, not of {work.spec.name}",
            hint="join the images that builds of this spec printed",
        )
    told = part.image.manifest.annotations.get(_BASE, "")
    bases = {one.base or work.base.reference for one in work.platforms}
    if told and told not in bases:
        raise InvalidFile(
            f"{part.reference} is built on {told}, and the spec on {' and '.join(sorted(bases))}", hint=_AGAIN
        )


def _check_lock(part: Part, first: Part, lock: Lock | None) -> None:
    """Raise InvalidFile for an image that was built from another lock than the first, or than the spec's."""
    annotations = part.image.manifest.annotations
    ours, theirs = annotations.get(_CREATED, ""), first.image.manifest.annotations.get(_CREATED, "")
    if ours != theirs:
        raise InvalidFile(
            f"{first.reference} and {part.reference} were built from different locks, of {theirs} and {ours}",
            hint=_AGAIN,
        )
    if lock and ours and ours != lock.created:
        raise InvalidFile(
            f"{part.reference} was built from a lock of {ours}, and the spec's is of {lock.created}", hint=_AGAIN
        )
