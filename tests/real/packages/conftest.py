"""Packages and bases that rpm's own tools made; see tests/support/packages/world.py."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.packages import world as support
from tests.support.packages.shop import Shop, served
from tests.support.packages.world import World
from tests.support.registry import Registry
from tests.support.tools import need, need_root


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Repositories and bases for both architectures."""
    need_root()  # rpm and dnf change their root
    for name in ("rpmbuild", "rpmsign", "createrepo_c", "dnf", "gpg"):
        need(name)
    with support.world(tmp_path_factory.mktemp("packages")) as made:
        yield made


@pytest.fixture(params=support.ARCHES)
def arch(request: pytest.FixtureRequest) -> str:
    """rpm's name of an architecture."""
    return str(request.param)


@pytest.fixture(scope="session")
def registry(world: World) -> Iterator[Registry]:
    """Where bases and packages are served."""
    with served(world) as registry:
        yield registry


@pytest.fixture
def shop(tmp_path: Path, registry: Registry, world: World) -> Shop:
    """A folder for a spec."""
    return Shop(tmp_path / "app", registry, world)
