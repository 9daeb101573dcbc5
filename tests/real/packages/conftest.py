"""Packages and bases that rpm's own tools made; see tests/support/packages/world.py."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.packages import world as support
from tests.support.packages.world import World
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
