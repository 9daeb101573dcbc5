"""Builds at the same time, killed builds, full disks, a cache that cannot be written: nothing half-written stays."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from imagekit.oci.validate import validate
from imagekit.store.layout import Layout
from tests.support import project
from tests.support.commands import CHECKOUT, IMAGEKIT, Ran, imagekit_well, run
from tests.support.docker_registry import Bases, DockerRegistry
from tests.support.soundness import problems_of_cache, problems_of_layout, unfinished
from tests.support.tools import missing, need

pytestmark = pytest.mark.real

#: How often a build is killed.
_KILLS = 25
_SIZE = 12_000_000


@dataclass(frozen=True)
class Work:
    """A locked project with the digest of its image, made with a cache that is not used again."""

    folder: Path
    digest: str

    @property
    def layout(self) -> Path:
        return self.folder / ".imagekit" / "project"

    def start(self, cache: Path, *arguments: str) -> subprocess.Popen[str]:
        """A build that runs beside this process, in a group of its own."""
        return subprocess.Popen(
            [*IMAGEKIT, "build", "--locked", *arguments],
            cwd=self.folder,
            env={**os.environ, "IMAGEKIT_CACHE_DIR": str(cache)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )


@pytest.fixture
def work(aws: Bases, tmp_path: Path) -> Work:
    folder = tmp_path / "project"
    folder.mkdir()
    project.write(folder, size=_SIZE)
    imagekit_well("lock", folder=folder)
    settings = {"IMAGEKIT_CACHE_DIR": str(tmp_path / "first")}
    return Work(folder, imagekit_well("build", "--locked", folder=folder, settings=settings).digest)


def finished(build: subprocess.Popen[str]) -> Ran:
    out, err = build.communicate(timeout=120)
    return Ran(build.returncode, out, err)


def test_builds_at_the_same_time_give_the_same_image_and_leave_it_whole(
    work: Work, plain: DockerRegistry, tmp_path: Path
) -> None:
    cache = tmp_path / "shared"
    push = ("--push", "--to", f"{plain.host}/together", "--output", f"oci:{tmp_path}/out")
    for ran in [finished(build) for build in [work.start(cache, *push) for _ in range(3)]]:
        assert ran.code == 0, ran.err
        assert ran.digest == work.digest
    assert not problems_of_layout(work.layout)
    assert not problems_of_layout(tmp_path / "out")
    assert not problems_of_cache(cache)
    assert not unfinished(tmp_path)


def test_a_kill_at_any_moment_leaves_a_whole_layout_and_cache(work: Work, tmp_path: Path) -> None:
    started = time.monotonic()
    assert finished(work.start(tmp_path / "timed")).code == 0
    whole = time.monotonic() - started
    chance = random.Random(20261123)
    killed = 0
    for number in range(_KILLS):
        cache = tmp_path / f"cache{number // 2}"  # each second build goes on from what a killed one has left
        build = work.start(cache, "--output", f"oci:{tmp_path}/out")
        time.sleep(chance.uniform(0.1, 0.9) * whole)
        build.kill()
        killed += finished(build).code == -9
        assert not problems_of_layout(work.layout), number
        assert not problems_of_layout(tmp_path / "out"), number
        assert not problems_of_cache(cache), number
    assert killed >= _KILLS / 2, "most builds were over before they were killed"
    for number in range(0, _KILLS // 2, 4):
        again = finished(work.start(tmp_path / f"cache{number}", "--output", f"oci:{tmp_path}/out"))
        assert again.code == 0, again.err
        assert again.digest == work.digest
    assert not problems_of_layout(work.layout)
    assert not problems_of_layout(tmp_path / "out")
    assert not unfinished(work.layout)
    assert not unfinished(tmp_path / "out")
    image = Layout.in_folder(tmp_path / "out")
    assert not validate(image.document(""), image.blob).findings


def on_own_disk(disk: Path, size: str, script: str, *arguments: str, folder: Path, **settings: str) -> Ran:
    """Run a shell script that alone sees a small disk at `disk`, which goes when the script ends; `$@` is imagekit."""
    disk.mkdir(exist_ok=True)
    own = ("--mount",) if os.geteuid() == 0 else ("--user", "--map-root-user", "--mount")
    unshare = (need("unshare"), *own, "--propagation=private")
    if run(*unshare, "mount", "-t", "tmpfs", "none", disk).code:
        missing("no file systems can be mounted here")
    mounted = f'mount -t tmpfs -o size={size} none "$0" || exit 99\n{script}'
    paths = {"PYTHONPATH": str(CHECKOUT), "PYTHON": sys.executable}
    words = (*IMAGEKIT, *arguments)
    return run(*unshare, "sh", "-c", mounted, disk, *words, folder=folder, settings={**paths, **settings})


def assert_is_about_room(ran: Ran) -> None:
    assert ran.code == 5, ran
    assert ran.err.count("error:") == 1, ran.err
    assert ran.err.count("hint:") == 1, ran.err
    assert "room" in ran.err, ran.err
    assert "Traceback" not in ran.err


def test_a_full_disk_under_the_cache(work: Work, tmp_path: Path) -> None:
    script = '"$@"; code=$?; "$PYTHON" -m tests.support.soundness cache "$0"; exit $code'
    disk = tmp_path / "disk"
    ran = on_own_disk(disk, "1m", script, "build", folder=work.folder, IMAGEKIT_CACHE_DIR=str(disk))
    assert_is_about_room(ran)
    assert str(disk) in ran.err
    assert not ran.out, "something half-written stayed"
    assert not problems_of_layout(work.layout)


def test_a_full_disk_under_the_project(work: Work, tmp_path: Path) -> None:
    """The first image fits, a second one does not: the first stays as it is."""
    script = """
        set -e
        cp -R build src lib tool data runtime.yaml runtime.lock "$0"; cd "$0"
        "$@" >&2
        head -c 100000 /dev/zero >>src/large.bin
        head -c 100000000 /dev/zero >filler 2>/dev/null || true
        code=0; "$@" || code=$?
        "$PYTHON" -m tests.support.soundness layout .imagekit/project
        "$PYTHON" -m imagekit inspect --json oci:.imagekit/project | grep -m 1 digest
        exit $code
    """
    disk = tmp_path / "disk"
    cache = str(tmp_path / "cache")
    ran = on_own_disk(disk, "24m", script, "build", folder=work.folder, IMAGEKIT_CACHE_DIR=cache)
    assert_is_about_room(ran)
    assert work.digest in ran.out


def test_a_full_disk_before_the_lock(work: Work, tmp_path: Path) -> None:
    script = """
        cp -R build src lib tool data runtime.yaml "$0"; cd "$0"
        head -c 100000000 /dev/zero >filler 2>/dev/null
        "$@"; code=$?
        find . -name "*.lock" -o -name ".imagekit*"
        exit $code
    """
    disk = tmp_path / "disk"
    ran = on_own_disk(disk, "16m", script, "lock", folder=work.folder, IMAGEKIT_CACHE_DIR=str(tmp_path / "cache"))
    assert_is_about_room(ran)
    assert not ran.out


def test_a_cache_that_cannot_be_written_only_costs_time(work: Work, tmp_path: Path) -> None:
    script = 'mount -o remount,ro "$0" && exec "$@"'
    disk = tmp_path / "disk"
    ran = on_own_disk(disk, "1m", script, "build", "--locked", folder=work.folder, IMAGEKIT_CACHE_DIR=str(disk))
    assert ran.code == 0, ran.err
    assert ran.digest == work.digest
    assert "cannot be written" in ran.err or "keeps nothing" in ran.err
    assert "error" not in ran.err.lower().replace("errors", "")
    assert not problems_of_layout(work.layout)


def test_an_interrupt_ends_with_its_own_code_and_cleans_up(work: Work, tmp_path: Path) -> None:
    build = work.start(tmp_path / "cache")
    while not unfinished(tmp_path) and build.poll() is None:
        time.sleep(0.005)
    build.terminate()
    ran = finished(build)
    assert ran.code == 130, ran.err
    assert "Traceback" not in ran.err
    assert not unfinished(tmp_path)
    assert not problems_of_layout(work.layout)
