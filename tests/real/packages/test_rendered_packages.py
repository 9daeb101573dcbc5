"""Packages in a rendered Dockerfile: installed, upgraded and taken away, as imagekit does it, under other builders."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support import builders
from tests.support.bench import PROVIDED
from tests.support.builders import Builder
from tests.support.packages.shop import ARCHITECTURES, Shop
from tests.support.packages.system import OCI_ARCHES
from tests.support.packages.trees import Found

pytestmark = pytest.mark.real


@pytest.fixture(params=builders.NAMES)
def builder(request: pytest.FixtureRequest) -> Builder:
    """Each of them."""
    return builders.named(request.param, lambda: request.getfixturevalue("docker"))


def differences(found: dict[str, Found], wanted: dict[str, Found]) -> dict[str, tuple[Found | None, Found | None]]:
    return {
        path: (found.get(path), wanted.get(path))
        for path in sorted({*found, *wanted})
        if found.get(path) != wanted.get(path)
    }


def test_packages_come_and_go_as_in_the_native_build(shop: Shop, arch: str, builder: Builder, tmp_path: Path) -> None:
    shop.spec(
        base=f"{shop.registry.host}/{PROVIDED}:al2023",
        packages=["edge-modes", "edge-names", "edge-links", "edge-path", "curl"],
        upgrade="all",
        remove=["libsepol2"],
        architectures=[ARCHITECTURES[arch]],
    )
    shop.well("render", "--format", "dockerfile", "--output", "context")
    text = (shop.folder / "context/Dockerfile").read_text()
    assert "RUN [" in text
    assert "dnf" not in text
    made = builder(shop.folder / "context", (), tmp_path)
    shop.well("build", "--frozen", "--output", f"oci:{tmp_path}/native")
    wanted = builders.output(tmp_path / "native", OCI_ARCHES[arch]).root(tmp_path / "wanted")
    assert any(found.capability for found in wanted.values())
    assert any(found.seen.owner != (0, 0) for found in wanted.values())
    found = differences(made.root(tmp_path / "made"), wanted)
    if builder is builders.buildah:  # where a command ran, it leaves what it had mounted its own files on
        found = {path: it for path, it in found.items() if path not in {"etc/hostname", "etc/hosts", "etc/resolv.conf"}}
    assert not found
