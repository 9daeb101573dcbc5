"""Every runner and both architectures: what works here by default, what needs tools from elsewhere marked `real`."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from imagekit import architecture as architectures
from imagekit.architecture import ARCHITECTURES, Architecture
from imagekit.emulator import runners
from imagekit.emulator.ports import Confines, Runner
from imagekit.emulator.runners import emulated
from imagekit.emulator.runners.means import Means
from tests.emulator.runners import images, running
from tests.emulator.runners.images import Made
from tests.support.engine import Engine, engine
from tests.support.tools import missing

_REAL = pytest.mark.real
_NATIVE = emulated.native().name if os.uname().sysname == "Linux" else ""


@pytest.fixture(scope="session")
def docker() -> Iterator[Engine]:
    """A Docker engine."""
    with engine() as made:
        yield made


@pytest.fixture(scope="session")
def make_image(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Architecture], Made]:
    """The image by architecture, made once."""
    made: dict[str, Made] = {}
    folder = tmp_path_factory.mktemp("probe")
    folder.chmod(0o755)

    def of(architecture: Architecture) -> Made:
        if architecture.name not in made:
            made[architecture.name] = images.make(architecture, folder)
        return made[architecture.name]

    return of


@pytest.fixture(
    params=[item.name if item.name == _NATIVE else pytest.param(item.name, marks=_REAL) for item in ARCHITECTURES]
)
def architecture(request: pytest.FixtureRequest) -> Architecture:
    return architectures.by_name(request.param)


@pytest.fixture
def native() -> Architecture:
    return architectures.by_name(_NATIVE)


@pytest.fixture(params=["namespaces", pytest.param("bubblewrap", marks=_REAL), pytest.param("docker", marks=_REAL)])
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def means(
    name: str, request: pytest.FixtureRequest, tmp_path: Path, make_image: Callable[[Architecture], Made]
) -> Means:
    settings = dict(os.environ)
    if name == "docker":
        settings |= request.getfixturevalue("docker").settings
    return Means(
        environment=settings,
        folder=str(tmp_path),
        archive=lambda image: make_image(image.architecture).opened(image),
    )


@pytest.fixture
def runner(name: str, means: Means, native: Architecture) -> Runner:
    """A runner that works here for this machine's own architecture."""
    made = runners.runner(name, means)
    problem = made.missing(native)
    if problem:
        missing(problem.message)
    return made


@pytest.fixture
def open_sandbox(
    runner: Runner, make_image: Callable[[Architecture], Made], native: Architecture
) -> Iterator[Callable[..., running.Opened]]:
    """Opens sandboxes that are closed after the test."""
    opened: list[running.Opened] = []

    def of(architecture: Architecture | None = None, **fields: object) -> running.Opened:
        wanted = architecture or native
        problem = runner.missing(wanted)
        if problem:
            missing(problem.message)
        opened.append(running.opened(runner, make_image(wanted).filesystem, Confines(**fields)))  # type: ignore[arg-type]
        return opened[-1]

    yield of
    for one in opened:
        one.close()
