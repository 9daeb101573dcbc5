"""Built images in `.imagekit/<name>/`: a sparse layout, which a push completes from where the other blobs are."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import field
from pathlib import Path
from typing import Final

from imagekit import openers
from imagekit.deliver import Parcel
from imagekit.errors import Bug, InvalidFile, RemoteFailed, WrongDigest
from imagekit.findings import Finding
from imagekit.lock import LockedImage
from imagekit.oci import media
from imagekit.oci.descriptor import Descriptor
from imagekit.oci.digest import Digest
from imagekit.oci.image import Image
from imagekit.oci.index import Index
from imagekit.oci.manifest import Manifest
from imagekit.oci.ports import Cache, Document, Opener, Source
from imagekit.oci.reference import Reference
from imagekit.plan import assemble
from imagekit.store import atomic
from imagekit.store.layout import Layout, blob_name
from imagekit.store.layout_sink import LayoutSink, reading, writing_sparse
from imagekit.store.places import ARCHIVE, LAYOUT, Places
from imagekit.values import dataclass

#: The folder beside a spec that holds what imagekit makes; it ignores itself.
FOLDER: Final = ".imagekit"
#: The list of archives that were written for the spec, in that folder.
_ARCHIVES: Final = "archives"
_MAX_ARCHIVES: Final = 1 << 20
_AGAIN: Final = "run `imagekit build`, which makes what is missing"


@dataclass(frozen=True, kw_only=True, slots=True)
class Built:
    """One build: the images in the order of their architectures, each with its locked base.

    `origins` are the repositories of layers that are in no cache here, `warnings` what is to be said of the images.
    """

    images: tuple[Image, ...]
    bases: tuple[LockedImage | None, ...]
    origins: Mapping[Digest, str] = field(default_factory=dict)
    warnings: tuple[Finding, ...] = ()

    @property
    def manifests(self) -> tuple[Document, ...]:
        """The platforms' manifests."""
        return tuple(Document(data=image.manifest_bytes, descriptor=image.descriptor) for image in self.images)

    @property
    def index(self) -> Document | None:
        """The index of several platforms."""
        return assemble.index(self.images)


def folder_of(spec: str, name: str) -> Path:
    """Where a spec's images are kept."""
    return Path(spec).parent / FOLDER / name


def keep(built: Built, folder: Path, cache: Cache, tag: str) -> None:
    """Write the layout; what the cache has is linked, what the bases have is only named."""
    ignore(folder.parent)
    with writing_sparse(folder) as sink:
        for image, base in zip(built.images, built.bases, strict=True):
            _keep_image(image, base, built.origins, sink, cache)
        for document in built.manifests:
            sink.put_document(document, "" if built.index else tag)
        if built.index:
            sink.put_document(built.index, tag)


def ignore(folder: Path) -> None:
    """Make the folder that holds what imagekit makes; git is told to leave it alone. Raises InvalidFile, OSError."""
    if os.path.lexists(folder) and not folder.is_dir():
        raise InvalidFile(
            f"{folder} is no folder, and imagekit keeps there what it makes", hint="remove it, or rename it"
        )
    if not (folder / ".gitignore").exists():
        atomic.write(str(folder / ".gitignore"), b"*\n")


def note_archive(folder: Path, path: str) -> None:
    """Remember in the folder that holds what imagekit makes that a file is an archive of an image: it never gets into
    the next one. Raises InvalidFile, OSError."""
    known = archives(folder)
    if path not in known:
        ignore(folder)
        atomic.write(str(folder / _ARCHIVES), "".join(f"{one}\n" for one in sorted({*known, path})).encode())


def archives(folder: Path) -> frozenset[str]:
    """The archives that were noted; a list that cannot be read, or that nobody here wrote, says of none."""
    try:
        with open(folder / _ARCHIVES, encoding="utf-8") as file:
            return frozenset(file.read(_MAX_ARCHIVES).splitlines())
    except (OSError, ValueError):
        return frozenset()


def _keep_image(
    image: Image, base: LockedImage | None, origins: Mapping[Digest, str], sink: LayoutSink, cache: Cache
) -> None:
    config = image.manifest.config
    sink.put(config, openers.of_bytes(image.config_bytes))
    for layer in image.manifest.layers:
        path = cache.blob(layer.digest)
        if sink.has(layer):
            continue
        if path is not None:
            sink.link(layer, path)
        elif layer.digest in origins:
            sink.mount(layer, origins[layer.digest])
        elif base is None or not sink.mount(layer, origin_of(base)):
            raise Bug(f"the layer {layer.digest} is neither in the cache nor in the base")


def origin_of(base: LockedImage) -> str:
    """Where a base's blobs are: its name, by digest."""
    if base.reference.startswith((LAYOUT, ARCHIVE)):
        return base.reference
    return str(Reference.parse(base.reference).at(base.manifest))


