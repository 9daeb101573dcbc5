"""A stream, as everything that moves bytes from place to place sees one."""

from __future__ import annotations

from typing import Protocol


class Readable(Protocol):
    """Bytes in pieces; an empty piece is the end."""

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes."""

    def close(self) -> None:
        """Let go of what is behind it."""
