"""Bytes on their way, checked against what they should be before the last of them is let through."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator

from imagekit.errors import WrongDigest
from imagekit.oci.descriptor import Descriptor
from imagekit.oci.digest import Digest


def verified(pieces: Iterable[bytes], descriptor: Descriptor, where: str) -> Iterator[bytes]:
    """The pieces, one held back until the next is there; raises WrongDigest before the last when they are not right."""
    found, size, held = hashlib.sha256(), 0, b""
    for piece in pieces:
        if held:
            yield held
        found.update(piece)
        size += len(piece)
        held = piece
    check(Digest(found.hexdigest()), size, descriptor, where)
    if held:
        yield held


def check(digest: Digest, size: int, descriptor: Descriptor, where: str) -> None:
    """Raise WrongDigest unless digest and size are the descriptor's."""
    if digest != descriptor.digest:
        raise WrongDigest(f"{where} gives other bytes than {descriptor.digest}: {digest}, {size} bytes")
    if size != descriptor.size:
        raise WrongDigest(f"{where} gives {size} bytes for {descriptor.digest}, which should be {descriptor.size}")