def below(bases: Sequence[tuple[Image | None, LockedImage | None]], places: Places) -> Parcel:
    """The blobs of the bases, ready for delivery: what an image on them will consist of, whatever comes above."""
    layers = {
        layer.digest: (layer.in_oci(), origin_of(locked))
        for image, locked in bases
        if image and locked
        for layer in image.manifest.layers
    }

    def opened(blob: Descriptor) -> Opener:
        return lambda: places.source(layers[blob.digest][1])[0].blob(blob)

    return Parcel(
        manifests=(),
        index=None,
        blobs=tuple(layer for layer, _ in layers.values()),
        open=opened,
        origins=lambda digest: _mountable(layers[digest][1]) if digest in layers else (),
    )


def opener(cache: Cache, bases: Parcel) -> Callable[[Descriptor], Opener]:
    """The bytes of a build's layers: its own are in the cache, the rest are the bases'."""

    def opened(blob: Descriptor) -> Opener:
        path = cache.blob(blob.digest)
        return bases.open(blob) if path is None else openers.of_file(path)

    return opened


@contextmanager
def parcel(folder: Path, selector: str, places: Places) -> Iterator[Parcel]:
    """What lies in a layout, ready for delivery; raises InvalidFile when nothing was built, or is damaged now."""
    if not (folder / "index.json").exists():
        raise InvalidFile(f"nothing is built in {folder}", hint="run `imagekit build` first")
    with reading(folder) as layout:
        contents = _Contents(folder=folder, layout=layout, places=places)
        try:
            found = contents.parcel(layout.document(selector))
        except WrongDigest as error:  # what a registry's wrong bytes are called is here a file's fault
            raise InvalidFile(error.message, hint=_AGAIN) from error
        yield found


@dataclass(frozen=True, kw_only=True, slots=True)
class _Contents:
    """A sparse layout together with the places where its other blobs are."""

    folder: Path
    layout: Layout
    places: Places

    def parcel(self, top: Document) -> Parcel:
        """What a push delivers when `top` is what the plain tag shall name."""
        manifests: tuple[Document, ...] = (self._with_platform(top),)
        if top.descriptor.media_type in media.INDEXES:
            entries = Index.from_bytes(top.data).images()
            found = [self.layout.document(str(entry.digest)) for entry in entries]
            manifests = tuple(
                Document(data=document.data, descriptor=entry) for document, entry in zip(found, entries, strict=True)
            )
        blobs = {blob.digest: blob for item in manifests for blob in Manifest.from_bytes(item.data).blobs}
        for blob in blobs.values():
            self._check(blob)
        return Parcel(
            manifests=manifests,
            index=top if top.descriptor.media_type in media.INDEXES else None,
            blobs=tuple(blobs.values()),
            open=self.open,
            origins=self.origins,
        )

    def open(self, blob: Descriptor) -> Opener:
        """A blob, out of the layout or from its origin."""

        def opened() -> AbstractContextManager[Iterator[bytes]]:
            if self.layout.has(blob):
                return self.layout.blob(blob)
            origin = self.layout.origin(blob.digest)
            source, _ = self.places.source(origin)
            # A base is named by its digest; what is not is a repository of layers that other machines made.
            is_base = "@" in origin or origin.startswith((LAYOUT, ARCHIVE))
            return source.blob(blob) if is_base else _of_cache(source, blob, origin)

        return opened

    def origins(self, digest: Digest) -> Sequence[str]:
        """The repository that a blob may be mounted from."""
        return _mountable(self.layout.origin(digest))

    def _check(self, blob: Descriptor) -> None:
        """Raise InvalidFile for a blob that is nowhere whole: better now than when the others have been sent."""
        if self.layout.has(blob) or self.layout.origin(blob.digest):
            return
        lost = "damaged" if (self.folder / blob_name(blob.digest)).exists() else "missing"
        raise InvalidFile(f"the blob {blob.digest} in {self.folder} is {lost}", hint=_AGAIN)

    def _with_platform(self, document: Document) -> Document:
        """A lone manifest's platform stands in its config."""
        if document.descriptor.media_type in media.INDEXES:
            return document
        manifest = Manifest.from_bytes(document.data)
        self._check(manifest.config)
        with self.layout.blob(manifest.config) as pieces:
            image = Image.from_bytes(document.data, b"".join(pieces))
        return Document(data=document.data, descriptor=image.descriptor)


def _mountable(origin: str) -> tuple[str, ...]:
    """The repository that blobs of this origin can be mounted from; none for a local one."""
    return () if not origin or origin.startswith((LAYOUT, ARCHIVE)) else (origin.partition("@")[0],)


@contextmanager
def _of_cache(source: Source, blob: Descriptor, origin: str) -> Iterator[Iterator[bytes]]:
    """A layer that another machine made; where it is gone or damaged, what helps is to make it here."""

    def told(error: RemoteFailed) -> RemoteFailed:
        return type(error)(
            f"the layer {blob.digest.short} in the cache {origin}: {error.message}",
            hint=f"build again without --cache-from {origin}, which makes the layer here",
        )

    def pieces(opened: Iterator[bytes]) -> Iterator[bytes]:
        try:
            yield from opened
        except RemoteFailed as error:
            raise told(error) from error

    with ExitStack() as stack:
        try:
            opened = stack.enter_context(source.blob(blob))
        except RemoteFailed as error:
            raise told(error) from error
        yield pieces(opened)
