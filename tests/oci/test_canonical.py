import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagekit.errors import RemoteFailed
from imagekit.oci import canonical
from tests.oci.strategies import texts

values = st.recursive(
    st.none() | st.booleans() | st.integers() | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
)


@given(values)
def test_a_value_survives_its_bytes(value):
    assert json.loads(canonical.to_bytes(value)) == value


@given(st.dictionaries(texts, st.integers()))
def test_the_order_of_keys_does_not_matter(value):
    assert canonical.to_bytes(value) == canonical.to_bytes(dict(reversed(value.items())))


def test_bytes_are_short_sorted_utf8():
    assert canonical.to_bytes({"b": [1, 2], "a": "é<&>"}) == '{"a":"é<&>","b":[1,2]}'.encode()


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_json_does_not_know_is_never_written(value):
    with pytest.raises(ValueError, match="JSON"):
        canonical.to_bytes(value)


@pytest.mark.parametrize(
    "data", [b"", b"{", b"\xff", b"null", b"[]", b'"x"', b"1" * 10_000, b"[" * 100_000, b'{"a":' * 100_000, b"{}{}"]
)
def test_what_is_no_object_is_refused_by_name(data):
    with pytest.raises(RemoteFailed, match="the thing is"):
        canonical.mapping_from_bytes(data, "the thing")


@given(st.binary())
def test_any_bytes_are_an_object_or_refused(data):
    try:
        assert isinstance(canonical.mapping_from_bytes(data, "x"), dict)
    except RemoteFailed as error:
        assert error.hint  # noqa: PT017 - both ways are right


@pytest.mark.parametrize("value", [b"NaN", b"-Infinity", b"1e999", b'"\\ud800"', b'{"\\udc00": 1}'])
def test_what_could_not_be_written_again_is_refused(value):
    with pytest.raises(RemoteFailed, match="the thing"):
        canonical.mapping_from_bytes(b'{"a":%s}' % value, "the thing")
