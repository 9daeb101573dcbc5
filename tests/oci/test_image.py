import pytest

from imagekit.errors import RemoteFailed
from imagekit.oci import media
from imagekit.oci.digest import Digest
from imagekit.oci.image import Image
from tests.support.layouts import ARM64, picture

PICTURE = picture({"a": b"1"}, {"b": b"2"}, platform=ARM64)


def test_an_image_comes_back_from_its_bytes():
    image = PICTURE.image
    assert Image.from_bytes(image.manifest_bytes, image.config_bytes) == image
    assert Image.of(image.manifest, image.config) == image
    assert image.platform == ARM64


def test_its_descriptor_is_that_of_the_manifest_with_the_configs_platform():
    descriptor = PICTURE.image.descriptor
    assert descriptor.digest == Digest.of(PICTURE.image.manifest_bytes)
    assert (descriptor.media_type, descriptor.platform) == (media.MANIFEST, ARM64)


def test_layers_and_diff_ids_must_be_as_many():
    with pytest.raises(RemoteFailed, match="2 layers but 1 diff IDs"):
        Image.from_bytes(PICTURE.image.manifest_bytes, picture({"a": b"1"}).image.config_bytes)
