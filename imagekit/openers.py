"""Bytes that are at hand, as a sink asks for a blob's: again and again if it must."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from imagekit.oci.ports import Opener

#: Bytes of a file that are read at once.
_PIECE: Final = 256 * 1024


def of_file(path: str) -> Opener:
    """A file's bytes."""

    @contextmanager
    def opened() -> Iterator[Iterator[bytes]]:
        with open(path, "rb") as file:
            yield iter(lambda: file.read(_PIECE), b"")

    return opened


def of_bytes(data: bytes) -> Opener:
    """These bytes."""

    @contextmanager
    def opened() -> Iterator[Iterator[bytes]]:
        yield iter((data,))

    return opened
