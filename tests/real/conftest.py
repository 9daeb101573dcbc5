"""What the tests with real parts share: registries, an engine, stand-ins for AWS's bases that can run programs."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.bases import StandIn
from tests.support.commands import good, run
from tests.support.docker_registry import Bases, DockerRegistry, docker_registry
from tests.support.emulator import emulators
from tests.support.engine import Engine, engine
from tests.support.examples import World
from tests.support.registry import Registry
from tests.support.tools import ARM64_SYSROOT, need, need_file, need_root

__all__ = ["emulators"]


@pytest.fixture(scope="session")
def source(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DockerRegistry]:
    """The registry that stands in for AWS's public one."""
    with docker_registry(tmp_path_factory.mktemp("source")) as registry:
        yield registry


@pytest.fixture(scope="session")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DockerRegistry]:
    """A registry that takes everything from everybody."""
    with docker_registry(tmp_path_factory.mktemp("plain")) as registry:
        yield registry


@pytest.fixture(scope="session")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DockerRegistry]:
    """A registry with TLS of a private authority and a password."""
    with docker_registry(tmp_path_factory.mktemp("secured"), secured=True) as registry:
        yield registry


@pytest.fixture(params=["plain", "secured"])
def target(request: pytest.FixtureRequest, clean_environment: Path, monkeypatch: pytest.MonkeyPatch) -> DockerRegistry:
    """Either registry, with the user logged in."""
    registry: DockerRegistry = request.getfixturevalue(request.param)
    if registry.authorities:
        registry.log_in(clean_environment)
        monkeypatch.setenv("IMAGEKIT_CA_FILE", str(registry.authorities))
    return registry


@pytest.fixture(scope="session")
def docker() -> Iterator[Engine]:
    """A Docker engine."""
    with engine() as made:
        yield made


@pytest.fixture(scope="session")
def programs(emulators: dict[str, bytes]) -> dict[str, dict[str, bytes]]:
    """What the stand-ins hold by architecture: a shell with its usual commands, and the emulator."""
    shells = {"amd64": need("busybox"), "arm64": need_file(f"{ARM64_SYSROOT}/bin/busybox")}
    found = {}
    for architecture, path in shells.items():
        shell = Path(path).read_bytes()
        found[architecture] = {"sh": shell, "busybox": shell, "aws-lambda-rie": emulators[architecture]}
    return found


@pytest.fixture(scope="session")
def bases(source: DockerRegistry, programs: dict[str, dict[str, bytes]]) -> Bases:
    """Both of AWS's bases: one typed by OCI, the other by Docker with `empty_layer` in its history."""
    made = {"al2023": StandIn.make("oci", programs), "al2": StandIn.make("docker", programs)}
    for name, stand_in in made.items():
        stand_in.push(source.host, "lambda/provided", name)
    return Bases(source, made)


@pytest.fixture(scope="session")
def world(
    source: DockerRegistry, programs: dict[str, dict[str, bytes]], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    """What stands in for all that the examples name: bases that programs of the C library run on, archives, images."""
    with Registry() as files:
        made = World(files, source, tmp_path_factory.mktemp("world"))
        made.bases(programs)
        yield made


@pytest.fixture
def aws(bases: Bases, monkeypatch: pytest.MonkeyPatch) -> Bases:
    """The stand-ins, reached under AWS's own name."""
    for name, value in bases.settings.items():
        monkeypatch.setenv(name, value)
    return bases


@pytest.fixture(scope="session")
def go() -> dict[str, str]:
    """Settings that let `go` find its caches although the home is another one."""
    program = need("go")
    found = json.loads(run(program, "env", "-json", "GOCACHE", "GOMODCACHE", "GOPROXY").out)
    return {**found, "PATH": f"{os.path.dirname(os.path.realpath(program))}:{os.environ['PATH']}"}


@pytest.fixture(scope="session")
def podman(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, ...]]:
    """podman with its storage in a folder of its own."""
    need_root()
    folder = tmp_path_factory.mktemp("podman")
    command = (need("podman"), f"--root={folder}/root", f"--runroot={folder}/run", "--storage-driver=vfs")
    # runc comes with docker and takes cgroups that crun refuses.
    yield (*command, f"--runtime={need('runc')}", "--cgroup-manager=cgroupfs", "--events-backend=none")
    good(*command, "rm", "--all", "--force")
