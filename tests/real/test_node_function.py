"""A Node.js 19 function, an archive and imagekit's own runtime client, answers AWS's emulator on both architectures."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.commands import CHECKOUT, imagekit_well
from tests.support.docker_registry import DockerRegistry
from tests.support.emulator import invoke
from tests.support.engine import Engine
from tests.support.examples import World, nodejs
from tests.support.tools import need_file

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def function(plain: DockerRegistry, world: World, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """The example, as a user would copy and push it: its name in the registry, and its folder."""
    folder = tmp_path_factory.mktemp("function")
    shutil.copytree(CHECKOUT / "specs/nodejs-19", folder, dirs_exist_ok=True)
    nodejs(world)
    settings = {"IMAGEKIT_MIRROR": world.mirrors, "IMAGEKIT_CACHE_DIR": str(folder.parent / "node-cache")}
    name = f"{plain.host}/functions/node"
    imagekit_well("build", "--tag", "v1", "--push", "--to", name, folder=folder, settings=settings)
    return f"{name}:v1", folder


@pytest.fixture(params=["amd64", "arm64"])
def container(request: pytest.FixtureRequest, function: tuple[str, Path], docker: Engine) -> Iterator[str]:
    """The image on one platform, running."""
    if request.param == "arm64":
        need_file("/proc/sys/fs/binfmt_misc/qemu-aarch64")
    with docker.container(f"--platform=linux/{request.param}", function[0]) as name:
        yield name


def test_it_answers_events_from_the_emulator(docker: Engine, container: str) -> None:
    assert invoke(docker, container, '{"name": "Ada"}') == {"message": "Hello, Ada!"}
    assert invoke(docker, container, json.dumps({"name": "Zoë" * 2000})) == {"message": f"Hello, {'Zoë' * 2000}!"}
    logs = docker.docker("logs", container)
    assert "on Node.js v19." in logs.out + logs.err


def test_a_handler_that_throws_is_reported_and_the_next_event_answered(docker: Engine, container: str) -> None:
    refused = invoke(docker, container, "null")
    assert refused["errorType"] == "TypeError"
    assert any("/var/task/index.mjs:3" in line for line in refused["stackTrace"])
    assert invoke(docker, container, '{"name": "Ada"}') == {"message": "Hello, Ada!"}


def test_the_lock_names_the_official_archives_alone(function: tuple[str, Path]) -> None:
    text = (function[1] / "runtime.lock").read_text()
    assert "https://nodejs.org/dist/v19.9.0/node-v19.9.0-linux-arm64.tar.xz" in text
    assert "127.0.0.1" not in text
