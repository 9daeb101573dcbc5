"""An OCI image layout as a Source (image-spec, image-layout.md), whether its files lie in a folder or in an archive.

Layouts come from anywhere: sizes are bounded, digests are checked on the way, and no symlink leads out of the folder.
A sparse layout holds the blobs that imagekit made; `origins.json` says where the others are.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from functools import cached_property
from typing import Final, Protocol

from imagekit.errors import InvalidFile, RemoteFailed, WrongDigest
from imagekit.oci import canonical, media
from imagekit.oci.descriptor import Descriptor, text_mapping
from imagekit.oci.digest import Digest
from imagekit.oci.index import Index
from imagekit.oci.manifest import MAX_SIZE
from imagekit.oci.ports import Document
from imagekit.store.verify import verified

MARKER: Final = "oci-layout"
MARKER_BYTES: Final = b'{"imageLayoutVersion":"1.0.0"}'
INDEX: Final = "index.json"
ORIGINS: Final = "origins.json"
#: The annotation that names an entry of `index.json` (image-spec, annotations.md).
REF_NAME: Final = "org.opencontainers.image.ref.name"
_PIECE: Final = 256 * 1024


class Files(Protocol):
    """The files of a layout, by their names in it."""

    @property
    def where(self) -> str:
        """What messages call the layout."""

    def size(self, name: str) -> int | None:
        """Bytes of a regular file; None when there is none. Raises InvalidFile for anything else of that name."""

    def pieces(self, name: str) -> AbstractContextManager[Iterator[bytes]]:
        """The bytes of a file."""


class Layout:
    """Reads an image layout; a selector is a tag (`…image.ref.name`), a digest, or empty for the only image."""

    def __init__(self, files: Files) -> None:
        self._files = files

    @classmethod
    def in_folder(cls, folder: str | os.PathLike[str]) -> Layout:
        """The layout in a folder; nothing is read yet."""
        return cls(Folder(os.fspath(folder)))

    def document(self, selector: str) -> Document:
        """The manifest or index under a tag or a digest; raises InvalidFile, WrongDigest."""
        if selector.startswith("sha256:"):
            return self._by_digest(Digest.parse(selector))
        if selector:
            return self.read(self._tagged(selector))
        return self._only()

    def read(self, descriptor: Descriptor) -> Document:
        """The document behind an entry, its media type settled; raises InvalidFile, WrongDigest."""
        if descriptor.size > MAX_SIZE:
            raise InvalidFile(f"{descriptor.digest} in {self._files.where} has more than {MAX_SIZE} bytes")
        with self.blob(descriptor) as pieces:
            data = b"".join(pieces)
        with self._reading(str(descriptor.digest)):
            media_type = _media_type(data, descriptor.media_type)
        return Document(data=data, descriptor=replace(descriptor, media_type=media_type, annotations={}))

    def blob(self, descriptor: Descriptor) -> AbstractContextManager[Iterator[bytes]]:
        """The blob's bytes in pieces, verified before the last; raises InvalidFile when it lies elsewhere."""
        name = blob_name(descriptor.digest)
        size = self._files.size(name)
        if size is None:
            origin = self.origin(descriptor.digest)
            raise InvalidFile(
                f"{self._files.where} has no blob {descriptor.digest}" + (f"; it is in {origin}" if origin else ""),
                hint="build or copy the image again, this time with all of its blobs",
            )
        if size != descriptor.size:
            raise WrongDigest(
                f"{descriptor.digest} should have {descriptor.size} bytes and has {size} in {self._files.where}"
            )
        return self._verified(name, descriptor)

    def has(self, descriptor: Descriptor) -> bool:
        """True when the layout itself holds the blob, with the right size."""
        return self._files.size(blob_name(descriptor.digest)) == descriptor.size

    def origin(self, digest: Digest) -> str:
        """Where a blob is that the layout does not hold: `registry/repository@…` or `oci:DIR`; empty when unknown."""
        return self.origins.get(str(digest), "")

    @cached_property
    def origins(self) -> Mapping[str, str]:
        """`origins.json`, as text; empty for a complete layout."""
        if self._files.size(ORIGINS) is None:
            return {}
        with self._reading(ORIGINS):
            return text_mapping(canonical.mapping_from_bytes(self._whole(ORIGINS), ORIGINS))

    @cached_property
    def entries(self) -> tuple[Descriptor, ...]:
        """The descriptors in `index.json`; raises InvalidFile when this is no image layout."""
        with self._reading(MARKER):
            version = canonical.mapping_from_bytes(self._whole(MARKER), MARKER).get("imageLayoutVersion")
        if version != "1.0.0":
            raise InvalidFile(f"{self._files.where} is an image layout of version {str(version)[:40]!r}, not 1.0.0")
        with self._reading(INDEX):
            return Index.from_bytes(self._whole(INDEX)).manifests

    @property
    def tags(self) -> Mapping[str, Descriptor]:
        """What each tag names; the first counts when a tag stands twice."""
        return {tag_of(item): item for item in reversed(self.entries) if tag_of(item)}

    def _tagged(self, tag: str) -> Descriptor:
        found = {item.digest: item for item in self.entries if tag_of(item) == tag}
        if len(found) != 1:
            problem = f"has no image {tag[:200]!r}" if not found else f"has {len(found)} images {tag[:200]!r}"
            raise InvalidFile(f"{self._files.where} {problem}", hint=f"it has {_listed(self.entries)}")
        return next(iter(found.values()))

    def _only(self) -> Document:
        """The one image that is not a part of another; or `index.json` itself when it is a multi-platform index."""
        entries = {item.digest: item for item in self.entries}
        parts: set[Digest] = set()
        for item in entries.values():
            if len(entries) > 1 and item.media_type in media.INDEXES:
                with self._reading(str(item.digest)):
                    parts |= {part.digest for part in Index.from_bytes(self.read(item).data).manifests}
        top = [item for item in entries.values() if item.digest not in parts]
        if len(top) == 1:
            return self.read(top[0])
        platforms = {item.platform for item in top}
        if top and None not in platforms and len(platforms) == len(top) and not self.tags:
            data = self._whole(INDEX)
            return Document(data=data, descriptor=Descriptor.of(data, media.INDEX))
        raise InvalidFile(
            f"{self._files.where} has {len(top)} images", hint=f"say which one: it has {_listed(self.entries)}"
        )

    def _by_digest(self, digest: Digest) -> Document:
        """An entry of `index.json`, else any document among the blobs: the parts of an index are not listed."""
        for item in self.entries:
            if item.digest == digest:
                return self.read(item)
        size = self._files.size(blob_name(digest))
        if size is None:
            raise InvalidFile(f"{self._files.where} has no {digest}", hint=f"it has {_listed(self.entries)}")
        return self.read(Descriptor(media_type="", digest=digest, size=size))

    def _whole(self, name: str) -> bytes:
        """A small file; raises InvalidFile when it is missing or too large."""
        size = self._files.size(name)
        if size is None:
            raise InvalidFile(
                f"{self._files.where} has no {name}", hint="an image layout has oci-layout, index.json and blobs/"
            )
        if size > MAX_SIZE:
            raise InvalidFile(f"{name} in {self._files.where} has more than {MAX_SIZE} bytes")
        with self._files.pieces(name) as pieces:
            return b"".join(pieces)

    @contextmanager
    def _verified(self, name: str, descriptor: Descriptor) -> Iterator[Iterator[bytes]]:
        with self._files.pieces(name) as pieces:
            yield verified(pieces, descriptor, self._files.where)

    @contextmanager
    def _reading(self, name: str) -> Iterator[None]:
        """What the parsers of foreign bytes put down to a server is here a file's fault."""
        try:
            yield
        except WrongDigest:
            raise
        except RemoteFailed as error:
            raise InvalidFile(f"{self._files.where}, {name}: {error.message}", hint=error.hint) from error


