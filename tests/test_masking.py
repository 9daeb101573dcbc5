"""Secrets in what passes by."""

from __future__ import annotations

from base64 import b64encode
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagekit.masking import Masked, held_by


def masked(pieces: list[bytes], *secrets: str) -> bytes:
    out: list[bytes] = []
    mask = Masked(out.append, secrets)
    for piece in pieces:
        mask(piece)
    mask.close()
    return b"".join(out)


@given(st.lists(st.integers(0, 40), max_size=6))
def test_a_secret_is_starred_out_however_it_is_cut(cuts):
    text = b"say hunter2, hunter22 and hunter2hunter2; hunter"
    ends = sorted({0, *(min(cut, len(text)) for cut in cuts), len(text)})
    pieces = [text[one:other] for one, other in pairwise(ends)]
    assert masked(pieces, "hunter2", "hunter22") == b"say ***, *** and ******; hunter"


@pytest.mark.parametrize(
    ("secret", "text"),
    [
        ("pass word/1\n", b"[pass word/1]"),
        ("pass word/1", b"[pass%20word%2F1]"),
        ("pass word/1", b"[" + b64encode(b"pass word/1") + b"]"),
        ("-----BEGIN\nMIIEvQ==\n}\n", b"[MIIEvQ==]"),
    ],
)
def test_its_other_forms_are_starred_out(secret, text):
    assert masked([text], secret) == b"[***]"


def test_what_is_no_secret_passes():
    assert masked([b"a", b"", b"b"]) == b"ab"
    assert masked([b"{ } brace"], "{\nsecret-line\n}") == b"{ } brace"


@given(st.binary(max_size=200), st.text("ab{\n", min_size=1, max_size=8))
def test_nothing_else_changes(data, secret):
    raw = secret.encode()
    assert raw not in masked([data[:50], data[50:]], secret)
    if not any(form in data for form in (*raw.split(b"\n"), raw)):
        assert masked([data], secret) == data


def test_a_secret_in_a_file_is_seen():
    assert held_by(b"token = hunter22\n", "hunter22\n")
    assert not held_by(b"a short one: abc", "abc")
