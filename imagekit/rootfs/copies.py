"""One content for several entries: what an archive calls hard links. Lambda refuses them, so each gets a copy."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from imagekit.readable import Readable
from imagekit.rootfs.entry import Entry, Item

#: Contents up to this size are held in memory, larger ones in a temporary file.
_SMALL: Final = 8 << 20
_PIECE: Final = 1 << 20


def several(entries: Sequence[Entry], stream: Readable, size: int) -> Iterator[Item]:
    """An item for each entry, all with the content of a stream that can be read only once."""
    if len(entries) == 1:
        yield entries[0], lambda: stream
    elif size <= _SMALL:
        data = b"".join(_pieces(stream))
        yield from ((entry, data) for entry in entries)
    else:
        yield from _spooled(entries, stream)


def _spooled(entries: Sequence[Entry], stream: Readable) -> Iterator[Item]:
    from tempfile import TemporaryFile

    with TemporaryFile() as file:
        file.writelines(_pieces(stream))
        file.flush()
        for entry in entries:
            file.seek(0)
            copy = _Copy(file)
            yield entry, lambda copy=copy: copy  # type: ignore[misc]  # a default binds this turn's copy


def _pieces(stream: Readable) -> Iterator[bytes]:
    while piece := stream.read(_PIECE):
        yield piece


class _Copy:
    """The temporary file for one entry; closing it leaves the file to the next one."""

    def __init__(self, file: Readable) -> None:
        self._file = file

    def read(self, size: int, /) -> bytes:
        """The next piece."""
        return self._file.read(size)

    def close(self) -> None:
        """The file is closed after its last entry."""
