"""A bundle: an image gathered for one stream, an `oci-archive`, a `docker-archive`, or what an engine is fed.

Blobs are not copied here: each is opened when its turn in the stream comes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from typing import Final

from imagekit.errors import Bug, UsageError
from imagekit.oci import canonical, media
from imagekit.oci.descriptor import Descriptor
from imagekit.oci.digest import Digest
from imagekit.oci.index import Index
from imagekit.oci.manifest import Manifest
from imagekit.oci.ports import Document, Opener
from imagekit.rootfs import tar
from imagekit.rootfs.entry import Entry, Kind
from imagekit.store.catalogue import Catalogue
from imagekit.store.layout import INDEX, MARKER, MARKER_BYTES, blob_name, tag_of
from imagekit.store.verify import verified
from imagekit.values import dataclass

#: Where `docker save` says what it saved (moby, image/spec).
_DOCKER_MANIFEST: Final = "manifest.json"
#: How containerd's image store learns a full name.
_FULL_NAME: Final = "io.containerd.image.name"


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """A file of the archive: its name, its descriptor (whose size counts), and how it is opened."""

    name: str
    descriptor: Descriptor
    opened: Opener

    @classmethod
    def of(cls, name: str, data: bytes) -> Part:
        """A file with these bytes."""

        @contextmanager
        def opened() -> Iterator[Iterator[bytes]]:
            yield iter((data,))

        return cls(name=name, descriptor=Descriptor.of(data, ""), opened=opened)


class Bundle:
    """A Sink that remembers how blobs are opened."""

    def __init__(self) -> None:
        self._catalogue = Catalogue()
        self._openers: dict[Digest, Opener] = {}

    def has(self, descriptor: Descriptor) -> bool:
        """True when the blob was put."""
        return descriptor.digest in self._openers

    def mount(self, descriptor: Descriptor, origin: str) -> bool:
        """Never: an archive holds everything."""
        return False

    def put(self, descriptor: Descriptor, opened: Opener) -> None:
        """Take a blob in; `opened` is called when the archive is written, and its bytes are verified then."""
        self._openers[descriptor.digest] = opened

    def digest_of(self, tag: str) -> Digest | None:
        """What a tag names so far."""
        found = self._catalogue.tags.get(tag)
        return found.digest if found else None

    def put_document(self, document: Document, tag: str = "") -> None:
        """Take a manifest or an index in."""
        self._catalogue.add(document, tag)

    def oci_parts(self) -> tuple[Part, ...]:
        """The files of an image layout; raises Bug when a blob was not put."""
        return self._parts(self._catalogue.entries(), {})

    def docker_parts(self, name: str) -> tuple[Part, ...]:
        """The files that `docker save` writes, a layout and a `manifest.json`; `name` is registry and repository.

        Raises UsageError for an image of several platforms: this form holds one.
        """
        documents = self._catalogue.documents.values()
        if len(documents) != 1 or next(iter(documents)).descriptor.media_type not in media.MANIFESTS:
            raise UsageError(
                "a Docker archive holds an image for one platform, this one has several",
                hint="choose one with --platform, or write an oci-archive",
            )
        names = [f"{name}:{tag}" for tag in self._catalogue.tags]
        entries = tuple(_with_full_name(item, name) for item in self._catalogue.entries())
        manifest = Manifest.from_bytes(next(iter(documents)).data)
        return self._parts(entries, {_DOCKER_MANIFEST: _docker_manifest(manifest, names)})

    def _parts(self, entries: tuple[Descriptor, ...], more: Mapping[str, bytes]) -> tuple[Part, ...]:
        files = {MARKER: MARKER_BYTES, INDEX: Index(manifests=entries).to_bytes(), **more}
        documents = {blob_name(digest): item.data for digest, item in self._catalogue.documents.items()}
        blobs = (
            Part(name=blob_name(item.digest), descriptor=item, opened=self._opener(item))
            for item in self._catalogue.blobs()
        )
        parts = (*(Part.of(name, data) for name, data in {**files, **documents}.items()), *blobs)
        return tuple(sorted(parts, key=lambda part: part.name))

    def _opener(self, descriptor: Descriptor) -> Opener:
        opened = self._openers.get(descriptor.digest)
        if opened is None:
            raise Bug(f"a manifest was put without its blob {descriptor.digest}")
        return opened


def stream(parts: tuple[Part, ...]) -> Iterator[bytes]:
    """The tar of these files: one order, one time, so that one image gives one archive. Raises WrongDigest."""
    for folder in ("blobs", "blobs/sha256"):
        yield tar.header(Entry(path=folder, kind=Kind.DIRECTORY, mode=0o755))
    for part in parts:
        size = part.descriptor.size
        yield tar.header(Entry(path=part.name, size=size))
        with _checked(part) as pieces:
            yield from pieces
        yield tar.padding(size)
    yield tar.END


@contextmanager
def _checked(part: Part) -> Iterator[Iterator[bytes]]:
    opened: AbstractContextManager[Iterator[bytes]] = part.opened()
    with opened as pieces:
        yield verified(pieces, part.descriptor, "the source")


def _docker_manifest(manifest: Manifest, names: list[str]) -> bytes:
    """Layers stay gzip under the names of their digests: engines look at the bytes, not at the name."""
    image = {
        "Config": blob_name(manifest.config.digest),
        "RepoTags": names,
        "Layers": [blob_name(layer.digest) for layer in manifest.layers],
    }
    return canonical.to_bytes([image])


def _with_full_name(entry: Descriptor, name: str) -> Descriptor:
    tag = tag_of(entry)
    return replace(entry, annotations={**entry.annotations, _FULL_NAME: f"{name}:{tag}"}) if tag else entry
