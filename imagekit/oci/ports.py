"""The seams: where images come from and go to, where bytes are fetched from, where results are kept.

Wrappers with the same Protocol add caching, concurrency and dry runs; nothing inside has flags for them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import BinaryIO, Protocol

from imagekit.oci.descriptor import Descriptor
from imagekit.oci.digest import Digest
from imagekit.values import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Document:
    """A manifest or an index, byte for byte as its store holds it."""

    data: bytes
    descriptor: Descriptor


Opener = Callable[[], AbstractContextManager[Iterator[bytes]]]


class Source(Protocol):
    """One repository, image layout or archive that images are read from.

    Digests are verified by the source: what it hands out is what was asked for, or it raises WrongDigest.
    """

    def document(self, selector: str) -> Document:
        """The manifest or index under a tag or a digest."""

    def blob(self, descriptor: Descriptor) -> AbstractContextManager[Iterator[bytes]]:
        """The blob's bytes in pieces; the last piece comes only after the digest was right."""


class Sink(Protocol):
    """One repository, image layout or archive that images are written to."""

    def has(self, descriptor: Descriptor) -> bool:
        """True when the blob is there already."""

    def mount(self, descriptor: Descriptor, origin: str) -> bool:
        """Take a blob over from `origin` (`registry/repository`) without moving bytes; False when that fails."""

    def put(self, descriptor: Descriptor, opened: Opener) -> None:
        """Write a blob; `opened` may be called again when a try failed."""

    def digest_of(self, tag: str) -> Digest | None:
        """What a tag names now."""

    def put_document(self, document: Document, tag: str = "") -> None:
        """Write a manifest or an index byte for byte, under its digest or also a tag."""


class Fetch(Protocol):
    """Something that can be had by URL."""

    def fetch(
        self, url: str, *, digest: Digest | None, size: int | None, named_by: str = "", limit: int | None = None
    ) -> Fetched:
        """The file behind a URL, verified against digest and size as far as they are known.

        `named_by` is the URL whose answer this one comes from, if a server named it; no more than `limit` bytes are
        taken.
        """


@dataclass(frozen=True, kw_only=True, slots=True)
class Fetched:
    """A file that was fetched: where it lies, read-only, and what it is."""

    path: str
    digest: Digest
    size: int


class Writer(Protocol):
    """A blob on its way into the cache: nothing is visible before `commit`."""

    @property
    def file(self) -> BinaryIO:
        """Where to write."""

    def commit(self, digest: Digest) -> str:
        """Keep what was written under this digest; returns the path."""


class Cache(Protocol):
    """Results that can be made again: records by key, blobs by digest. Safe to share between processes."""

    def record(self, kind: str, key: str) -> bytes | None:
        """A small document kept under a key."""

    def keep(self, kind: str, key: str, data: bytes) -> None:
        """Keep a small document; a cache that cannot be written to keeps nothing and says so once."""

    def blob(self, digest: Digest) -> str | None:
        """The path of a blob, read-only."""

    def writer(self) -> AbstractContextManager[Writer]:
        """A new blob; dropped when the block ends without `commit`."""
