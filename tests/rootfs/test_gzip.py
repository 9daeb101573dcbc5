"""The codec: valid gzip whose bytes depend on nothing but the content and the codec."""

import gzip
import hashlib
import io
import itertools
import random
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagekit.rootfs.gzip import BLOCK, Codec, LayerBlob, LayerWriter

CODECS = [Codec.named("default"), Codec.named("fast")]


def text(size: int) -> bytes:
    """Compressible, different everywhere, the same for every Python."""
    words = [b"lambda", b"runtime", b"layer", b"digest", b"whiteout", b"manifest"]
    out, number = bytearray(), 1
    while len(out) < size:
        number = number * 1_103_515_245 + 12_345 & 0x7FFFFFFF
        out += words[number // 65_536 % 6] + b"%d " % (number // 1024 % 10_000)
    return bytes(out[:size])


TEXT = text(3 * BLOCK + 4321)


def written(pieces, codec=CODECS[1], pool=None) -> tuple[bytes, LayerBlob]:
    sink = io.BytesIO()
    writer = LayerWriter(sink, codec, pool)
    for piece in pieces:
        writer.write(piece)
    blob = writer.close()
    return sink.getvalue(), blob


@pytest.fixture(scope="module")
def pool():
    with ThreadPoolExecutor(4) as executor:
        yield executor


@pytest.mark.parametrize("codec", CODECS, ids=lambda codec: codec.name)
@pytest.mark.parametrize(
    "data",
    [b"", b"x", TEXT[:BLOCK], TEXT[: BLOCK + 1], TEXT[: 2 * BLOCK], TEXT, random.Random(2).randbytes(2 * BLOCK + 7)],
    ids=["empty", "one byte", "one block", "one block and a byte", "two blocks", "text", "incompressible"],
)
def test_the_blob_is_one_gzip_member_with_the_digests_of_both_sides(data, codec, pool):
    raw, blob = written([data], codec, pool)
    assert gzip.decompress(raw) == data
    assert blob.digest.hex == hashlib.sha256(raw).hexdigest()
    assert blob.diff_id.hex == hashlib.sha256(data).hexdigest()
    assert (blob.size, blob.tar_size) == (len(raw), len(data))
    assert raw.count(b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff") == 1
    assert raw[:10] == b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"


def test_blocks_are_a_mebibyte_and_see_the_32_kib_before_them():
    noise = random.Random(3).randbytes(16 * 1024)
    alone, _ = written([noise + bytes(BLOCK - len(noise))])
    twice, _ = written([bytes(BLOCK - len(noise)) + noise + noise])
    assert len(twice) < len(alone) + 2048


@settings(max_examples=25, deadline=None)
@given(cuts=st.lists(st.integers(0, len(TEXT)), max_size=12), threaded=st.booleans())
def test_the_sizes_of_the_pieces_and_the_threads_change_no_byte(cuts, threaded, pool):
    edges = [0, *sorted(cuts), len(TEXT)]
    pieces = [memoryview(TEXT)[a:b] for a, b in itertools.pairwise(edges)]
    assert written(pieces, pool=pool if threaded else None) == written([TEXT])


def test_a_buffer_may_be_used_again_after_it_was_written(pool):
    buffer = bytearray(64 * 1024)
    sink = io.BytesIO()
    writer = LayerWriter(sink, CODECS[1], pool)
    for number in range(40):
        buffer[:] = bytes([number]) * len(buffer)
        writer.write(buffer)
    writer.close()
    assert gzip.decompress(sink.getvalue()) == b"".join(bytes([number]) * len(buffer) for number in range(40))


def test_writers_share_a_pool(pool):
    sinks = [io.BytesIO() for _ in range(3)]
    writers = [LayerWriter(sink, CODECS[1], pool) for sink in sinks]
    for start in range(0, len(TEXT), 100_000):
        for writer in writers:
            writer.write(TEXT[start : start + 100_000])
    expected, blob = written([TEXT])
    assert [writer.close() for writer in writers] == [blob] * 3
    assert [sink.getvalue() for sink in sinks] == [expected] * 3


def test_blocks_in_flight_are_bounded():
    """A pool that is slower than the writer must not make the writer keep the whole layer in memory."""
    highest = now = 0

    class Counting(ThreadPoolExecutor):
        def submit(self, function, /, *arguments, **named):
            nonlocal highest, now
            now += 1
            highest = max(highest, now)
            future = super().submit(function, *arguments, **named)
            result = future.result

            def taken(timeout=None):
                nonlocal now
                now -= 1
                return result(timeout)

            future.result = taken
            return future

    with Counting(2) as slow:
        written([bytes(30 * BLOCK)], pool=slow)
    assert now == 0
    assert 2 <= highest <= 8


class HalfSink(io.RawIOBase):
    """Takes at most 1000 bytes a call, as a pipe or a nearly full disk may."""

    def __init__(self):
        self.data = b""

    def write(self, data):
        self.data += bytes(data[:1000])
        return min(1000, len(data))


def test_a_sink_that_takes_less_than_it_was_given_gets_the_rest():
    sink = HalfSink()
    writer = LayerWriter(sink, CODECS[1])
    writer.write(TEXT[:100_000])
    writer.close()
    assert gzip.decompress(sink.data) == TEXT[:100_000]


def test_the_name_says_all_that_the_bytes_depend_on():
    assert CODECS[0].name == "gzip/zlib-ng-1.1.0/level-6/block-1MiB"
    assert CODECS[1].name == "gzip/zlib-ng-1.1.0/level-2/block-1MiB"


def test_the_bytes_are_pinned():
    """The same on every machine: a change here changes every layer's digest and needs another LAYER_FORMAT."""
    raw, _ = written([TEXT], CODECS[0])
    assert hashlib.sha256(raw).hexdigest() == "4e27ee809155743b165ba9ccc3c46c4fe5113e6bb63a34520a3e60b20613506d"
    raw, _ = written([TEXT], CODECS[1])
    assert hashlib.sha256(raw).hexdigest() == "066f3bcc45521190146c3937be555ca57146d1020b4f6d133aa564b6f0aade0b"


def test_gnu_gzip_reads_it(tmp_path):
    raw, _ = written([TEXT])
    (tmp_path / "layer.gz").write_bytes(raw)
    result = subprocess.run(["gzip", "-dc", str(tmp_path / "layer.gz")], capture_output=True, check=True)
    assert result.stdout == TEXT
