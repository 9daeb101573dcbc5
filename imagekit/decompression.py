"""Decompressed streams: what a compressed file holds, in pieces of bounded size, its kind told by its first bytes."""

from __future__ import annotations

from collections.abc import Callable
from typing import IO, Final, Protocol, cast

from zlib_ng import zlib_ng

from imagekit.readable import Readable

_GZIP, _XZ, _BZIP2, _ZSTD = b"\x1f\x8b\x08", b"\xfd7zXZ\x00", b"BZh", b"\x28\xb5\x2f\xfd"
#: The beginning of .lzma with xz's settings, which is too short to tell it from anything else.
_LZMA: Final = b"\x5d\0\0"
#: Compressed bytes that are read at once, unless more than these are asked for: what is left is copied each time.
_INPUT: Final = 1 << 16
#: What a decoder may ask for: xz -9 takes 65 MiB, zstd --ultra -22 a window of 128 MiB.
_MAX_XZ_MEMORY: Final = 256 << 20
_MAX_ZSTD_WINDOW: Final = 128 << 20
#: The stub has it as an instance.
_INFLATE_ERROR: Final = cast("type[Exception]", zlib_ng.error)


class Damaged(Exception):
    """The stream is not what its first bytes promise; whoever knows its name wraps this."""


class _Decoder(Protocol):
    """The shape of `lzma.LZMADecompressor` and `bz2.BZ2Decompressor`: one member of a stream."""

    @property
    def eof(self) -> bool:
        """True when the member is complete."""

    @property
    def needs_input(self) -> bool:
        """True when it can give nothing more without more input."""

    @property
    def unused_data(self) -> bytes:
        """What followed the member."""

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        """At most `max_length` bytes; what was not used is kept."""


class _Inflate:
    """zlib-ng in that shape; it checks the header, the crc and the length (RFC 1952)."""

    def __init__(self) -> None:
        self._engine = zlib_ng.decompressobj(wbits=31)
        self._tail = b""
        self.needs_input = True

    @property
    def eof(self) -> bool:
        """True when the member is complete and its checksum was right."""
        return self._engine.eof

    @property
    def unused_data(self) -> bytes:
        """What followed the member."""
        return self._engine.unused_data

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        """At most `max_length` bytes; what was not used is kept."""
        out = self._engine.decompress(self._tail + data, max_length)
        self._tail = self._engine.unconsumed_tail
        self.needs_input = not self._tail and len(out) < max_length
        return out


class Decompressed:
    """The content of `raw`, which may be compressed (gzip, xz, bzip2, zstd) or not; closes it.

    `lzma` says that it may also be in the form that xz replaced. `proves_end` is true when the compression itself
    tells a complete stream from one that was cut off. Raises Damaged.
    """

    def __init__(self, raw: Readable, *, lzma: bool = False) -> None:
        self._raw = raw
        self._pending = _at_least(raw, 6)
        self._magic, self._new = _decoder_of(self._pending, lzma=lzma)
        self._stream: Readable | None = None
        self._decoder: _Decoder | None = self._new() if self._new else None
        self.proves_end = self._decoder is not None
        if self._pending.startswith(_ZSTD):
            self._stream = _zstd(self._pending, raw)

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes; empty at the end, when all of `raw` was read."""
        if self._stream:
            return self._zstd_read(self._stream, size)
        if not self._new:
            return self._read_raw(size)
        return self._decoded(size)

    def close(self) -> None:
        """Close what is behind it."""
        self._raw.close()

    def _read_raw(self, size: int, /) -> bytes:
        """The compressed bytes."""
        if not self._pending:
            return self._raw.read(size)
        piece, self._pending = self._pending[:size], self._pending[size:]
        return piece

    def _decoded(self, size: int) -> bytes:
        while self._decoder:
            piece = b""
            if self._decoder.needs_input:
                piece = self._read_raw(max(_INPUT, size))
                if not piece:
                    raise Damaged("it is cut off")
            out = self._step(self._decoder, piece, size)
            if self._decoder.eof:
                self._decoder = self._next_member(self._decoder.unused_data)
            if out:
                return out
        return b""

    def _step(self, decoder: _Decoder, piece: bytes, size: int) -> bytes:
        from lzma import LZMAError

        try:
            return decoder.decompress(piece, size)
        except (_INFLATE_ERROR, LZMAError, OSError, EOFError, ValueError) as error:  # bz2 raises OSError
            raise Damaged(f"it is damaged ({error})") from error

    def _next_member(self, rest: bytes) -> _Decoder | None:
        """Members may follow each other, and zeros the last one; anything else is not part of the format."""
        while True:
            rest = rest.lstrip(b"\0")
            if rest:
                break
            rest = self._read_raw(_INPUT)
            if not rest:
                return None
        self._pending = rest + self._pending
        if len(self._pending) < len(self._magic):
            self._pending += _at_least(self._raw, len(self._magic))
        if self._new is None or not self._pending.startswith(self._magic):
            raise Damaged("something follows its end")
        return self._new()

    def _zstd_read(self, stream: Readable, size: int) -> bytes:
        from zstandard import ZstdError

        try:
            return stream.read(size)
        except (ZstdError, MemoryError) as error:
            raise Damaged(f"it is damaged ({error})") from error


def _decoder_of(head: bytes, *, lzma: bool) -> tuple[bytes, Callable[[], _Decoder] | None]:
    """Magic bytes and decoder by the first bytes; none for zstd, which has its own reader, and for what is plain."""
    if head.startswith(_GZIP):
        return _GZIP, _Inflate
    if head.startswith(_XZ):
        from lzma import FORMAT_XZ, LZMADecompressor

        return _XZ, lambda: LZMADecompressor(FORMAT_XZ, memlimit=_MAX_XZ_MEMORY)
    if lzma and head.startswith(_LZMA):
        from lzma import FORMAT_ALONE, LZMADecompressor

        return _LZMA, lambda: LZMADecompressor(FORMAT_ALONE, memlimit=_MAX_XZ_MEMORY)
    if head.startswith(_BZIP2):
        from bz2 import BZ2Decompressor

        return _BZIP2, BZ2Decompressor
    return b"", None


class _Compressed:
    """The compressed side of a stream, for zstandard's reader.

    It knows nothing of the `Decompressed` that has the reader: Python does not find cycles through zstandard's objects,
    and each of them holds megabytes.
    """

    def __init__(self, head: bytes, raw: Readable) -> None:
        self._head = head
        self._raw = raw

    def read(self, size: int, /) -> bytes:
        """Compressed bytes."""
        if not self._head:
            return self._raw.read(size)
        piece, self._head = self._head[:size], self._head[size:]
        return piece


def _zstd(head: bytes, raw: Readable) -> Readable:
    from zstandard import ZstdDecompressor

    engine = ZstdDecompressor(max_window_size=_MAX_ZSTD_WINDOW)
    return engine.stream_reader(
        cast("IO[bytes]", _Compressed(head, raw)), read_size=_INPUT, read_across_frames=True, closefd=False
    )


def _at_least(raw: Readable, size: int) -> bytes:
    """The first bytes, however small the pieces are in which they come."""
    head = b""
    while len(head) < size:
        piece = raw.read(_INPUT)
        if not piece:
            break
        head += piece
    return head
