"""skopeo, umoci, podman and a Docker engine read, unpack and run what was pushed, path by path."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from imagekit.oci.validate import validate
from imagekit.store.layout import Layout
from tests.support import filesystems, project
from tests.support.commands import Ran, good, imagekit_well
from tests.support.docker_registry import Bases, DockerRegistry
from tests.support.engine import Engine
from tests.support.project import Seen
from tests.support.tools import need, need_file

pytestmark = pytest.mark.real

ARCHITECTURES = {"x86_64": "amd64", "arm64": "arm64"}
MACHINES = {"x86_64": "x86_64", "arm64": "aarch64"}


@dataclass(frozen=True)
class Pushed:
    """An image in the open registry: its name with the tag, and the folder it was built in."""

    name: str
    digest: str
    folder: Path
    system: str


@pytest.fixture(scope="module", params=["al2023", "al2"])
def pushed(
    request: pytest.FixtureRequest, plain: DockerRegistry, bases: Bases, tmp_path_factory: pytest.TempPathFactory
) -> Pushed:
    """The project, built on one of the stand-ins and pushed; never behind the home or cache of a test."""
    folder = tmp_path_factory.mktemp("pushed")
    project.write(folder, request.param)
    name = f"{plain.host}/readers/{request.param}"
    settings = {**bases.settings, "IMAGEKIT_CACHE_DIR": str(folder / "cache"), "HOME": str(folder)}
    built = imagekit_well("build", "--tag", "v1", "--push", "--to", name, folder=folder, settings=settings)
    return Pushed(f"{name}:v1", built.digest, folder, request.param)


@pytest.fixture(params=sorted(ARCHITECTURES))
def architecture(request: pytest.FixtureRequest) -> str:
    if request.param != platform.machine().replace("aarch64", "arm64"):
        need_file(f"/proc/sys/fs/binfmt_misc/qemu-{MACHINES[request.param]}")
    return str(request.param)


@pytest.fixture
def wanted(architecture: str, programs: dict[str, dict[str, bytes]]) -> dict[str, Seen]:
    """Every path that the image has to hold."""
    oci = ARCHITECTURES[architecture]
    return project.expected(oci, programs[oci])


def differences(found: dict[str, Seen], wanted: dict[str, Seen]) -> dict[str, tuple[Seen | None, Seen | None]]:
    """What is missing, too much, or not as it should be."""
    return {
        path: (found.get(path), wanted.get(path))
        for path in sorted(found.keys() | wanted.keys())
        if found.get(path) != wanted.get(path)
    }


def skopeo(*arguments: str) -> Ran:
    return good(need("skopeo"), "--insecure-policy", *arguments)


def test_skopeo_inspects_both_platforms(pushed: Pushed, architecture: str) -> None:
    oci = ARCHITECTURES[architecture]
    place = ("--tls-verify=false", f"docker://{pushed.name}")
    seen = json.loads(skopeo("--override-arch", oci, "inspect", *place).out)
    assert seen["Digest"] == pushed.digest
    assert (seen["Os"], seen["Architecture"], len(seen["Layers"])) == ("linux", oci, 6)
    config = json.loads(skopeo("--override-arch", oci, "inspect", "--config", *place).out)["config"]
    assert config["Entrypoint"] == ["/lambda-entrypoint.sh"]
    assert config["Cmd"] == ["app.handler"]
    assert config["WorkingDir"] == "/var/task"
    assert "GREETING=hello" in config["Env"]
    assert "LAMBDA_TASK_ROOT=/var/task" in config["Env"]


def test_skopeo_copies_the_whole_index_unchanged_and_umoci_unpacks_it(
    pushed: Pushed, architecture: str, wanted: dict[str, Seen], tmp_path: Path
) -> None:
    umoci = need("umoci")
    skopeo("copy", "--all", "--src-tls-verify=false", f"docker://{pushed.name}", f"oci:{tmp_path}/copy:v1")
    index = json.loads((tmp_path / "copy/index.json").read_text())["manifests"]
    assert [entry["digest"] for entry in index] == [pushed.digest]

    image = Layout.in_folder(tmp_path / "copy")
    assert not validate(image.document("v1"), image.blob).findings

    # umoci wants one manifest, not an index.
    oci = ARCHITECTURES[architecture]
    place = f"docker://{pushed.name}-{architecture}"
    skopeo("--override-arch", oci, "copy", "--src-tls-verify=false", place, f"oci:{tmp_path}/one:v1")
    good(umoci, "unpack", "--rootless", "--image", f"{tmp_path}/one:v1", tmp_path / "bundle")
    owner = (os.geteuid(), os.getegid())
    found = filesystems.of_folder(tmp_path / "bundle/rootfs")
    assert not differences(found, {path: Seen(w.kind, w.mode, w.holds, owner) for path, w in wanted.items()})


def test_podman_pulls_and_exports_it(
    pushed: Pushed, architecture: str, wanted: dict[str, Seen], podman: tuple[str, ...]
) -> None:
    oci = ARCHITECTURES[architecture]
    good(*podman, "pull", "--quiet", "--tls-verify=false", f"--arch={oci}", pushed.name)
    name = good(*podman, "create", f"--arch={oci}", "--network=none", pushed.name).out.strip()
    exported = subprocess.run([*podman, "export", name], capture_output=True, check=True, timeout=120).stdout
    assert not differences(filesystems.of_tar(exported), wanted)


def test_the_engine_pulls_runs_and_exports_it(
    pushed: Pushed, architecture: str, wanted: dict[str, Seen], docker: Engine
) -> None:
    platform_ = f"--platform=linux/{ARCHITECTURES[architecture]}"
    docker.docker("pull", "--quiet", platform_, pushed.name)
    said = docker.output(platform_, "--env=AWS_LAMBDA_RUNTIME_API=127.0.0.1:9001", pushed.name)
    assert said.split() == [MACHINES[architecture], "app.handler", "/var/task", "/var/task", "hello"]

    name = docker.docker("create", platform_, "--network=none", pushed.name).out.strip()
    command = [need("docker"), "export", name]
    exported = subprocess.run(
        command, env={**os.environ, **docker.settings}, capture_output=True, check=True, timeout=120
    ).stdout
    docker.docker("rm", name)
    assert not differences(filesystems.of_tar(exported), wanted)


def test_a_file_for_lib64_leaves_the_bases_libraries_in_place(pushed: Pushed, docker: Engine) -> None:
    script = "busybox readlink /lib64; cat /lib64/libc.so.6; echo; cat /usr/lib64/libown.so; echo; /bin/tool"
    said = docker.output("--platform=linux/amd64", "--entrypoint=/bin/sh", pushed.name, "-c", script)
    assert said.splitlines() == ["usr/lib64", "the libc of amd64", "own library", "tool"]
