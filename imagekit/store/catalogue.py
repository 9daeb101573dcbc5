"""The catalogue of a layout in the making: the documents put so far, their tags, and the `index.json` they give."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from imagekit.errors import Bug, RemoteFailed
from imagekit.oci import media
from imagekit.oci.descriptor import Descriptor
from imagekit.oci.digest import Digest
from imagekit.oci.index import Index
from imagekit.oci.manifest import Manifest
from imagekit.oci.ports import Document
from imagekit.store.layout import REF_NAME


class Catalogue:
    """Filled by a Sink; the order in which documents come is the order of the entries."""

    def __init__(self) -> None:
        self.documents: dict[Digest, Document] = {}
        self._tags: dict[str, Descriptor] = {}

    def add(self, document: Document, tag: str) -> None:
        """Take a document in; raises Bug when its descriptor is another's."""
        if Digest.of(document.data) != document.descriptor.digest:
            raise Bug(f"a document's descriptor says {document.descriptor.digest}, its bytes do not")
        self.documents[document.descriptor.digest] = document
        if tag:
            self._tags[tag] = document.descriptor

    @property
    def tags(self) -> Mapping[str, Descriptor]:
        """What each tag names."""
        return self._tags

    def entries(self) -> tuple[Descriptor, ...]:
        """For `index.json`: one a tag, and the untagged documents that are not part of an index (such as referrers)."""
        listed = {item.digest for item in self._tags.values()} | self._parts()
        alone = [item.descriptor for digest, item in self.documents.items() if digest not in listed]
        tagged = [replace(item, annotations={**item.annotations, REF_NAME: tag}) for tag, item in self._tags.items()]
        return (*alone, *tagged)

    def blobs(self) -> tuple[Descriptor, ...]:
        """The configs and layers of all manifests, each once."""
        found: dict[Digest, Descriptor] = {}
        for document in self.documents.values():
            if document.descriptor.media_type in media.MANIFESTS:
                found |= {item.digest: item for item in Manifest.from_bytes(document.data).blobs}
        return tuple(found.values())

    def _parts(self) -> set[Digest]:
        return {
            part.digest
            for document in self.documents.values()
            if document.descriptor.media_type in media.INDEXES
            for part in self._index(document).manifests
        }

    def _index(self, document: Document) -> Index:
        """An index whose parts are all here; raises Bug."""
        try:
            index = Index.from_bytes(document.data)
        except RemoteFailed as error:
            raise Bug(f"what was put as an index is none: {error.message}") from error
        for part in index.manifests:
            if part.digest not in self.documents:
                raise Bug(f"the index {document.descriptor.digest} was put without its part {part.digest}")
        return index
