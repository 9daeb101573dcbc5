"""From a built image to a repository: blobs, then manifests by digest, then tags, the plain tag last.

Tags (design): with two platforms `TAG-x86_64` and `TAG-arm64` name plain manifests, which is all that a function
takes, and `TAG` names the index; with one platform `TAG` is the plain manifest too.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final

from imagekit import parallel
from imagekit.architecture import ARCHITECTURES, by_oci
from imagekit.errors import Bug, RemoteFailed, UsageError
from imagekit.oci.descriptor import Descriptor
from imagekit.oci.digest import Digest
from imagekit.oci.ports import Document, Opener, Sink
from imagekit.progress import Progress, Task
from imagekit.values import dataclass

#: Characters that a tag may have so that the longest suffix still fits into a registry's 128.
MAX_TAG: Final = 121
_TAG: Final = re.compile(rf"[A-Za-z0-9_][A-Za-z0-9_.-]{{0,{MAX_TAG - 1}}}")
#: Blobs under way at once: more makes ECR drop connections.
WORKERS: Final = 4


@dataclass(frozen=True, kw_only=True, slots=True)
class Parcel:
    """What is delivered: the platforms' manifests, their index when there are several, and all their blobs.

    `open` gives a blob's bytes wherever they are; `origins` names repositories that hold it already.
    """

    manifests: tuple[Document, ...]
    index: Document | None
    blobs: tuple[Descriptor, ...]
    open: Callable[[Descriptor], Opener]
    origins: Callable[[Digest], Sequence[str]]

    @property
    def top(self) -> Document:
        """What the plain tag names."""
        return self.index or self.manifests[0]

    @property
    def by_digest(self) -> Mapping[str, Document]:
        """Every manifest and the index, by its digest."""
        return {str(document.descriptor.digest): document for document in (*self.manifests, self.top)}

    def under(self, tags: Sequence[str]) -> Mapping[str, Document]:
        """What each tag will name, the plain ones last of all; raises UsageError for one that would name two."""
        platforms = self.manifests if self.index else ()
        suffixed = {f"{tag}-{_architecture(item)}": item for tag in tags for item in platforms}
        if twice := sorted(suffixed.keys() & set(tags)):
            raise UsageError(
                f"the tag {twice[0]} would name one platform's image and the index of all",
                hint="platforms get the tag and their name, such as `TAG-arm64`; choose another tag",
            )
        return {**suffixed, **dict.fromkeys(tags, self.top)}


@dataclass(frozen=True, kw_only=True, slots=True)
class Delivery:
    """One repository: its name, where it is written, and the tags there; none where digests are all that is asked for.

    `is_immutable` says whether a tag may be moved, when the registry can be asked (True: it may not).
    """

    name: str
    sink: Sink
    tags: tuple[str, ...]
    is_immutable: Callable[[str], bool | None]


def checked_tag(tag: str) -> str:
    """The tag, if every registry takes it with a suffix; raises UsageError."""
    if not _TAG.fullmatch(tag):
        raise UsageError(
            f"not a tag: {tag[:200]!r}",
            hint=f"a tag has 1 to {MAX_TAG} letters, digits, `_`, `.` and `-`, and begins with none of the last two",
        )
    return tag


def deliver(parcel: Parcel, deliveries: Iterable[Delivery], progress: Progress) -> None:
    """Bring the parcel to every destination; what one has got, the next may mount.

    All tags of all destinations are looked at before the first byte is written.
    """
    missing = [(delivery, _outdated(parcel, delivery)) for delivery in deliveries]
    reached: list[str] = []
    for delivery, names in missing:
        if names:
            _upload(parcel, delivery, names, reached, progress)
        else:
            progress.say(f"{delivery.name} is up to date")
        reached.append(delivery.name)


def is_new(delivery: Delivery) -> bool:
    """True when none of the tags is there yet, nor a platform's under one of them."""
    names = [*delivery.tags, *(f"{tag}-{one.name}" for tag in delivery.tags for one in ARCHITECTURES)]
    return not any(parallel.each(delivery.sink.digest_of, names, WORKERS))


