"""Container builds with engines of other makes, elsewhere, full or going away; builds that are killed at any moment."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.bases import StandIn
from tests.support.builds import PROGRAM, Site
from tests.support.docker_registry import Bases, DockerRegistry
from tests.support.engine import Engine, engine, podman_service
from tests.support.tools import need

pytestmark = pytest.mark.real

#: How often a build is killed.
_KILLS = 16
#: On the other machine: the command that the docker command asks ssh for.
_SSH = """#!/bin/sh
while [ "$1" != -- ]; do shift; done
DOCKER_HOST={host} exec sh -c "$3"
"""


@pytest.fixture(scope="module")
def podman_engine() -> Iterator[Engine]:
    with podman_service() as made:
        yield made


def _everything(site: Site) -> None:
    """A build that uses all that a container can have."""
    site.write("native/source", "source")
    run = "echo $(cat source) ${#TOKEN} $(uname -m) > made; echo x >> $IMAGEKIT_CACHE/x"
    site.spec(
        {"run": f"{run}; {PROGRAM}", "directory": "native", "secrets": ["TOKEN"]},
        bootstrap={"path": "native/build/{architecture}/bootstrap"},
    )
    site.built(TOKEN="a secret of 24 characters")
    for name, machine in (("x86_64", "x86_64"), ("arm64", "aarch64")):
        made = site.folder / "native/build" / name / "bootstrap"
        assert made.read_text() == f"#!/bin/sh\n# source 25 {machine}\n"
    assert site.built(TOKEN="another").err.count("unchanged") == 2


def test_podman_builds_too(bases: Bases, podman_engine: Engine, tmp_path: Path) -> None:
    site = Site.make(tmp_path, bases.settings, podman_engine.settings)
    _everything(site)
    site.spec({"run": "echo this is why; exit 7"})
    assert "failed with exit code 7\n  | this is why" in site.build().err
    site.spec({"run": "sleep 1000", "timeout": 2})
    assert "did not end within 2 s" in site.build().err
    assert podman_engine.docker("ps", "--all", "--quiet").out == ""


def test_an_engine_behind_ssh_builds_too(bases: Bases, docker: Engine, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin/ssh"
    program.write_text(_SSH.format(host=docker.settings["DOCKER_HOST"]))
    program.chmod(0o755)
    far = {"DOCKER_HOST": "ssh://me@build.corp", "PATH": f"{tmp_path}/bin:{os.environ['PATH']}"}
    need("docker")
    _everything(Site.make(tmp_path, bases.settings, far))
    assert docker.docker("ps", "--all", "--quiet").out == ""


def test_a_full_disk_of_the_engine_is_told(
    plain: DockerRegistry, programs: dict[str, dict[str, bytes]], bases: Bases, tmp_path: Path
) -> None:
    StandIn.make("oci", programs, size=96 << 20, architectures=("amd64",)).push(plain.host, "large", "1")
    with engine(room="64m") as small:
        site = Site.make(tmp_path, bases.settings, small.settings)
        site.spec({"run": PROGRAM, "in": f"{plain.host}/large:1"}, architectures=["x86_64"])
        ran = site.build()
        assert ran.code == 5, ran.err
        assert "the disk of the container engine is full" in ran.err
        assert "docker system prune" in ran.err
        assert small.docker("ps", "--all", "--quiet").out == ""


def test_an_engine_that_goes_away_is_told(bases: Bases, tmp_path: Path) -> None:
    with engine() as going:
        site = Site.make(tmp_path, bases.settings, going.settings)
        site.spec({"run": "echo begun; sleep 1000"}, architectures=["x86_64"])
        build = _started(site)
        log = site.folder / ".imagekit/log/x86_64-1.log"
        with build:
            _wait(lambda: log.exists() and "begun" in log.read_text())
            os.kill(int((going.folder / "pid").read_text()), signal.SIGTERM)
            _, said = build.communicate(timeout=120)
        assert build.returncode in (3, 4), said
        assert "engine" in said or "was ended by signal" in said


def test_a_build_that_is_killed_at_any_moment_leaves_nothing(docker: Engine, bases: Bases, tmp_path: Path) -> None:
    site = Site.make(tmp_path, bases.settings, docker.settings)
    site.write("source", "x" * 100_000)
    site.spec({"run": f"sleep 0.2; echo made > made; {PROGRAM}", "secrets": ["TOKEN"]})
    chance = random.Random(7)
    for number in range(_KILLS):
        site.write("source", f"{number}" * 100_000)
        with _started(site, TOKEN="a secret of 24 characters") as build:
            time.sleep(chance.uniform(0.1, 3.0))  # any moment will do
            ended = chance.choice([signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
            build.send_signal(ended)
            build.communicate(timeout=60)
        # What was killed before its container was started leaves that to the next run.
        also = ["--all"] if ended is not signal.SIGKILL else []
        _wait(lambda maker=build.pid, also=also: not _made_by(maker, docker, *also))
    site.built(TOKEN="a secret of 24 characters")
    assert not docker.docker("ps", "--all", "--quiet").out
    assert not any((site.folder / ".imagekit/outputs").rglob("x86_64-1"))
    kept = docker.docker("volume", "ls", "--quiet").out.split()
    assert all(name.startswith("imagekit-cache-") for name in kept)


def _made_by(process: int, docker: Engine, *also: str) -> list[str]:
    """The containers that a process made, and that run, or are there at all with `--all`."""
    makers = docker.docker("ps", *also, '--format={{.Label "dev.imagekit.maker"}}').out.splitlines()
    return [maker for maker in makers if f" {process} " in maker]


def _started(site: Site, **settings: str) -> subprocess.Popen[str]:
    # Whoever started the tests may ignore Ctrl-C.
    hears = "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); sys.argv[1:] = ['build']"
    return subprocess.Popen(
        [sys.executable, "-c", f"{hears}; from imagekit.cli import main; main()"],
        cwd=site.folder,
        env={**os.environ, **site.settings, **settings},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def _wait(happens: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not happens():
        assert time.monotonic() < end
        time.sleep(0.1)
