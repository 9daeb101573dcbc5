"""A stream, as everything that moves bytes from place to place sees one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol


class Readable(Protocol):
    """Bytes in pieces; an empty piece is the end."""

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes."""

    def close(self) -> None:
        """Let go of what is behind it."""


class Pieces:
    """Bytes that come in pieces, such as a blob's, as something to read."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._rest = b""

    def read(self, size: int, /) -> bytes:
        """What is left of a piece, or the next one."""
        if not self._rest:
            self._rest = next((piece for piece in self._pieces if piece), b"")
        piece, self._rest = self._rest[:size], self._rest[size:]
        return piece

    def close(self) -> None:
        """The opener's block closes what is behind it."""
