"""A Go function, built as the language does by default, answers AWS's own emulator on both architectures."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.commands import CHECKOUT, good, imagekit, imagekit_well
from tests.support.docker_registry import Bases, DockerRegistry
from tests.support.emulator import invoke
from tests.support.engine import Engine
from tests.support.tools import need_file

pytestmark = pytest.mark.real


@dataclass(frozen=True)
class Function:
    """The example's folder, where it was built, and its name in the registry."""

    folder: Path
    name: str
    settings: dict[str, str]


@pytest.fixture(scope="module")
def function(
    plain: DockerRegistry, bases: Bases, go: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Function:
    """The example for Go, as a user would copy and push it."""
    folder = tmp_path_factory.mktemp("function")
    shutil.copytree(CHECKOUT / "specs/go", folder, dirs_exist_ok=True)
    settings = {**bases.settings, **go, "IMAGEKIT_CACHE_DIR": str(folder / "cache"), "HOME": str(folder)}
    name = f"{plain.host}/functions/go"
    imagekit_well("build", "--tag", "v1", "--push", "--to", name, folder=folder, settings=settings)
    return Function(folder, f"{name}:v1", settings)


@pytest.fixture(params=["amd64", "arm64"])
def platform(request: pytest.FixtureRequest) -> str:
    import platform

    machine = {"amd64": "x86_64", "arm64": "aarch64"}[request.param]
    if machine != platform.machine():
        need_file(f"/proc/sys/fs/binfmt_misc/qemu-{machine}")
    return str(request.param)


def test_it_answers_events_from_the_emulator(function: Function, docker: Engine, platform: str) -> None:
    with docker.container(f"--platform=linux/{platform}", function.name) as container:
        assert invoke(docker, container, '{"name": "Ada"}') == {"message": "Hello, Ada!"}
        assert invoke(docker, container, '{"name": "Zoë"}') == {"message": "Hello, Zoë!"}
        refused = invoke(docker, container, "{}")
        assert refused["errorMessage"] == "the event has no name"


def test_the_same_image_is_loaded_into_the_engine(function: Function, docker: Engine, platform: str) -> None:
    settings = {**function.settings, **docker.settings}
    wanted = ("--platform", f"linux/{platform}", "--tag", f"loaded-{platform}")
    imagekit_well("build", "--load", *wanted, folder=function.folder, settings=settings)
    with docker.container(f"--platform=linux/{platform}", f"go:loaded-{platform}") as container:
        assert invoke(docker, container, '{"name": "Ada"}') == {"message": "Hello, Ada!"}


def test_an_archive_is_loaded_by_docker_and_podman(
    function: Function, docker: Engine, platform: str, podman: tuple[str, ...], tmp_path: Path
) -> None:
    archive = tmp_path / "image.tar"
    wanted = ("--platform", f"linux/{platform}", "--tag", f"archive-{platform}")
    output = ("--output", f"docker-archive:{archive}")
    imagekit_well("build", *wanted, *output, folder=function.folder, settings=function.settings)
    docker.docker("load", "--quiet", "--input", str(archive))
    with docker.container(f"--platform=linux/{platform}", f"go:archive-{platform}") as container:
        assert invoke(docker, container, '{"name": "Ada"}') == {"message": "Hello, Ada!"}
    good(*podman, "load", "--quiet", "--input", archive)
    (seen,) = json.loads(good(*podman, "image", "inspect", f"localhost/go:archive-{platform}").out)
    assert seen["Architecture"] == platform
    assert seen["Config"]["Entrypoint"] == ["/lambda-entrypoint.sh"]


def test_podman_runs_what_was_pushed(function: Function, podman: tuple[str, ...], platform: str) -> None:
    # Whoever may not raise limits can still run it with lower ones.
    limits = ("--ulimit=nofile=1024:1024", "--ulimit=nproc=1024:1024", "--network=none")
    command = (*limits, "--tls-verify=false", f"--arch={platform}", "--pull=always")
    shown = ("--entrypoint=/bin/busybox", function.name, "uname", "-m")
    said = good(*podman, "run", "--rm", "--quiet", *command, *shown).out
    assert said.strip() == {"amd64": "x86_64", "arm64": "aarch64"}[platform]


def test_two_platforms_do_not_fit_into_an_engine(function: Function, docker: Engine) -> None:
    settings = {**function.settings, **docker.settings}
    ran = imagekit("build", "--load", folder=function.folder, settings=settings)
    assert ran.code == 2
    assert "--platform" in ran.err


def test_the_programs_are_the_same_wherever_they_are_built(function: Function, bases: Bases, tmp_path: Path) -> None:
    """Go's -trimpath: another folder, the same programs and so the same image."""
    shutil.copytree(CHECKOUT / "specs/go", tmp_path / "elsewhere")
    shutil.copy(function.folder / "runtime.lock", tmp_path / "elsewhere")
    settings = {**function.settings, "IMAGEKIT_CACHE_DIR": str(tmp_path / "cache")}
    there = imagekit_well("build", "--locked", folder=tmp_path / "elsewhere", settings=settings)
    here = imagekit_well("build", "--locked", folder=function.folder, settings=function.settings)
    assert there.digest == here.digest
