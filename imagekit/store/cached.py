"""Stores that remember what they were once told: documents by digest and configs, which never change; blobs brought."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from imagekit.errors import RemoteFailed
from imagekit.oci import media
from imagekit.oci.descriptor import Descriptor
from imagekit.oci.digest import Digest
from imagekit.oci.ports import Cache, Document, Opener, Sink, Source

_DOCUMENTS: Final = "document"
_CONFIGS: Final = "config"
#: Blobs up to this size are remembered: configs are, layers are not.
_SMALL: Final = 1 << 20


class Cached:
    """Wraps a source; what is asked for by tag is always asked again."""

    def __init__(self, source: Source, cache: Cache) -> None:
        self._source = source
        self._cache = cache

    def document(self, selector: str) -> Document:
        """The manifest or index under a tag or a digest."""
        if selector.startswith("sha256:"):
            kept = self._cache.record(_DOCUMENTS, selector)
            if kept is not None and (document := _from_record(kept, selector)):
                return document
        document = self._source.document(selector)
        record = document.descriptor.media_type.encode() + b"\n" + document.data
        self._cache.keep(_DOCUMENTS, str(document.descriptor.digest), record)
        return document

    @contextmanager
    def blob(self, descriptor: Descriptor) -> Iterator[Iterator[bytes]]:
        """The blob's bytes in pieces; a config is read whole."""
        if descriptor.size > _SMALL or media.to_oci(descriptor.media_type) != media.CONFIG:
            with self._source.blob(descriptor) as pieces:
                yield pieces
            return
        data = self._cache.record(_CONFIGS, str(descriptor.digest))
        if data is None or Digest.of(data) != descriptor.digest:
            with self._source.blob(descriptor) as pieces:
                data = b"".join(pieces)
            self._cache.keep(_CONFIGS, str(descriptor.digest), data)
        yield iter((data,))


class Brought:
    """Wraps a sink; a blob that was found or brought there in this run is not asked for again."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._there: set[Digest] = set()

    def has(self, descriptor: Descriptor) -> bool:
        """True when the blob is there already."""
        return descriptor.digest in self._there or self._noted(descriptor, self._sink.has(descriptor))

    def mount(self, descriptor: Descriptor, origin: str) -> bool:
        """Take a blob over from `origin`."""
        return self._noted(descriptor, self._sink.mount(descriptor, origin))

    def put(self, descriptor: Descriptor, opened: Opener) -> None:
        """Write a blob."""
        self._sink.put(descriptor, opened)
        self._noted(descriptor, True)

    def digest_of(self, tag: str) -> Digest | None:
        """What a tag names now; always asked."""
        return self._sink.digest_of(tag)

    def put_document(self, document: Document, tag: str = "") -> None:
        """Write a manifest or an index byte for byte."""
        self._sink.put_document(document, tag)

    def _noted(self, descriptor: Descriptor, is_there: bool) -> bool:
        if is_there:
            self._there.add(descriptor.digest)
        return is_there


class Offline:
    """A Source that holds nothing, for runs that may not use the network."""

    def __init__(self, name: str) -> None:
        self._name = name

    def document(self, selector: str) -> Document:
        """Never there."""
        raise self._refused(selector)

    @contextmanager
    def blob(self, descriptor: Descriptor) -> Iterator[Iterator[bytes]]:
        """Never there."""
        raise self._refused(str(descriptor.digest))
        yield iter(())  # what makes this a generator

    def _refused(self, what: str) -> RemoteFailed:
        return RemoteFailed(
            f"{what} of {self._name} is not in the cache, and --offline forbids the network",
            hint="run the command once without --offline",
        )


def _from_record(record: bytes, selector: str) -> Document | None:
    """What was kept; None when it is not what the digest names."""
    media_type, _, data = record.partition(b"\n")
    descriptor = Descriptor.of(data, media_type.decode("utf-8", "replace"))
    return Document(data=data, descriptor=descriptor) if str(descriptor.digest) == selector else None
