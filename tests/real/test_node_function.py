"""A Node.js 19 function, an archive and imagekit's own runtime client, answers AWS's emulator on both architectures."""

from __future__ import annotations

import json
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.bases import StandIn
from tests.support.commands import CHECKOUT, good, imagekit_well
from tests.support.docker_registry import DockerRegistry
from tests.support.emulator import invoke
from tests.support.engine import Engine
from tests.support.registry import Registry
from tests.support.tools import ARM64_SYSROOT, missing, need, need_file

pytestmark = pytest.mark.real

#: The last 19 that npm's packages of the official programs have; the archives are named as the example wants them.
_PACKAGED = {"x64": "19.8.1", "arm64": "19.0.1"}
_LIBRARIES = ("libc.so.6", "libm.so.6", "libdl.so.2", "libpthread.so.0", "libstdc++.so.6", "libgcc_s.so.1")
_LOADERS = {"amd64": ("lib64", "ld-linux-x86-64.so.2"), "arm64": ("lib", "ld-linux-aarch64.so.1")}
_ROOTS = {"amd64": "/", "arm64": ARM64_SYSROOT}
_NAMES = {"amd64": "x86_64-linux-gnu", "arm64": "aarch64-linux-gnu"}


def libraries(architecture: str) -> dict[str, bytes]:
    """The C and C++ libraries of an architecture, where Amazon Linux has them."""
    folder, loader = _LOADERS[architecture]
    found = {f"usr/{folder}/{loader}": library(architecture, loader)}
    return found | {f"usr/lib64/{name}": library(architecture, name) for name in _LIBRARIES}


def library(architecture: str, name: str) -> bytes:
    """A library of this machine's packages."""
    places = [Path(_ROOTS[architecture], folder, _NAMES[architecture], name) for folder in ("lib", "usr/lib")]
    found = [path for path in places if path.exists()]
    if not found:
        missing(f"there is no {name} for {architecture}; scripts/ci-tools installs it")
    return found[0].read_bytes()


@pytest.fixture(scope="module")
def base(source: DockerRegistry, programs: dict[str, dict[str, bytes]]) -> str:
    """A stand-in for AWS's base that programs of the C library run on; what stands in for AWS's registry."""
    made = {name: {**held, **libraries(name)} for name, held in programs.items()}
    StandIn.make("oci", made).push(source.host, "glibc/lambda/provided", "al2023")
    return f"{source.host}/glibc"


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """What stands in for nodejs.org: the programs that npm packages, in the official archive's layout."""
    folder = tmp_path_factory.mktemp("archives")
    with Registry() as server:
        for name, version in _PACKAGED.items():
            top = f"node-v19.9.0-linux-{name}"
            package = f"node-linux-{name}@{version}"
            server.files[f"/dist/v19.9.0/{top}.tar.xz"] = official(folder / name, package, top)
        yield server


def official(folder: Path, package: str, top: str) -> bytes:
    """An archive as nodejs.org has it, from a package of npm."""
    folder.mkdir()
    good(need("npm"), "pack", "--silent", package, folder=folder)
    (packed,) = folder.glob("*.tgz")
    with tarfile.open(packed) as tar:
        tar.extractall(folder, filter="data")
    (folder / "package").rename(folder / top)
    (folder / top / "bin" / "node").chmod(0o755)
    tar_command = [need("tar"), "-C", folder, "--owner=0", "--group=0", "-I", "xz -0 -T0", "-cf", "-", top]
    return subprocess.run(tar_command, check=True, capture_output=True).stdout


@pytest.fixture(scope="module")
def function(
    plain: DockerRegistry, base: str, archives: Registry, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, Path]:
    """The example, as a user would copy and push it: its name in the registry, and its folder."""
    folder = tmp_path_factory.mktemp("function")
    shutil.copytree(CHECKOUT / "specs/nodejs-19", folder, dirs_exist_ok=True)
    settings = {
        "IMAGEKIT_MIRROR": f"public.ecr.aws={base},nodejs.org={archives.host}",
        "IMAGEKIT_CACHE_DIR": str(folder.parent / "node-cache"),
    }
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