def bring(parcel: Parcel, delivery: Delivery, reached: Sequence[str], progress: Progress) -> None:
    """Bring all blobs, and no manifest; `reached` are repositories that have them."""
    parallel.each(lambda blob: bring_one(parcel, delivery, blob, reached, progress), long_first(parcel), WORKERS)


def long_first(parcel: Parcel) -> Sequence[Descriptor]:
    """The blobs in the order in which they are begun: a long one that begins last is waited for alone."""
    return sorted(parcel.blobs, key=lambda blob: blob.size, reverse=True)


def bring_one(parcel: Parcel, delivery: Delivery, blob: Descriptor, reached: Sequence[str], progress: Progress) -> None:
    """Bring one blob: it is there already, is mounted, or is written."""
    with progress.task(f"{delivery.name} {blob.digest.short}", blob.size) as task:
        if delivery.sink.has(blob):
            task.say("present")
        elif any(delivery.sink.mount(blob, origin) for origin in (*reached, *parcel.origins(blob.digest))):
            task.say("mounted")
        else:
            delivery.sink.put(blob, _watched(parcel.open(blob), task))


def export(parcel: Parcel, sink: Sink, tag: str, progress: Progress) -> None:
    """Write the complete image, with all its blobs, into a layout or an archive."""
    for blob in parcel.blobs:
        if not sink.has(blob):
            with progress.task(f"writing {blob.digest.short}", blob.size) as task:
                sink.put(blob, _watched(parcel.open(blob), task))
    for document in parcel.manifests:
        sink.put_document(document, "" if parcel.index else tag)
    if parcel.index:
        sink.put_document(parcel.index, tag)


def _outdated(parcel: Parcel, delivery: Delivery) -> Mapping[str, Document]:
    """The names that do not stand yet for what they shall; raises RemoteFailed for a tag that may not be moved."""
    wanted = parcel.under(delivery.tags) or parcel.by_digest
    current = dict(zip(wanted, parallel.each(delivery.sink.digest_of, wanted, WORKERS), strict=True))
    moved = {tag: doc for tag, doc in wanted.items() if current[tag] != doc.descriptor.digest}
    for tag in moved:
        if current[tag] is not None and delivery.is_immutable(tag):
            raise RemoteFailed(
                f"{delivery.name}:{tag} is immutable and names {current[tag]}; nothing was uploaded",
                hint="push under a new tag: an immutable one keeps its first image",
            )
    return moved


def _upload(
    parcel: Parcel, delivery: Delivery, names: Mapping[str, Document], reached: Sequence[str], progress: Progress
) -> None:
    bring(parcel, delivery, reached, progress)
    parallel.each(delivery.sink.put_document, parcel.manifests, WORKERS)
    if parcel.index:
        delivery.sink.put_document(parcel.index)
    if not delivery.tags:
        return

    def name(tag: str) -> None:
        delivery.sink.put_document(names[tag], tag)
        progress.say(f"{delivery.name}:{tag} is {names[tag].descriptor.digest}")

    plain = [tag for tag in delivery.tags if tag in names]
    parallel.each(name, [tag for tag in names if tag not in plain], WORKERS)
    for tag in plain:
        name(tag)


def _watched(opener: Opener, task: Task) -> Opener:
    """The same bytes, counted as they pass."""

    @contextmanager
    def opened() -> Iterator[Iterator[bytes]]:
        with opener() as pieces:
            yield (_counted(piece, task) for piece in pieces)

    return opened


def _counted(piece: bytes, task: Task) -> bytes:
    task.advance(len(piece))
    return piece


def _architecture(document: Document) -> str:
    """Lambda's name of a manifest's architecture."""
    if document.descriptor.platform is None:
        raise Bug("a manifest is delivered without its platform")
    return by_oci(document.descriptor.platform.architecture).name
