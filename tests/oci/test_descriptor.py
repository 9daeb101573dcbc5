import pytest
from hypothesis import given

from imagekit.errors import RemoteFailed
from imagekit.oci import media
from imagekit.oci.descriptor import MAX_SIZE, Descriptor, text_mapping
from imagekit.oci.digest import Digest
from tests.oci.strategies import descriptors, json_values

GOOD = {"mediaType": media.LAYER, "digest": str(Digest.of(b"x")), "size": 1}


@given(descriptors)
def test_a_descriptor_survives_its_mapping(descriptor):
    assert Descriptor.from_mapping(descriptor.to_mapping()) == descriptor


def test_the_descriptor_of_bytes():
    assert Descriptor.of(b"x", media.LAYER).to_mapping() == GOOD


@pytest.mark.parametrize("size", [-1, MAX_SIZE + 1, 1.0, "1", None, True, float("nan"), 10**400, [1]])
def test_an_impossible_size_is_refused(size):
    with pytest.raises(RemoteFailed, match="impossible size"):
        Descriptor.from_mapping({**GOOD, "size": size})


@pytest.mark.parametrize("document", [None, [], "x", 1, {}, {**GOOD, "digest": None}])
def test_what_is_no_descriptor_is_refused(document):
    with pytest.raises(RemoteFailed):
        Descriptor.from_mapping(document)


@given(json_values)
def test_any_value_is_a_descriptor_or_refused(value):
    try:
        descriptor = Descriptor.from_mapping(value if isinstance(value, dict) else {**GOOD, "platform": value})
    except RemoteFailed:
        return
    assert Descriptor.from_mapping(descriptor.to_mapping()) == descriptor


@pytest.mark.parametrize(("docker", "oci"), media.TO_OCI.items())
def test_in_oci_only_the_media_type_changes(docker, oci):
    descriptor = Descriptor.of(b"x", docker)
    assert descriptor.in_oci() == Descriptor.of(b"x", oci)
    assert descriptor.in_oci().in_oci() == descriptor.in_oci()


def test_what_is_not_text_is_no_annotation():
    assert text_mapping({"a": "b", "c": 1, "d": None}) == {"a": "b"}
    assert text_mapping(None) == text_mapping(["a"]) == {}
