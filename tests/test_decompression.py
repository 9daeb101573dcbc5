"""Streams decompressed in pieces of bounded size."""

import bz2
import contextlib
import gc
import gzip
import io
import lzma
import random
import weakref
import zlib

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from imagekit.decompression import Damaged, Decompressed

DATA = random.Random(1).randbytes(100_000) + bytes(3_000_000) + b"the end"
COMPRESS = {
    "gzip": gzip.compress,
    "xz": lzma.compress,
    "bzip2": bz2.compress,
    "zstd": zstandard.ZstdCompressor(level=3).compress,
    "plain": bytes,
}
PROVING = ["gzip", "xz", "bzip2"]


class Trickle(io.BytesIO):
    """Gives at most `piece` bytes a read."""

    piece = 7777

    def read(self, size=-1):
        return super().read(min(size, self.piece) if size >= 0 else self.piece)


def unpacked(raw: bytes, size: int = 1 << 20, piece: int = 1 << 16) -> bytes:
    source = Trickle(raw)
    source.piece = piece
    stream, out = Decompressed(source), b""
    while part := stream.read(size):
        assert len(part) <= size
        out += part
    assert source.tell() == len(raw), "all is read, so that a digest of it can be judged"
    return out


@pytest.mark.parametrize("kind", COMPRESS)
@pytest.mark.parametrize(("size", "piece"), [(1 << 20, 1 << 16), (1000, 1 << 16), (1 << 20, 999), (4096, 1)])
def test_every_kind_comes_back_whatever_the_sizes(kind, size, piece):
    data = DATA if piece > 1 else DATA[-50_000:]
    assert unpacked(COMPRESS[kind](data), size, piece) == data


@pytest.mark.parametrize("kind", PROVING)
def test_members_and_zeros_may_follow(kind):
    raw = COMPRESS[kind](b"one") + COMPRESS[kind](b"") + COMPRESS[kind](b"two")
    assert unpacked(raw) == b"onetwo"
    assert unpacked(raw, piece=1) == b"onetwo"
    assert unpacked(raw + bytes(1024)) == b"onetwo"


def test_the_form_before_xz_is_read_where_it_is_expected():
    """It has no magic of its own: a tar whose first name is `]` begins with the same bytes."""
    raw = lzma.compress(DATA, lzma.FORMAT_ALONE)
    stream = Decompressed(io.BytesIO(raw), lzma=True)
    assert b"".join(iter(lambda: stream.read(1 << 20), b"")) == DATA
    assert Decompressed(io.BytesIO(raw)).read(13) == raw[:13]
    for bad in (raw[:-1], raw + b"garbage"):
        stream = Decompressed(io.BytesIO(bad), lzma=True)
        with pytest.raises(Damaged):
            list(iter(lambda stream=stream: stream.read(1 << 20), b""))


def test_zstd_frames_follow_each_other():
    assert unpacked(COMPRESS["zstd"](b"one") + COMPRESS["zstd"](b"two")) == b"onetwo"


@pytest.mark.parametrize("kind", PROVING)
def test_what_is_cut_off_damaged_or_followed_by_something_is_damaged(kind):
    raw = COMPRESS[kind](DATA)
    assert Decompressed(io.BytesIO(raw)).proves_end
    for bad in (raw[:-1], raw[: len(raw) // 2], raw[:7], raw + b"garbage", raw[:50_000] + b"\0\0\0\0" + raw[50_004:]):
        with pytest.raises(Damaged):
            unpacked(bad)


def test_a_wrong_checksum_at_the_end_is_damage():
    raw = gzip.compress(DATA)
    with pytest.raises(Damaged, match="damaged"):
        unpacked(raw[:-8] + bytes(4) + raw[-4:])


@pytest.mark.parametrize("kind", ["zstd", "plain"])
def test_zstd_and_plain_streams_do_not_prove_their_end(kind):
    assert not Decompressed(io.BytesIO(COMPRESS[kind](DATA))).proves_end


def test_damaged_zstd_is_damage():
    raw = bytearray(COMPRESS["zstd"](DATA))
    raw[40:60] = bytes(20)
    raw[4] ^= 0xFF
    with pytest.raises(Damaged):
        unpacked(bytes(raw))


def test_a_decoder_that_asks_for_too_much_memory_is_refused():
    filters = [{"id": lzma.FILTER_LZMA2, "dict_size": 1 << 30}]
    with pytest.raises(Damaged, match=r"[Mm]emory"):
        unpacked(lzma.compress(b"x", filters=filters))
    parameters = zstandard.ZstdCompressionParameters.from_level(3, window_log=30)
    raw = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    with pytest.raises(Damaged, match="memory"):
        unpacked(raw.compress(b"x" * 10) + raw.flush())


def test_a_bomb_comes_in_bounded_pieces():
    engine = zlib.compressobj(9, zlib.DEFLATED, 31)
    raw = b"".join(engine.compress(bytes(1 << 20)) for _ in range(64)) + engine.flush()
    stream = Decompressed(io.BytesIO(raw))
    assert max(len(part) for part in iter(lambda: stream.read(10_000), b"")) == 10_000


@settings(max_examples=300, deadline=None)
@given(kind=st.sampled_from(sorted(COMPRESS)), junk=st.binary(max_size=300), cut=st.integers(0, 200))
def test_random_bytes_are_damage_or_data(kind, junk, cut):
    with contextlib.suppress(Damaged):
        unpacked(COMPRESS[kind](b"some data " * 5)[:cut] + junk)


@pytest.mark.parametrize("form", COMPRESS)
def test_what_was_read_is_let_go_of_at_once(form):
    """Decoders hold megabytes each; one in a cycle would be kept, for zstandard's objects for ever."""
    stream = Decompressed(io.BytesIO(COMPRESS[form](b"x" * 100_000)))
    while stream.read(1000):
        pass
    held = weakref.ref(stream)
    gc.disable()
    try:
        del stream
        assert held() is None
    finally:
        gc.enable()
