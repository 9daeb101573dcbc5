"""What the entries of a layout lead to: documents, configs, layers, and whatever else a manifest names."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from imagekit.errors import InvalidFile, RemoteFailed
from imagekit.oci import canonical, media
from imagekit.oci.canonical import Json
from imagekit.oci.descriptor import Descriptor
from imagekit.oci.digest import Digest
from imagekit.oci.index import Index
from imagekit.store.layout import Layout


def reachable(layout: Layout, entries: Iterable[Descriptor]) -> frozenset[Digest] | None:
    """The digests of all blobs below the entries; None when a document cannot be read, and nobody can tell."""
    found: set[Digest] = set()
    waiting = list(entries)
    try:
        while waiting:
            entry = waiting.pop()
            if entry.digest in found:
                continue
            found.add(entry.digest)
            data = layout.read(entry).data
            if entry.media_type in media.INDEXES:
                waiting.extend(Index.from_bytes(data).manifests)
            else:
                found |= set(_digests(canonical.mapping_from_bytes(data, str(entry.digest))))
    except (InvalidFile, RemoteFailed):
        return None
    return frozenset(found)


def _digests(document: Json) -> Iterator[Digest]:
    """Every digest in a document: a manifest of a kind that we do not know may name blobs in fields of its own."""
    waiting = [document]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            waiting.extend(value.values())
        elif isinstance(value, list):
            waiting.extend(value)
        elif isinstance(value, str) and value.startswith("sha256:") and len(value) == 71:
            yield Digest.parse(value)
