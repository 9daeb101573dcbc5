"""The workflows that users call: what their steps run, on a machine a job, against one registry."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support import bench as support
from tests.support.bench import SPEC
from tests.support.registry import Registry
from tests.support.tools import need
from tests.support.workflow import Job, checkout, read

ROOT = Path(__file__).resolve().parent.parent.parent
WORKFLOW = ROOT / ".github/workflows/build-images.yml"
BIN = Path(sys.executable).parent

pytestmark = pytest.mark.real


@pytest.fixture
def registry() -> Iterator[Registry]:
    with Registry() as registry:
        support.put(registry, support.base(), support.PROVIDED, "al2023")
        yield registry


@pytest.fixture(autouse=True)
def tools() -> None:
    for name in ("bash", "git", "jq"):
        need(name)


@pytest.fixture
def environment(registry: Registry, tmp_path: Path) -> dict[str, str]:
    return {
        "HOME": str(tmp_path / "home"),
        "IMAGEKIT_MIRROR": f"{support.PUBLIC}={registry.host}",
        "GIT_CONFIG_NOSYSTEM": "1",
        "LC_ALL": "C.UTF-8",
    }


@pytest.fixture
def source(tmp_path: Path, environment: dict[str, str]) -> Path:
    """A repository with three specs and their locks."""
    folder = tmp_path / "source"
    for name in ("one", "two", "a name"):
        (folder / "services" / name).mkdir(parents=True)
        spec = {**SPEC, "name": name.replace(" ", "-")}
        (folder / "services" / name / "runtime.yaml").write_text(json.dumps(spec))
        (folder / "services" / name / "bootstrap").write_text("#!/bin/sh\nexit 0\n")
        (folder / "services" / name / "bootstrap").chmod(0o755)
    here = {**environment, "PATH": f"{BIN}:{os.environ['PATH']}"}
    specs = sorted(str(path) for path in folder.glob("services/*"))
    subprocess.run(["imagekit", "lock", *specs], env=here, check=True, capture_output=True)
    for arguments in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "x"]):
        git(folder, *arguments)
    return folder


def git(folder: Path, *arguments: str) -> str:
    command = ["git", "-c", "user.name=a", "-c", "user.email=a@example.com", *arguments]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


class Called:
    """The reusable workflow, called with inputs, its jobs one after the other, each in a checkout of its own."""

    def __init__(self, source: Path, work: Path, environment: dict[str, str], **inputs: str) -> None:
        self.document = read(WORKFLOW)
        declared = self.document["on"]["workflow_call"]["inputs"]
        values = {name: str(value.get("default", "")).replace("False", "false").replace("True", "true")
                  for name, value in declared.items()}  # fmt: skip
        assert inputs.keys() <= values.keys()
        self.inputs = {f"inputs.{name}": value for name, value in (values | inputs).items()}
        self.source, self.work, self.environment = source, work, environment
        self.references = work / "artifacts"
        self.references.mkdir(parents=True)
        self.plan: Job | None = None

    def job(self, name: str, **context: str) -> Job:
        """One job, run to its end; its log is asserted to be that of a success."""
        folder = checkout(self.source, self.work / f"{name}-{len(list(self.work.iterdir()))}")
        if name == "join":
            shutil.copytree(self.references, folder / "references")
        made = Job(self.document["jobs"][name]["steps"], folder, {**self.inputs, "github.sha": "abc", **context}, BIN)
        code = made.run({**self.environment, "XDG_CACHE_HOME": str(folder / ".cache")})
        assert code == 0, made.log
        for path in (folder / "references").glob("*") if name == "build" else ():
            shutil.copy(path, self.references / path.name)
        return made

    def run(self, **context: str) -> Job | None:
        """All of it; the job that joins, None where there was nothing to build."""
        plan = self.job("plan", **context)
        outputs = {f"needs.plan.outputs.{name}": plan.value(text)
                   for name, text in self.document["jobs"]["plan"]["outputs"].items()}  # fmt: skip
        if outputs["needs.plan.outputs.count"] == "0":
            return None
        for row in json.loads(outputs["needs.plan.outputs.matrix"])["include"]:
            self.job("build", **outputs, **{f"matrix.{name}": value for name, value in row.items()})
        return self.job("join", **outputs, **context)


def test_many_specs_are_built_a_platform_a_job_and_joined(source, tmp_path, environment, registry):
    to = f"{registry.host}/team/{{name}}"
    called = Called(source, tmp_path / "run", environment, specs="services/*/runtime.yaml", to=to, tag="v1")
    joined = called.run()
    assert joined is not None
    whole = subprocess.run(
        ["imagekit", "push", *sorted(str(path) for path in source.glob("services/*")), "--json", "--to",
         f"{registry.host}/whole/{{name}}"],
        env={**environment, "PATH": f"{BIN}:{os.environ['PATH']}"}, check=True, capture_output=True, text=True,
    )  # fmt: skip
    expected = {Path(item["spec"]).parent.name: item["digests"]["index"] for item in json.loads(whole.stdout)}
    images = json.loads(joined.context["steps.join.outputs.images"])
    assert {Path(spec).parent.name: one["index"].partition("@")[2] for spec, one in images.items()} == expected
    assert sorted(registry.repository("team/one").tags) == ["v1", "v1-arm64", "v1-x86_64"]
    assert "| services/two/runtime.yaml | image-arm64 |" in (joined.folder / ".summary").read_text()


def test_a_pull_request_builds_what_it_changes_and_says_what_is_another(source, tmp_path, environment, registry):
    base = git(source, "rev-parse", "HEAD")
    to = f"{registry.host}/team/{{name}}"
    inputs = {"specs": "services/*/runtime.yaml", "to": to, "compare-tag": "main", "cache": f"{registry.host}/cache"}
    assert Called(source, tmp_path / "main", environment, **inputs, tag="main").run() is not None
    (source / "services/one/bootstrap").write_text("#!/bin/sh\nexit 1\n")
    git(source, "commit", "-qam", "y")
    bin = tmp_path / "bin"
    bin.mkdir()
    (bin / "gh").write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/gh\n')
    (bin / "gh").chmod(0o755)
    called = Called(
        source, tmp_path / "request", {**environment, "PATH": f"{BIN}:{bin}:{os.environ['PATH']}"}, **inputs
    )
    joined = called.run(**{
        "github.event_name": "pull_request", "github.event.pull_request.base.sha": base,
        "github.event.pull_request.number": "7",
    })  # fmt: skip
    assert joined is not None
    images = json.loads(joined.context["steps.join.outputs.images"])
    assert list(images) == ["services/one/runtime.yaml"]
    assert joined.context["steps.join.outputs.index"] == images["services/one/runtime.yaml"]["index"]
    comment = (joined.folder / "comment.md").read_text()
    assert comment.startswith("### one\n| platform | what | before | after |")
    assert "| arm64 | layer imagekit bootstrap" in comment
    assert (tmp_path / "gh").read_text().startswith("pr comment 7 ")


def test_nothing_changed_is_nothing_to_build(source, tmp_path, environment):
    called = Called(
        source, tmp_path / "run", environment, **{"specs": "services/*/runtime.yaml", "changed-since": "HEAD"}
    )
    assert called.run() is None


def test_without_a_push_the_images_are_built(source, tmp_path, environment, registry):
    called = Called(source, tmp_path / "run", environment, specs="services/one/runtime.yaml", push="false", by="spec")
    plan = called.job("plan")
    row = json.loads(plan.context["steps.plan.outputs.matrix"])["include"][0]
    job = called.job("build", **{f"matrix.{name}": value for name, value in row.items()})
    assert "oci:services/one/.imagekit/one@sha256:" in job.log
    assert not registry.seen("PUT ")


def test_patterns_that_match_nothing_are_told(source, tmp_path, environment):
    called = Called(source, tmp_path / "run", environment, specs="nowhere/*.yaml")
    with pytest.raises(AssertionError, match="no spec matches"):
        called.job("plan")


def test_gitlabs_jobs_make_the_images(source, tmp_path, environment, registry):
    template = yaml.safe_load((ROOT / "ci/gitlab.yml").read_text())
    here = {
        **environment, "PATH": f"{BIN}:{os.environ['PATH']}", "IMAGEKIT_SPECS": "services/one services/two",
        "IMAGEKIT_TO": f"{registry.host}/team/{{name}}", "IMAGEKIT_TAG": "v1",
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
    }  # fmt: skip
    artifacts = tmp_path / "artifacts"

    def play(job: dict[str, Any], name: str) -> Path:
        folder = checkout(source, tmp_path / name)
        if artifacts.exists():
            shutil.copytree(artifacts, folder, dirs_exist_ok=True)
        for line in job["script"]:
            subprocess.run(["sh", "-ec", line], cwd=folder, env=here, check=True)
        for path in job.get("artifacts", {}).get("paths", ()):
            (artifacts / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(folder / path, artifacts / path)
        return folder

    planned = play(template["imagekit plan"], "plan") / "imagekit-pipeline.json"
    pipeline = json.loads(planned.read_text())
    jobs = {name: job for name, job in pipeline.items() if isinstance(job, dict) and "script" in job}
    for stage in pipeline["stages"]:
        for number, job in enumerate(jobs.values()):
            if job["stage"] == stage:
                play(job, f"{stage}-{number}")
    assert len(jobs) == 5
    assert sorted(registry.repository("team/two").tags) == ["v1", "v1-arm64", "v1-x86_64"]


def test_codebuilds_batch_makes_the_images(source, tmp_path, environment, registry):
    bin = tmp_path / "bin"
    bin.mkdir()
    (bin / "aws").write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/aws\n')
    (bin / "aws").chmod(0o755)
    here = {
        **environment, "PATH": f"{BIN}:{bin}:{os.environ['PATH']}", "IMAGEKIT_SPECS": "services/one services/two",
        "IMAGEKIT_TO": f"{registry.host}/team/{{name}}", "IMAGEKIT_PROJECT": "images",
        "CODEBUILD_RESOLVED_SOURCE_VERSION": "abc",
    }  # fmt: skip
    for line in yaml.safe_load((ROOT / "ci/buildspec.yml").read_text())["phases"]["build"]["commands"]:
        subprocess.run(["sh", "-ec", line], cwd=source, env=here, check=True)
    assert shlex.split((tmp_path / "aws").read_text())[:2] == ["codebuild", "start-build-batch"]
    batch = json.loads((source / "imagekit-batch.json").read_text())
    for build in batch["batch"]["build-list"]:
        folder = checkout(source, tmp_path / build["identifier"])
        for line in batch["phases"]["build"]["commands"]:
            subprocess.run(["sh", "-ec", line], cwd=folder, env={**here, **build["env"]["variables"]}, check=True)
    assert "latest" in registry.repository("team/one").tags
    assert "latest" in registry.repository("team/two").tags


def test_the_workflows_are_what_github_takes():
    need("go")
    files = [*ROOT.glob(".github/workflows/*.yml")]
    ran = subprocess.run(
        ["go", "run", "github.com/rhysd/actionlint/cmd/actionlint@v1.7.7", "-no-color", *map(str, files)],
        capture_output=True, text=True, check=False, cwd=ROOT,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.mark.parametrize(
    ("other", "code", "told"),
    [(b"same", 0, ""), (b"other", 1, "is not the same on both machines"), (None, 1, "or the tag is not its version")],
)
def test_a_release_is_the_same_on_two_machines(tmp_path, environment, other, code, told):
    for runner, data in (("dist-ubuntu-24.04", b"same"), ("dist-ubuntu-24.04-arm", other)):
        (tmp_path / "built" / runner).mkdir(parents=True)
        for name in ("lambda_imagekit-1.2.3-py3-none-any.whl", "lambda_imagekit-1.2.3.tar.gz"):
            if data is not None:
                (tmp_path / "built" / runner / name).write_bytes(data)
    steps = read(ROOT / ".github/workflows/release.yml")["jobs"]["compare"]["steps"]
    job = Job(steps, tmp_path, {"github.ref_name": "v1.2.3"}, BIN)
    assert job.run(environment) == code
    assert told in job.log
