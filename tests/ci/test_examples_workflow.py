"""The workflow that keeps the locks of the examples, and the action that builds one spec: what their steps run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import bench as support
from tests.support.bench import SPEC
from tests.support.registry import Registry
from tests.support.tools import need
from tests.support.workflow import Job, read

ROOT = Path(__file__).resolve().parent.parent.parent
BIN = Path(sys.executable).parent

pytestmark = pytest.mark.real


@pytest.fixture
def registry() -> Iterator[Registry]:
    with Registry() as registry:
        support.put(registry, support.base(), support.PROVIDED, "al2023")
        yield registry


@pytest.fixture
def environment(registry: Registry, tmp_path: Path) -> dict[str, str]:
    for name in ("bash", "git"):
        need(name)
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "gh").write_text(f'#!/bin/sh\necho "$@" >>{tmp_path}/gh\n')
    (tools / "gh").chmod(0o755)
    return {
        "HOME": str(tmp_path / "home"),
        "RUNNER_TEMP": str(tmp_path),
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
        "IMAGEKIT_MIRROR": f"{support.PUBLIC}={registry.host}",
        "GIT_CONFIG_NOSYSTEM": "1",
        "PATH": f"{BIN}:{tools}:{os.environ['PATH']}",
    }


def git(folder: Path, *words: str) -> str:
    command = ["git", "-c", "user.name=a", "-c", "user.email=a@example.com", *words]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A checkout with two examples, whose origin is a repository of its own."""
    folder = tmp_path / "source"
    for name in ("one", "two"):
        (folder / "specs" / name).mkdir(parents=True)
        (folder / "specs" / name / "runtime.yaml").write_text(json.dumps({**SPEC, "name": name}))
        (folder / "specs" / name / "bootstrap").write_text("#!/bin/sh\n")
    for words in (
        ("init", "-q"),
        ("add", "-A"),
        ("commit", "-qm", "x"),
        ("init", "-q", "--bare", f"{tmp_path}/origin"),
    ):
        git(folder, *words)
    git(folder, "remote", "add", "origin", str(tmp_path / "origin"))
    return folder


def played(folder: Path, environment: dict[str, str], upgrade: str = "false") -> Job:
    document = read(ROOT / ".github/workflows/examples.yml")["jobs"]["locks"]
    job = Job(document["steps"], folder, {}, BIN)
    code = job.run({**environment, "UPGRADE": upgrade})
    assert code == 0, job.log
    return job


def test_the_locks_of_all_examples_are_proposed(source, tmp_path, environment, registry):
    played(source, environment)
    branch = "locks-of-the-examples"
    held = git(tmp_path / "origin", "ls-tree", "-r", "--name-only", branch).splitlines()
    assert {"specs/one/runtime.lock", "specs/two/runtime.lock"} <= set(held)
    assert ".outputs" not in held
    lock = json.loads(git(tmp_path / "origin", "show", f"{branch}:specs/one/runtime.lock"))
    base = lock["platforms"]["arm64"]["base"]
    assert registry.host not in json.dumps(lock)
    assert base["manifest"] in support.base().manifests
    assert "pr create --head locks-of-the-examples" in (tmp_path / "gh").read_text()
    assert "nothing changed" in played(source, environment, "true").log


def test_a_lock_of_a_stand_in_is_not_proposed(source, tmp_path, environment, registry):
    spec = {**SPEC, "name": "one", "base": f"{registry.host}/{support.PROVIDED}:al2023"}
    (source / "specs/one/runtime.yaml").write_text(json.dumps(spec))
    with pytest.raises(AssertionError, match="not of the real world"):
        played(source, environment)
    assert not (tmp_path / "gh").exists()


@pytest.mark.parametrize(("create", "told"), [("true", True), ("false", False)])
def test_the_action_builds_pushes_and_creates_repositories(source, tmp_path, environment, registry, create, told):
    (tmp_path / "imagekit/bin").mkdir(parents=True)
    (tmp_path / "imagekit/bin/imagekit").symlink_to(BIN / "imagekit")
    action = read(ROOT / ".github/actions/build/action.yml")
    steps = [step for step in action["runs"]["steps"] if step["name"] != "Install imagekit"]
    inputs = {f"inputs.{name}": str(value["default"]) for name, value in action["inputs"].items()}
    inputs |= {"inputs.spec": "specs/one", "inputs.tag": "v1", "inputs.to": f"{registry.host}/one"}
    inputs |= {"inputs.locked": "false", "inputs.create-repository": create}
    job = Job(steps, source, inputs, BIN)
    assert job.run(environment) == 0, job.log
    assert job.context["steps.build.outputs.image"].startswith(f"{registry.host}/one@sha256:")
    assert "v1" in registry.repository("one").tags
    assert (f"{registry.host} is not ECR: it is left to itself" in job.log) == told
