"""Whether an image is what its digests say and what Lambda takes: every digest, size and diff ID recomputed.

Nothing is looked up: documents and blobs are handed in, and a layer that is not at hand is named, not guessed at.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Final, TypeVar

from imagekit.errors import RemoteFailed, WrongDigest
from imagekit.findings import Finding
from imagekit.oci import media
from imagekit.oci.config import Config
from imagekit.oci.descriptor import Descriptor
from imagekit.oci.digest import Digest
from imagekit.oci.form import of_config, of_index, of_manifest
from imagekit.oci.index import Index
from imagekit.oci.inflate import Damaged, inflated
from imagekit.oci.manifest import MAX_SIZE, Manifest
from imagekit.oci.ports import Document
from imagekit.values import dataclass

#: Gives a blob, a part of an index too, or None when it lies elsewhere.
Blobs = Callable[[Descriptor], AbstractContextManager[Iterator[bytes]] | None]
#: Uncompressed bytes of all layers together that Lambda takes.
LAMBDA_SIZE: Final = 10 * 1024**3

_Noun = TypeVar("_Noun", Index, Manifest, Config)


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """What was found, and the layers that were not read because they lie elsewhere."""

    findings: tuple[Finding, ...]
    unread: tuple[Digest, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class _Layer:
    """What a layer's bytes are; `problem` when they cannot be inflated."""

    digest: Digest
    size: int
    diff_id: Digest | None = None
    inflated: int = 0
    problem: str = ""


def validate(document: Document, blobs: Blobs, *, limit: int = LAMBDA_SIZE) -> Report:
    """Look through an index or a manifest and all below it; no layers are inflated beyond `limit` bytes together.

    Raises only what `blobs` raises; a WrongDigest out of it is a finding.
    """
    walk = _Walk(blobs, limit)
    walk.document(document)
    return Report(findings=tuple(walk.findings), unread=tuple(walk.unread))


