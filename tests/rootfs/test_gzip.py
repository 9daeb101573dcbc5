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

from imagekit.errors import Bug
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


def with_contents(contents, codec=CODECS[1], pool=None, sink=None) -> tuple[bytes, LayerBlob]:
    """A layer of contents with their names, each behind a few bytes as a tar has them."""
    sink = io.BytesIO() if sink is None else sink
    writer = LayerWriter(sink, codec, pool)
    for name, data in contents:
        writer.write(b"before" * 50)
        writer.begin(len(data), name)
        writer.write(data)
    writer.write(b"after")
    blob = writer.close()
    return sink.getvalue(), blob


def tar_of(contents) -> bytes:
    return b"".join(b"before" * 50 + data for _, data in contents) + b"after"


LARGE = TEXT[: 2 * BLOCK + 99]


def test_a_content_of_a_block_or_more_is_the_same_bytes_wherever_it_stands():
    first = CODECS[1].deflate(LARGE[:BLOCK], b"", last=False)
    second = CODECS[1].deflate(LARGE[BLOCK : 2 * BLOCK], LARGE[BLOCK - 32 * 1024 : BLOCK], last=False)
    for before in (b"", b"x" * 1000, TEXT[: BLOCK + 5]):
        raw, blob = with_contents([("", before), ("", LARGE)])
        assert first + second in raw
        assert gzip.decompress(raw) == tar_of([("", before), ("", LARGE)])
        assert blob.diff_id.hex == hashlib.sha256(gzip.decompress(raw)).hexdigest()


def test_a_smaller_content_changes_no_blocks():
    data = LARGE[: BLOCK - 1]
    assert with_contents([("one", data)]) == written([tar_of([("", data)])])


class CountingPool(ThreadPoolExecutor):
    """Knows how many blocks it was given."""

    blocks = 0

    def submit(self, function, /, *arguments, **named):
        self.blocks += 1
        return super().submit(function, *arguments, **named)


def test_what_comes_again_is_not_deflated_again():
    with CountingPool(2) as counting:
        once = with_contents([("one", LARGE)], pool=counting)
        for_one, counting.blocks = counting.blocks, 0
        many = with_contents([("one", LARGE)] * 20, pool=counting)
    # What is before the content, and what is left of it beside its two full blocks, is never the same block.
    assert counting.blocks == 2 + 20 + 1
    assert for_one == 4
    assert many[1].size > 20 * (once[1].size - 1000)
    assert gzip.decompress(many[0]) == tar_of([("one", LARGE)] * 20)
    assert many == with_contents([("", LARGE)] * 20)


@settings(max_examples=20, deadline=None)
@given(
    chosen=st.lists(st.tuples(st.sampled_from("abc"), st.booleans()), max_size=5),
    sizes=st.tuples(*[st.sampled_from([1, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK])] * 3),
    threaded=st.booleans(),
)
def test_neither_names_nor_threads_change_a_byte(chosen, sizes, threaded, pool):
    data = {name: TEXT[number : number + size] for number, (name, size) in enumerate(zip("abc", sizes, strict=True))}
    contents = [(name, data[name]) for name, _ in chosen]
    named = [(name if is_named else "", data[name]) for name, is_named in chosen]
    plain = with_contents([("", held) for _, held in contents])
    assert with_contents(named, pool=pool if threaded else None) == plain
    assert gzip.decompress(plain[0]) == tar_of(contents)


def test_a_content_may_end_the_layer():
    sink = io.BytesIO()
    writer = LayerWriter(sink, CODECS[1])
    for _ in range(2):
        writer.begin(BLOCK, "one")
        writer.write(TEXT[:BLOCK])
    writer.close()
    assert gzip.decompress(sink.getvalue()) == TEXT[:BLOCK] * 2


def test_a_sink_that_lost_what_was_written_is_noticed():
    class Losing(io.BytesIO):
        def read(self, size=-1):
            return super().read(size)[1:]

    with pytest.raises(Bug, match="can be read"):
        with_contents([("one", LARGE)] * 2, sink=Losing())


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
    raw, _ = with_contents([("one", LARGE), ("", TEXT)], CODECS[0])
    assert hashlib.sha256(raw).hexdigest() == "98deb1c51f016949a4d8174bd5a9268a5931ec193705048c18531542b0429b51"
    raw, _ = written([TEXT], CODECS[1])
    assert hashlib.sha256(raw).hexdigest() == "066f3bcc45521190146c3937be555ca57146d1020b4f6d133aa564b6f0aade0b"


def test_gnu_gzip_reads_it(tmp_path):
    raw, _ = written([TEXT])
    (tmp_path / "layer.gz").write_bytes(raw)
    result = subprocess.run(["gzip", "-dc", str(tmp_path / "layer.gz")], capture_output=True, check=True)
    assert result.stdout == TEXT
