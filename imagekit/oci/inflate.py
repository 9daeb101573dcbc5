"""Gzip inflated in bounded pieces (RFC 1952), by another library than the one that wrote the layer, on purpose."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from typing import Final

_PIECE: Final = 1024 * 1024
#: A window of 32 KiB and gzip's own header and trailer (zlib manual, inflateInit2).
_GZIP: Final = 15 + 16


class Damaged(ValueError):
    """What was wrong with the gzip stream."""


def inflated(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The content of all members, at most 1 MiB at a time however much they claim; raises Damaged."""
    stream, begun = zlib.decompressobj(_GZIP), False
    for piece in pieces:
        rest = piece
        while rest:
            if stream.eof:
                stream = zlib.decompressobj(_GZIP)
            begun = True
            yield _some(stream, rest)
            rest = stream.unused_data if stream.eof else stream.unconsumed_tail
    if not begun:
        raise Damaged("it is empty")
    while not stream.eof:  # what the library held back because a piece was full
        data = _some(stream, b"")
        if not data:
            raise Damaged("it is cut off")
        yield data


def _some(stream: zlib._Decompress, data: bytes) -> bytes:
    try:
        return stream.decompress(data, _PIECE)
    except zlib.error as error:
        raise Damaged(str(error)) from error