class _Walk:
    """One walk from the top document to the layers; a layer of several platforms is read once."""

    def __init__(self, blobs: Blobs, limit: int) -> None:
        self._blobs = blobs
        self._limit = limit
        self._layers: dict[Digest, _Layer | None] = {}
        self.findings: list[Finding] = []
        self.unread: dict[Digest, None] = {}

    def document(self, document: Document) -> None:
        """An index or a manifest, against its descriptor first."""
        found = _Layer(digest=Digest.of(document.data), size=len(document.data))
        if not self._fits(found, document.descriptor, "the document"):
            return
        if document.descriptor.media_type in media.INDEXES:
            self._index(document)
        else:
            self._manifest(document)

    def _index(self, document: Document) -> None:
        index = self._parsed(Index.from_bytes, document.data, "the index")
        if index is None:
            return
        self.findings += of_index(index, document.descriptor)
        for entry in index.images():
            if entry.media_type in media.INDEXES:
                self._say("IK0462", f"{entry.digest} is an index within the index")
            elif (data := self._whole(entry, f"the manifest for {entry.platform}")) is not None:
                self._manifest(Document(data=data, descriptor=entry))

    def _manifest(self, document: Document) -> None:
        name = str(document.descriptor.platform or "the image")
        manifest = self._parsed(Manifest.from_bytes, document.data, name)
        if manifest is None:
            return
        self.findings += of_manifest(manifest, document, name)
        data = self._whole(manifest.config, f"{name}: the config")
        config = None if data is None else self._parsed(Config.from_bytes, data, name)
        if config is None:
            return
        self.findings += of_config(config, manifest, document.descriptor, name)
        if len(config.diff_ids) == len(manifest.layers):
            self._contents(tuple(zip(manifest.layers, config.diff_ids, strict=True)), name)

    def _parsed(self, parse: Callable[[bytes], _Noun], data: bytes, what: str) -> _Noun | None:
        try:
            return parse(data)
        except RemoteFailed as error:
            self._say("IK0460", f"{what}: {error.message}")
            return None

    def _contents(self, layers: tuple[tuple[Descriptor, Digest], ...], name: str) -> None:
        total = 0
        for descriptor, diff_id in layers:
            what = f"{name}: the layer {descriptor.digest}"
            layer = self._layer(descriptor, what)
            if layer is None or not self._fits(layer, descriptor, what):
                continue
            if layer.problem:
                self._say("IK0455", f"{what} is not whole gzip: {layer.problem}")
            elif layer.diff_id != diff_id and layer.inflated <= self._limit:
                self._say("IK0452", f"{what} unpacks to {layer.diff_id}, the config says {diff_id}")
            total += layer.inflated
        if total > self._limit:
            self._say("IK0461", f"{name}: the layers unpack to more than {self._limit:,} bytes")

    def _layer(self, descriptor: Descriptor, what: str) -> _Layer | None:
        """What the bytes of a layer are; None when they are elsewhere or were refused on the way."""
        if descriptor.digest not in self._layers:
            self._layers[descriptor.digest] = None
            opened = self._blobs(descriptor)
            if opened is None:
                self.unread[descriptor.digest] = None
                return None
            try:
                with opened as pieces:
                    self._layers[descriptor.digest] = _measured(pieces, descriptor.size, self._limit)
            except WrongDigest as error:
                self._say("IK0450", f"{what}: {error.message}")
        return self._layers[descriptor.digest]

    def _whole(self, descriptor: Descriptor, what: str) -> bytes | None:
        """A small blob that has to be there; None after a finding."""
        opened = self._blobs(descriptor) if descriptor.size <= MAX_SIZE else None
        if opened is None:
            missing = "is not there" if descriptor.size <= MAX_SIZE else f"has more than {MAX_SIZE:,} bytes"
            self._say("IK0460", f"{what} {descriptor.digest} {missing}")
            return None
        data = bytearray()
        try:
            with opened as pieces:
                for piece in pieces:
                    data += piece
                    if len(data) > descriptor.size:
                        break
        except WrongDigest as error:
            self._say("IK0450", f"{what}: {error.message}")
            return None
        whole = bytes(data)
        found = _Layer(digest=Digest.of(whole), size=len(whole))
        return whole if self._fits(found, descriptor, what) else None

    def _fits(self, found: _Layer, descriptor: Descriptor, what: str) -> bool:
        """True when size and digest are the descriptor's; a size that is too large was not read to its end."""
        if found.size != descriptor.size:
            more = "more" if found.size > descriptor.size else f"{found.size:,}"
            self._say("IK0451", f"{what} has {more} bytes, its descriptor says {descriptor.size:,}")
        elif found.digest != descriptor.digest:
            self._say("IK0450", f"{what} is {found.digest}, its descriptor says {descriptor.digest}")
        return found.size == descriptor.size and found.digest == descriptor.digest

    def _say(self, code: str, message: str) -> None:
        self.findings.append(Finding(code=code, message=message))


def _measured(pieces: Iterator[bytes], size: int, limit: int) -> _Layer:
    """Digest, size and diff ID of a layer in one pass, which ends early beyond its size or `limit` inflated bytes."""
    source, diff_id, total, problem = _Counted(pieces, size), hashlib.sha256(), 0, ""
    try:
        for data in inflated(source):
            diff_id.update(data)
            total += len(data)
            if total > limit:
                break
    except Damaged as error:
        problem = str(error)
    for _ in source:  # the digest is of all bytes, also of those behind the damage
        pass
    found = None if problem or total > limit else Digest(diff_id.hexdigest())
    digest = Digest(source.digest.hexdigest())
    return _Layer(digest=digest, size=source.size, diff_id=found, inflated=total, problem=problem)


class _Counted:
    """Pieces on their way, hashed and counted; they end when there are more bytes than `limit`."""

    def __init__(self, pieces: Iterator[bytes], limit: int) -> None:
        self._pieces = pieces
        self._limit = limit
        self.digest = hashlib.sha256()
        self.size = 0

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        if self.size > self._limit:
            raise StopIteration
        piece = next(self._pieces)
        self.digest.update(piece)
        self.size += len(piece)
        return piece
