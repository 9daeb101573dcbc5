import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagekit.errors import RemoteFailed
from imagekit.oci import media
from imagekit.oci.descriptor import Descriptor
from imagekit.oci.manifest import Manifest
from tests.oci.strategies import descriptors, hostile_manifests, media_types, text_mappings

manifests = st.builds(
    Manifest,
    config=descriptors,
    layers=st.lists(descriptors, max_size=4).map(tuple),
    media_type=media_types,
    annotations=text_mappings,
)
ONE = Descriptor.of(b"one", media.LAYER)
TWO = Descriptor.of(b"two", media.LAYER)
CONFIG = Descriptor.of(b"{}", media.CONFIG)


@given(manifests)
def test_a_manifest_survives_its_bytes(manifest):
    assert Manifest.from_bytes(manifest.to_bytes()) == manifest


def test_the_bytes_are_canonical():
    assert Manifest(config=CONFIG, layers=(ONE,)).to_bytes() == (
        b'{"config":{"digest":"%s","mediaType":"application/vnd.oci.image.config.v1+json","size":2},'
        b'"layers":[{"digest":"%s","mediaType":"application/vnd.oci.image.layer.v1.tar+gzip","size":3}],'
        b'"mediaType":"application/vnd.oci.image.manifest.v1+json","schemaVersion":2}'
        % (str(CONFIG.digest).encode(), str(ONE.digest).encode())
    )


def test_blobs_are_the_layers_and_the_config_each_once():
    assert Manifest(config=CONFIG, layers=(ONE, TWO, ONE)).blobs == (ONE, TWO, CONFIG)


def test_without_a_media_type_it_is_ocis():
    document = json.loads(Manifest(config=CONFIG, layers=()).to_bytes())
    del document["mediaType"]
    assert Manifest.from_bytes(json.dumps(document).encode()).media_type == media.MANIFEST


@pytest.mark.parametrize(
    "change",
    [
        {"schemaVersion": 1},
        {"schemaVersion": "2"},
        {"layers": None},
        {"layers": {}},
        {"layers": [None]},
        {"layers": [CONFIG.to_mapping()] * 1001},
        {"config": None},
        {"config": []},
    ],
)
def test_what_is_no_manifest_is_refused(change):
    document = json.loads(Manifest(config=CONFIG, layers=(ONE,)).to_bytes())
    with pytest.raises(RemoteFailed):
        Manifest.from_bytes(json.dumps(document | change).encode())


@given(hostile_manifests)
def test_any_bytes_are_a_manifest_that_can_be_written_or_refused(data):
    try:
        manifest = Manifest.from_bytes(data)
    except RemoteFailed:
        return
    assert Manifest.from_bytes(manifest.to_bytes()) == manifest
