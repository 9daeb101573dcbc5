import pytest
from hypothesis import given

from imagekit.architecture import ARM64, X86_64
from imagekit.oci.platform import Platform
from tests.oci.strategies import json_values, platforms


@given(platforms)
def test_a_platform_survives_its_mapping(platform):
    assert Platform.from_mapping(platform.to_mapping()) == platform


@pytest.mark.parametrize(
    ("architecture", "variant", "text"),
    [
        ("arm64", "v8", "linux/arm64"),
        ("arm64", "", "linux/arm64"),
        ("amd64", "v1", "linux/amd64"),
        ("amd64", "v3", "linux/amd64/v3"),
        ("arm", "v8", "linux/arm/v8"),
        ("arm", "v7", "linux/arm/v7"),
    ],
)
def test_only_a_variant_that_says_nothing_is_left_out(architecture, variant, text):
    document = {"os": "linux", "architecture": architecture, "variant": variant}
    assert str(Platform.from_mapping(document)) == text


def test_lambdas_platforms():
    assert [str(Platform.of(item)) for item in (X86_64, ARM64)] == ["linux/amd64", "linux/arm64"]
    assert Platform.of(ARM64) == Platform.from_mapping({"os": "linux", "architecture": "arm64", "variant": "v8"})


def test_an_attestations_platform_is_not_known():
    assert not Platform.from_mapping({"os": "unknown", "architecture": "unknown"}).is_known
    assert not Platform.from_mapping({"os": "linux", "architecture": "unknown"}).is_known
    assert Platform.of(ARM64).is_known


@given(json_values)
def test_any_mapping_gives_a_platform_of_texts(value):
    platform = Platform.from_mapping({"os": value, "architecture": value, "variant": value})
    assert all(isinstance(item, str) for item in (platform.os, platform.architecture, platform.variant))
