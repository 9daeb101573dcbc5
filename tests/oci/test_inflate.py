import gzip
import random
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagekit.oci.inflate import Damaged, inflated


def pieces_of(data: bytes, size: int) -> list[bytes]:
    return [data[start : start + size] for start in range(0, len(data), size)]


@given(st.lists(st.binary(max_size=3000), min_size=1, max_size=3), st.integers(1, 4000))
def test_all_members_come_out_whatever_the_pieces(contents, size):
    data = b"".join(gzip.compress(content) for content in contents)
    assert b"".join(inflated(pieces_of(data, size))) == b"".join(contents)


def test_a_bomb_comes_in_bounded_pieces():
    stream = zlib.compressobj(wbits=31)
    bomb = b"".join(stream.compress(bytes(1 << 20)) for _ in range(200)) + stream.flush()
    sizes = [len(piece) for piece in inflated([bomb])]
    assert sum(sizes) == 200 << 20
    assert max(sizes) <= 1 << 20


WHOLE = gzip.compress(random.Random(1).randbytes(5000))


@pytest.mark.parametrize("left", [0, 1, 9, 10, 11, 2000, len(WHOLE) - 8, len(WHOLE) - 1])
def test_what_is_cut_off_is_refused(left):
    with pytest.raises(Damaged, match=r"cut off|empty"):
        list(inflated(pieces_of(WHOLE[:left], 100)))


@pytest.mark.parametrize(
    "data",
    [
        *(b"plain", b"PK\x03\x04", WHOLE + b"x", WHOLE + bytes(512), b"\x28\xb5\x2f\xfd" + bytes(50)),
        *(WHOLE[:-8] + bytes(8), zlib.compress(b"x")),
    ],
)
def test_what_is_not_gzip_from_first_to_last_byte_is_refused(data):
    with pytest.raises(Damaged):
        list(inflated([data]))


@given(st.integers(0, len(WHOLE) - 1), st.integers(1, 255))
def test_no_change_of_a_byte_goes_unseen_but_in_the_headers_remarks(place, change):
    damaged = WHOLE[:place] + bytes([WHOLE[place] ^ change]) + WHOLE[place + 1 :]
    try:
        content = b"".join(inflated([damaged]))
    except Damaged:
        return
    assert content == gzip.decompress(WHOLE)
    assert place < 10
