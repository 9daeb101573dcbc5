import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagekit.errors import RemoteFailed
from imagekit.oci.digest import Digest
from tests.oci.strategies import digests

HEX = "0123456789abcdef" * 4


@given(digests)
def test_a_digest_survives_its_text(digest):
    assert Digest.parse(str(digest)) == digest
    assert Digest.from_hex(digest.hex) == digest


@given(st.binary(max_size=200))
def test_the_digest_of_bytes_is_their_sha256(data):
    assert str(Digest.of(data)) == f"sha256:{hashlib.sha256(data).hexdigest()}"


@given(digests, digests)
def test_digests_sort_as_their_texts(one, two):
    assert (one < two) == (str(one) < str(two))


def test_people_see_twelve_digits():
    assert Digest.from_hex(HEX).short == "0123456789ab"


@pytest.mark.parametrize(
    "text",
    [
        *("", HEX, f"sha256:{HEX.upper()}", f"sha256:{HEX[:-1]}", f"sha256:{HEX}0", f"sha256:{HEX}\n"),
        *(f"sha512:{HEX}{HEX}", f"SHA256:{HEX}", f" sha256:{HEX}", f"sha256:../{HEX[3:]}", f"sha256:{HEX[:-1]}٣"),
        *(None, 12, b"sha256:" + HEX.encode(), ["sha256"], {"sha256": HEX}),
    ],
)
def test_nothing_else_is_a_digest(text):
    with pytest.raises(RemoteFailed, match="not a sha256 digest"):
        Digest.parse(text)


def test_a_long_text_is_cut_in_the_message():
    with pytest.raises(RemoteFailed) as caught:
        Digest.parse("x" * 1_000_000)
    assert len(caught.value.message) < 200