class Folder:
    """The files of a layout in a folder. The folder may be a symlink; below it none may lead out."""

    def __init__(self, path: str) -> None:
        self.where = f"oci:{path}"
        self._top = os.path.realpath(path)

    def size(self, name: str) -> int | None:
        """Bytes of a regular file, None when there is none; raises InvalidFile."""
        try:
            state = os.lstat(self._path(name))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise self._unreadable(name, str(error.strerror)) from error
        if not stat.S_ISREG(state.st_mode):
            raise self._unreadable(name, "not a regular file")
        return state.st_size

    @contextmanager
    def pieces(self, name: str) -> Iterator[Iterator[bytes]]:
        """The bytes of a file; raises InvalidFile."""
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        try:
            descriptor = os.open(self._path(name), flags)
        except OSError as error:
            raise self._unreadable(name, str(error.strerror)) from error
        try:
            yield iter(lambda: os.read(descriptor, _PIECE), b"")
        finally:
            os.close(descriptor)

    def _path(self, name: str) -> str:
        path = os.path.realpath(os.path.join(self._top, name))
        if not path.startswith(os.path.join(self._top, "")):
            raise self._unreadable(name, "a symlink that leads out of the layout")
        return path

    def _unreadable(self, name: str, why: str) -> InvalidFile:
        return InvalidFile(f"{self.where}: {name}: {why}", hint="copy the layout again, for example with skopeo")


def blob_name(digest: Digest) -> str:
    """A blob's name in a layout."""
    return f"blobs/sha256/{digest.hex}"


def tag_of(entry: Descriptor) -> str:
    """The tag of an entry of `index.json`, or nothing."""
    return entry.annotations.get(REF_NAME, "")


def _media_type(data: bytes, told: str) -> str:
    """What a document is, when its descriptor, its own word and its shape agree; raises RemoteFailed."""
    fields = canonical.mapping_from_bytes(data, "the document")
    own = fields.get("mediaType")
    shape = media.INDEX if "manifests" in fields else media.MANIFEST
    said = {text for text in (told, own) if isinstance(text, str) and text} or {shape}
    media_type = said.pop()
    # One reader's index must not be another's manifest: the digest is the same for both.
    is_both = "manifests" in fields and "layers" in fields
    if said or is_both or (media_type in media.INDEXES) != ("manifests" in fields):
        raise RemoteFailed("the document is not what its media type says", hint="the layout is damaged or forged")
    return media_type


def _listed(entries: tuple[Descriptor, ...]) -> str:
    """The images of a layout, for a hint."""
    names = sorted({tag_of(item) or str(item.digest) for item in entries})
    more = f" and {len(names) - 10} more" if len(names) > 10 else ""
    return (", ".join(repr(name[:100]) for name in names[:10]) or "none") + more
