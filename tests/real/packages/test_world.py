"""What the comparisons stand on: bases that rpm and dnf have nothing against, packages that rpm takes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.packages.world import Wanted, World, dnf_resolves

pytestmark = pytest.mark.real


def test_rpm_has_nothing_against_a_base(world: World, arch: str, tmp_path: Path) -> None:
    root = world.copy(arch, tmp_path / "root")
    assert len(world.rpm(root, "-qa").lines) > 30
    assert world.rpm(root, "-Va").lines == ["S.5....T.  c /etc/edge.conf"]  # which the base has changed
    assert world.rpm(root, "--verifydb").code == 0
    assert world.dnf(arch, root, "check").out == ""


def test_there_are_packages_of_every_kind(world: World, arch: str) -> None:
    packages = world.packages[arch]
    asked = world.rpm(Path("/"), "-qp", "--qf", "%{payloadcompressor} %{rsaheader:pgpsig}\n", *packages).lines
    assert len(asked) == len(packages) > 120
    assert {line.split()[0] for line in asked} == {"gzip", "xz", "zstd"}
    assert all("RSA/" in line for line in asked)


def test_dnf_resolves(world: World, arch: str) -> None:
    php, weak, curl, swapped = dnf_resolves(
        world,
        arch,
        [
            Wanted(("php-cli",)),
            Wanted(("edge-modes",), weak=True),
            Wanted(("curl",)),
            Wanted(("curl",), erasing=True),
        ],
    )
    assert any(name.startswith("libicu72-") for name in php.install)
    assert weak.install == (f"edge-modes-1-1.{arch}", "edge-supplement-1-1.noarch")
    assert "conflicts with curl" in curl.problem
    assert swapped.remove == (f"curl-minimal-7.88.1-1.{arch}",)
