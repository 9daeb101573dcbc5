"""Engines of both makes, and images for both architectures."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import pytest

from imagekit.architecture import ARM64, X86_64, Architecture
from imagekit.containers import connection
from imagekit.containers.connection import Engine
from imagekit.containers.images import Picture
from tests.support import pictures
from tests.support.engine import Engine as Running
from tests.support.engine import engine, podman_service


@pytest.fixture(scope="session", params=["dockerd", "podman"])
def running(request: pytest.FixtureRequest) -> Iterator[Running]:
    """An engine that runs."""
    with engine() if request.param == "dockerd" else podman_service() as made:
        yield made


@pytest.fixture
def connected(running: Running) -> Iterator[Engine]:
    with connection.connected(running.settings) as made:
        yield made


@pytest.fixture(params=[X86_64, ARM64], ids=str)
def architecture(request: pytest.FixtureRequest) -> Architecture:
    found: Architecture = request.param
    return found


@cache
def picture(architecture: Architecture) -> Picture:
    """One image for each."""
    return pictures.picture(architecture)
