"""Layers that machines share through registries: found by the key of what they are made from, never read to be used.

A layer that is found stays where it is; a push mounts it, or streams it and verifies its digest. What a registry says
under a key is believed of the key alone: whoever may write there decides what is built from it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import field
from typing import Final, Protocol

from imagekit import openers, parallel
from imagekit.errors import RemoteFailed
from imagekit.oci.descriptor import Descriptor
from imagekit.oci.digest import Digest
from imagekit.oci.layer_artifact import EMPTY, LayerArtifact
from imagekit.oci.ports import Opener, Sink, Source
from imagekit.store.answers import Refused, Unanswered
from imagekit.values import dataclass

#: Requests under way at once.
_AT_ONCE: Final = 4
logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """A layer in one of the registries; `origin` is the repository that has it."""

    artifact: LayerArtifact
    origin: str
    source: Source

    def names(self) -> bytes | None:
        """The names in a layer of packages."""
        if self.artifact.names is None:
            return None
        with self.source.blob(self.artifact.names) as pieces:
            return b"".join(pieces)


class Repository(Source, Sink, Protocol):
    """What can be read, and asked what it has."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SharedLayers:
    """The repositories that layers are looked for in, and those that they are kept in, by name.

    A registry that fails is told of once and left alone: a cache that cannot be used is no reason not to build.
    """

    sources: Mapping[str, Repository]
    sinks: Mapping[str, Sink]
    given_up: set[str] = field(default_factory=set)

    def find(self, keys: Iterable[Digest], codec: str) -> Mapping[Digest, Found]:
        """The layers that are there, of these keys."""
        wanted = tuple(keys)
        found = parallel.each(lambda key: self._find(key, codec), wanted, _AT_ONCE)
        return {key: one for key, one in zip(wanted, found, strict=True) if one}

    def keep(self, layers: Sequence[tuple[LayerArtifact, bytes]], open: Callable[[Descriptor], Opener]) -> None:
        """Keep each with its names where it is not yet; `open` gives a layer's bytes."""
        everywhere = [(name, sink, one) for name, sink in self.sinks.items() for one in layers]
        parallel.each(lambda item: self._keep(*item, open), everywhere, _AT_ONCE)

    def _find(self, key: Digest, codec: str) -> Found | None:
        for name, source in self.sources.items():
            if name in self.given_up:
                continue
            with self._forgiving(name, f"the layer {key.short}"):
                artifact = _read(source, key, codec)
                if artifact and all(source.has(blob) for blob in artifact.blobs[:-1]):
                    return Found(artifact=artifact, origin=name, source=source)
        return None

    def _keep(
        self, name: str, sink: Sink, layer: tuple[LayerArtifact, bytes], open: Callable[[Descriptor], Opener]
    ) -> None:
        artifact, names = layer
        if name in self.given_up:
            return
        with self._forgiving(name, f"the layer {artifact.key.short}"):
            document, tag = artifact.to_document(), LayerArtifact.tag(artifact.key)
            if sink.digest_of(tag) == document.descriptor.digest:
                return
            at_hand = {Digest.of(EMPTY): EMPTY, Digest.of(names): names}
            for blob in artifact.blobs:
                if not sink.has(blob):
                    data = at_hand.get(blob.digest)
                    sink.put(blob, open(blob) if data is None else openers.of_bytes(data))
            sink.put_document(document, tag)

    @contextmanager
    def _forgiving(self, name: str, what: str) -> Iterator[None]:
        try:
            yield
        except (Refused, Unanswered) as error:
            # Each layer more would cost the same patience again.
            if name not in self.given_up:
                self.given_up.add(name)
                logger.warning("the cache %s is not used any more: %s", name, error.message)
        except RemoteFailed as error:
            logger.warning("%s in the cache %s is not used: %s", what, name, error.message)


def _read(source: Source, key: Digest, codec: str) -> LayerArtifact | None:
    try:
        document = source.document(LayerArtifact.tag(key))
    except Refused as error:
        if error.status == 404:
            return None
        raise
    return LayerArtifact.from_document(document, key, codec)
