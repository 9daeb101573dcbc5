import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagekit.architecture import ARM64, X86_64
from imagekit.errors import InvalidFile, RemoteFailed
from imagekit.oci import media
from imagekit.oci.descriptor import Descriptor
from imagekit.oci.index import Index
from imagekit.oci.platform import Platform
from tests.oci.strategies import descriptors, hostile_indexes, media_types, text_mappings

indexes = st.builds(
    Index, manifests=st.lists(descriptors, max_size=4).map(tuple), media_type=media_types, annotations=text_mappings
)
ARM, AMD = Platform.of(ARM64), Platform.of(X86_64)
ONE = Descriptor.of(b"one", media.MANIFEST, platform=AMD)
TWO = Descriptor.of(b"two", media.MANIFEST, platform=ARM)
NOT_IMAGES = (
    Descriptor.of(b"a", media.MANIFEST, platform=Platform(os="unknown", architecture="unknown")),
    replace(
        Descriptor.of(b"b", media.MANIFEST, platform=ARM),
        annotations={"vnd.docker.reference.type": "attestation-manifest"},
    ),
    replace(Descriptor.of(b"c", media.MANIFEST, platform=ARM), artifact_type="application/spdx+json"),
)


@given(indexes)
def test_an_index_survives_its_bytes(index):
    assert Index.from_bytes(index.to_bytes()) == index


def test_images_leave_out_attestations_artifacts_and_unknown_platforms():
    assert Index(manifests=(ONE, *NOT_IMAGES, TWO)).images() == (ONE, TWO)


def test_the_one_image_for_a_platform():
    index = Index(manifests=(*NOT_IMAGES, TWO, ONE))
    assert (index.select(AMD), index.select(ARM)) == (ONE, TWO)


def test_the_variant_that_is_the_default_does_not_matter():
    document = json.loads(Index(manifests=(TWO,)).to_bytes())
    document["manifests"][0]["platform"]["variant"] = "v8"
    assert Index.from_bytes(json.dumps(document).encode()).select(ARM) == TWO


def test_no_image_says_which_there_are():
    with pytest.raises(InvalidFile, match="no image for linux/arm64; it has linux/amd64"):
        Index(manifests=(ONE, *NOT_IMAGES)).select(ARM)
    with pytest.raises(InvalidFile, match="no platform at all"):
        Index(manifests=()).select(ARM)


def test_two_images_for_a_platform_are_refused_unless_they_are_one():
    other = Descriptor.of(b"other", media.MANIFEST, platform=AMD)
    with pytest.raises(InvalidFile, match="2 images for linux/amd64"):
        Index(manifests=(ONE, other)).select(AMD)
    assert Index(manifests=(ONE, ONE)).select(AMD) == ONE


@pytest.mark.parametrize(
    "change",
    [{"schemaVersion": 1}, {"manifests": None}, {"manifests": [None]}, {"manifests": [ONE.to_mapping()] * 1001}],
)
def test_what_is_no_index_is_refused(change):
    document = json.loads(Index(manifests=(ONE,)).to_bytes())
    with pytest.raises(RemoteFailed):
        Index.from_bytes(json.dumps(document | change).encode())


@given(hostile_indexes)
def test_any_bytes_are_an_index_that_can_be_written_or_refused(data):
    try:
        index = Index.from_bytes(data)
    except RemoteFailed:
        return
    assert Index.from_bytes(index.to_bytes()) == index
    for platform in (ARM, AMD):
        try:
            assert index.select(platform) in index.manifests
        except InvalidFile as error:
            assert str(platform) in error.message  # noqa: PT017 - both ways are right
