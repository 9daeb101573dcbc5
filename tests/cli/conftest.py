"""What the tests of commands share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import bench as support
from tests.support.packages.bench import furnish
from tests.support.registry import Registry


@pytest.fixture
def registry() -> Iterator[Registry]:
    """A registry with stand-ins for AWS's base images, which `public.ecr.aws` is read from."""
    with Registry() as registry:
        for tag in ("al2023", "al2"):
            support.put(registry, support.base("docker" if tag == "al2" else "oci"), support.PROVIDED, tag)
        yield registry


@pytest.fixture
def bench(
    tmp_path: Path, registry: Registry, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> support.Bench:
    """An empty folder `app` below the test's own, which is the current one."""
    folder = tmp_path / "app"
    folder.mkdir()
    return support.Bench(folder, registry, monkeypatch, capsys)


@pytest.fixture
def amazon(bench: support.Bench) -> support.Bench:
    """`bench` with bases that have packages, and Amazon Linux's package site with the samples, signed."""
    return furnish(bench)
