"""A rendered Dockerfile, built by a Docker engine and by buildah, is what imagekit builds, path by path."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from tests.support import builders, project
from tests.support.bases import StandIn
from tests.support.builders import Builder
from tests.support.commands import IMAGEKIT, good, imagekit_well
from tests.support.docker_registry import DockerRegistry
from tests.support.engine import Engine
from tests.support.packages.trees import Found

pytestmark = pytest.mark.real

ARCHITECTURES = {"x86_64": "amd64", "arm64": "arm64"}


@pytest.fixture(params=builders.NAMES)
def builder(request: pytest.FixtureRequest) -> Builder:
    """Each of them."""
    return builders.named(request.param, lambda: request.getfixturevalue("docker"))


@pytest.fixture(scope="module")
def base(source: DockerRegistry, programs: dict[str, dict[str, bytes]]) -> str:
    """A base as AWS's is: nothing in it is carried out when somebody builds on it."""
    StandIn.make("oci", programs, on_build=False).push(source.host, "rendered/provided", "al2023")
    return f"{source.host}/rendered/provided:al2023"


def differences(found: dict[str, Found], wanted: dict[str, Found]) -> dict[str, tuple[Found | None, Found | None]]:
    return {
        path: (found.get(path), wanted.get(path))
        for path in sorted({*found, *wanted})
        if found.get(path) != wanted.get(path)
    }


def rendered(folder: Path, settings: dict[str, str]) -> Path:
    """The context of the spec in a folder."""
    imagekit_well("render", "--format", "dockerfile", "--output", "context", folder=folder, settings=settings)
    return folder / "context"


def native(folder: Path, settings: dict[str, str]) -> Path:
    """What imagekit itself builds of it."""
    imagekit_well("build", "--frozen", "--output", f"oci:{folder.parent}/native", folder=folder, settings=settings)
    return folder.parent / "native"


def write(folder: Path, base: str, **changes: Any) -> None:
    """The project of the tests of readers, with a spec of its own."""
    project.write(folder, "al2023")
    spec = folder / "runtime.yaml"
    text = spec.read_text() + f"base: {base}\n" + "".join(f"{key}: {json.dumps(it)}\n" for key, it in changes.items())
    spec.write_text(text)


@pytest.mark.parametrize("architecture", sorted(ARCHITECTURES))
def test_files_of_every_kind(
    architecture: str, builder: Builder, base: str, tmp_path: Path, clean_environment: Path
) -> None:
    settings = {"IMAGEKIT_CACHE_DIR": str(tmp_path / "cache")}
    folder = tmp_path / "app"
    folder.mkdir()
    write(folder, base, labels={"quoted": 'a "$HOME" \\ #'})
    context = rendered(folder, settings)
    oci = ARCHITECTURES[architecture]
    made = builder(context, ("--target", oci), tmp_path)
    wanted = builders.output(native(folder, settings), oci)
    assert not differences(made.root(tmp_path / "made"), wanted.root(tmp_path / "wanted"))
    assert made.config["architecture"] == oci
    inner = made.config["config"]
    assert inner["Entrypoint"] == ["/lambda-entrypoint.sh"]
    assert inner["Cmd"] == ["app.handler"]
    assert inner["WorkingDir"] == "/var/task"
    assert inner["Labels"]["quoted"] == 'a "$HOME" \\ #'
    assert "GREETING=hello" in inner["Env"]


@pytest.mark.parametrize("name", ["buildkit", "buildah"])
def test_the_platform_chooses_the_stage(
    name: str, base: str, request: pytest.FixtureRequest, tmp_path: Path, clean_environment: Path
) -> None:
    folder = tmp_path / "app"
    folder.mkdir()
    write(folder, base)
    context = rendered(folder, {"IMAGEKIT_CACHE_DIR": str(tmp_path / "cache")})
    builder = builders.named(name, lambda: request.getfixturevalue("docker"))
    made = builder(context, ("--platform=linux/arm64",), tmp_path)
    assert made.config["architecture"] == "arm64"
    assert (
        made.root(tmp_path / "made")["usr/lib64/libc.so.6"].seen.holds
        == hashlib.sha256(b"the libc of arm64").hexdigest()
    )


def test_the_engine_takes_the_tar_from_a_pipe(
    base: str, docker: Engine, tmp_path: Path, clean_environment: Path
) -> None:
    folder = tmp_path / "app"
    folder.mkdir()
    write(folder, base, architectures=["x86_64"])
    settings = {**docker.settings, "DOCKER_BUILDKIT": "0", "IMAGEKIT_CACHE_DIR": str(tmp_path / "cache")}
    render = f"{' '.join(IMAGEKIT)} render --format dockerfile --output - | docker build --quiet -"
    made = good("/bin/sh", "-c", render, folder=folder, settings=settings).out.strip()
    seen = json.loads(docker.docker("image", "inspect", made).out)
    assert seen[0]["Config"]["Cmd"] == ["app.handler"]
