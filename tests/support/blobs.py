"""Small blobs and manifests, and what a sink takes them from."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from imagekit.oci import media
from imagekit.oci.descriptor import Descriptor
from imagekit.oci.ports import Document, Opener


def opener(*pieces: bytes) -> Opener:
    """What `put` takes: these pieces, again at each call."""

    @contextmanager
    def opened() -> Iterator[Iterator[bytes]]:
        yield iter(pieces)

    return opened


def blob_of(data: bytes) -> Descriptor:
    """A layer's descriptor."""
    return Descriptor.of(data, media.LAYER)


def manifest_of(config: Descriptor, *layers: Descriptor, **more: Any) -> Document:
    """A manifest; `more` are further fields of it."""
    fields = {"schemaVersion": 2, "mediaType": media.MANIFEST, "config": config.to_mapping()}
    data = json.dumps({**fields, "layers": [layer.to_mapping() for layer in layers], **more}).encode()
    return Document(data=data, descriptor=Descriptor.of(data, media.MANIFEST))
