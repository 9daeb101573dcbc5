"""Which runner is taken, and what is said where one, or all, are missing."""

import os
import shutil
import stat
from pathlib import Path

import pytest

from imagekit.architecture import ARCHITECTURES
from imagekit.emulator import runners
from imagekit.emulator.ports import Confines
from imagekit.emulator.runners import emulated
from imagekit.emulator.runners.means import Means
from imagekit.errors import BuildFailed
from tests.emulator.runners.running import opened
from tests.support.tools import missing, need, need_root


def other():
    return next(item for item in ARCHITECTURES if item != emulated.native())


def test_the_runners_stand_in_the_order_in_which_they_are_tried():
    assert runners.NAMES == ("docker", "bubblewrap", "namespaces")
    assert [runners.runner(name, Means()).name for name in runners.NAMES] == list(runners.NAMES)


def test_an_unknown_runner_has_no_entry():
    with pytest.raises(KeyError):
        runners.runner("chroot", Means())


def test_without_an_engine_and_without_bubblewrap_the_kernel_is_enough(native, tmp_path):
    if runners.runner("namespaces", Means()).missing(native):
        missing("user namespaces are not allowed here")
    found = runners.first_that_works(
        native, Means(environment={"PATH": str(tmp_path), "DOCKER_HOST": f"unix://{tmp_path}/no"})
    )
    assert found.name == "namespaces"


def test_an_engine_that_does_not_answer_is_missing(native, tmp_path):
    problem = runners.runner("docker", Means(environment={"DOCKER_HOST": f"unix://{tmp_path}/none"})).missing(native)
    assert problem
    assert "no Docker engine can be reached" in problem.message
    assert "DOCKER_HOST" in problem.hint


def test_an_engine_elsewhere_is_no_runner(native):
    problem = runners.runner("docker", Means(environment={"DOCKER_HOST": "tcp://127.0.0.1:9"})).missing(native)
    assert problem
    assert "engine" in problem.message


@pytest.mark.parametrize("says", ["bubblewrap 0.6.1", "", "nothing"])
def test_an_old_bubblewrap_is_missing(native, tmp_path, says):
    if runners.runner("namespaces", Means()).missing(native):
        missing("user namespaces are not allowed here")
    program = tmp_path / "bwrap"
    program.write_text(f"#!/bin/sh\necho {says}\n")
    program.chmod(0o755)
    problem = runners.runner("bubblewrap", Means(environment={"PATH": str(tmp_path)})).missing(native)
    assert problem
    assert "0.7 or newer is needed, and an older one is installed" in problem.message
    assert problem.exit_code == 5


def test_no_bubblewrap_at_all_is_missing(native, tmp_path):
    problem = runners.runner("bubblewrap", Means(environment={"PATH": str(tmp_path)})).missing(native)
    assert problem
    assert "install the package bubblewrap" in problem.hint or "user namespaces" in problem.message


def test_an_image_without_the_usual_folders_is_refused(name, runner, make_image, native, tmp_path):
    from dataclasses import replace

    if name == "docker":
        missing_here = make_image(native).filesystem  # an engine makes them itself
        opened(runner, missing_here).close()
        return
    empty = tmp_path / "empty"
    empty.mkdir()
    image = replace(make_image(native).filesystem, folder=str(empty))
    with pytest.raises(BuildFailed, match="has no folder /"):
        runner.open(image, Confines())


@pytest.mark.real
def test_without_its_interpreter_another_architecture_says_what_to_install(tmp_path):
    """In a mount namespace of its own, where the kernel's rules are not seen and no qemu is on the path."""
    out = _apart(
        tmp_path,
        "print(runners.runner('namespaces', Means(environment={'PATH': '/nowhere'})).missing(architecture).hint)",
    )
    assert "install the package qemu-user-static" in out


@pytest.mark.real
def test_an_interpreter_that_is_only_installed_is_registered_in_the_sandbox(tmp_path, make_image):
    """The interpreter is this machine's own program, so that what it runs by can be told from the kernel's rule."""
    if emulated.kernel() < (6, 7):
        missing("the kernel is older than 6.7")
    mine, foreign = make_image(emulated.native()), make_image(other())
    program = tmp_path / f"qemu-{other().rpm}-static"
    shutil.copy(f"{mine.filesystem.folder}/var/runtime/probe", program)
    program.chmod(program.stat().st_mode | stat.S_IRWXU)
    (tmp_path / "place").write_text(foreign.filesystem.folder)
    out = _apart(
        tmp_path,
        f"means = Means(environment={{'PATH': {str(tmp_path)!r}}})",
        "runner = runners.runner('namespaces', means)",
        "assert runner.missing(architecture) is None",
        f"folder = {foreign.filesystem.folder!r}",
        "image = RootFilesystem(reference='x', architecture=architecture, config=None, folder=folder)",
        "sandbox = Opened(runner.open(image, Confines()))",
        "print(repr(sandbox.says('id')))",
        "sandbox.close()",
    )
    assert out.strip() == "''"  # as a program for the other architecture it would say who it is


def _apart(folder: Path, *lines: str) -> str:
    import subprocess
    import sys

    need_root()
    program = "\n".join([
        "from imagekit import architecture as architectures",
        "from imagekit.emulator import runners",
        "from imagekit.emulator.ports import Confines, RootFilesystem",
        "from imagekit.emulator.runners.means import Means",
        "from tests.emulator.runners.running import Opened",
        f"architecture = architectures.by_name({other().name!r})",
        *lines,
    ])  # fmt: skip
    (folder / "program.py").write_text(program)
    hidden = 'umount /proc/sys/fs/binfmt_misc 2>/dev/null; umount /proc/sys/fs/binfmt_misc 2>/dev/null; exec "$@"'
    words = [need("unshare"), "--mount", "sh", "-c", hidden, "-", sys.executable, str(folder / "program.py")]
    root = Path(__file__).parents[3]
    ran = subprocess.run(
        words, env={**os.environ, "PYTHONPATH": str(root)}, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout
