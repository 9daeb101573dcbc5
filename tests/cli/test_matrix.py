"""`imagekit matrix`: which specs a branch touched, and the jobs that build them."""

from __future__ import annotations

import hashlib
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.support.bench import SPEC, Bench

pytestmark = pytest.mark.usefixtures("repository")


def git(folder: Path, *arguments: str) -> str:
    ran = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=True)
    return ran.stdout.strip()


@pytest.fixture
def repository(bench: Bench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Two specs below a common one, in a git repository with one commit."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    for name, value in {"user.name": "a", "user.email": "a@example.com", "init.defaultBranch": "main"}.items():
        git(tmp_path, "config", "--global", name, value)
    bench.write("common.yaml", "labels: {team: a}\n")
    for name in ("one", "two"):
        bench.write(f"{name}/runtime.yaml", json.dumps({**SPEC, "name": name, "extends": "../common.yaml"}))
        bench.write(f"{name}/bootstrap", b"#!/bin/sh\nexit 0\n", mode=0o755)
    git(bench.folder, "init", "-q")
    commit(bench)


def commit(bench: Bench) -> None:
    git(bench.folder, "add", "-A")
    git(bench.folder, "commit", "-q", "-m", "x")


def changed(bench: Bench, since: str = "HEAD~1") -> list[str]:
    document = bench.run("matrix", "one", "two", "--changed-since", since, "--by", "spec").ok().document
    return [spec for job in document["jobs"] for spec in job["specs"]]


def spec(bench: Bench, folder: str = "one", /, **changes: Any) -> None:
    bench.write(f"{folder}/runtime.yaml", json.dumps({**SPEC, "name": folder, **changes}))


ONE, TWO = "one/runtime.yaml", "two/runtime.yaml"


def test_a_job_a_platform_and_a_join(bench):
    document = bench.run("matrix", "one", "two").ok().document
    assert [(job["specs"], job["platform"]) for job in document["jobs"]] == [
        ([ONE], "linux/amd64"), ([TWO], "linux/amd64"), ([ONE], "linux/arm64"), ([TWO], "linux/arm64"),
    ]  # fmt: skip
    assert len({job["id"] for job in document["jobs"]}) == 4
    assert document["jobs"][2]["command"] == (
        "imagekit build --locked --push --by-digest --platform linux/arm64 one/runtime.yaml"
    )
    assert document["join"] == f"imagekit join {ONE} {TWO} --references .imagekit-references"


def test_what_the_jobs_run_makes_the_images_that_one_machine_makes(bench, monkeypatch):
    bench.run("lock", "one", "two").ok()
    whole = bench.run("push", "one", "two", "--to", bench.repository("whole/{name}")).ok()
    monkeypatch.setenv("IMAGEKIT_TO", bench.repository("team/{name}"))
    document = bench.run("matrix", "one", "two").ok().document
    for job in document["jobs"]:
        printed = bench.run(*job["command"].split()[1:]).ok().out
        bench.write(f".imagekit-references/{job['id']}", printed)
    assert bench.run(*document["join"].split()[1:]).ok().out == whole.out.replace("whole/", "team/")


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("one/bootstrap", [ONE]),
        ("two/runtime.yaml", [TWO]),
        ("common.yaml", [ONE, TWO]),
        ("one/runtime.lock", [ONE]),
        ("README.md", []),
        ("one/notes.txt", []),
        ("one/bootstrap2", []),
    ],
)
def test_a_change_touches_the_specs_that_read_it(bench, path, expected):
    file = bench.folder / path
    bench.write(path, (file.read_text() if file.exists() else "") + "\n")
    commit(bench)
    assert changed(bench) == expected


def test_a_file_that_went_is_a_change(bench):
    bench.write("one/src/a", "1")
    bench.write("one/src/b", "1")
    spec(bench, files=[{"source": "src", "target": "/var/task"}])
    commit(bench)
    (bench.folder / "one/src/a").unlink()
    commit(bench)
    assert changed(bench) == [ONE]


def test_a_file_that_was_renamed_is_gone_from_where_it_was(bench):
    bench.write("one/src/a", "x" * 1000)
    bench.write("one/src/b", "1")
    spec(bench, files=[{"source": "src", "target": "/var/task"}])
    commit(bench)
    (bench.folder / "one/src/a").rename(bench.folder / "elsewhere")
    commit(bench)
    assert changed(bench) == [ONE]


def test_what_patterns_leave_out_changes_nothing(bench):
    bench.write("one/src/a.py", "1")
    bench.write("one/src/a.md", "1")
    spec(bench, files=[{"source": "src", "target": "/var/task", "exclude": ["*.md"]}])
    commit(bench)
    bench.write("one/src/a.md", "2")
    commit(bench)
    assert changed(bench) == []
    bench.write("one/src/a.py", "2")
    commit(bench)
    assert changed(bench) == [ONE]


def test_a_step_reads_its_inputs_or_all_of_root(bench):
    spec(bench, root="..", bootstrap={"path": "one/bootstrap"}, build=[{"run": "true", "inputs": ["src/*.c"]}])
    bench.write("src/a.c", "1")
    commit(bench)
    bench.write("src/a.h", "1")
    commit(bench)
    assert changed(bench) == []
    bench.write("src/a.c", "2")
    commit(bench)
    assert changed(bench) == [ONE]
    spec(bench, root="..", bootstrap={"path": "one/bootstrap"}, build="true")
    commit(bench)
    bench.write("src/a.h", "3")
    commit(bench)
    assert changed(bench) == [ONE]


def test_tests_and_certificates_are_read_too(bench):
    spec(bench, certificates=["ca.pem"], tests=[{"name": "x", "event_file": "events/x.json", "expect": 1}])
    for path in ("ca.pem", "events/x.json"):
        bench.write(f"one/{path}", "{}")
    commit(bench)
    for path in ("ca.pem", "events/x.json"):
        bench.write(f"one/{path}", "[]")
        commit(bench)
        assert changed(bench) == [ONE], path


def test_a_dirty_tree_counts_and_is_told(bench):
    bench.write("one/bootstrap", "#!/bin/sh\nexit 1\n")
    bench.write("two/runtime.lock", "")
    ran = bench.run("matrix", "one", "two", "--changed-since", "HEAD", "--by", "spec").ok()
    assert [job["specs"] for job in ran.document["jobs"]] == [[ONE], [TWO]]
    assert "2 changes are in no commit yet; they count too" in ran.err


def test_a_branch_is_compared_with_where_it_began(bench):
    git(bench.folder, "checkout", "-q", "-b", "work")
    bench.write("one/bootstrap", "#!/bin/sh\nexit 1\n")
    commit(bench)
    git(bench.folder, "checkout", "-q", "main")
    bench.write("two/bootstrap", "#!/bin/sh\nexit 1\n")
    commit(bench)
    git(bench.folder, "checkout", "-q", "work")
    assert changed(bench, "main") == [ONE]


@pytest.mark.parametrize("revision", ["nowhere", "--output=x", "HEAD~9", "HEAD:one", ""])
def test_an_unknown_revision_is_told(bench, revision):
    ran = bench.run("matrix", "one", "--changed-since", revision)
    assert ran.code == 2
    assert ran.error[0] == f"error: --changed-since {revision}: git knows no such commit here"
    assert not (bench.folder / "x").exists()


def test_a_shallow_clone_is_told_how_to_be_whole(bench, tmp_path, monkeypatch):
    commit_again(bench)
    git(tmp_path, "clone", "-q", "--depth", "1", f"file://{bench.folder}", "shallow")
    monkeypatch.chdir(tmp_path / "shallow")
    ran = bench.run("matrix", "one", "--changed-since", "HEAD~1")
    assert ran.code == 2
    assert "git fetch --unshallow" in ran.error[1]


def test_outside_a_repository_is_told(bench, tmp_path, monkeypatch):
    bench.write("../out/runtime.yaml", json.dumps(SPEC))
    monkeypatch.chdir(tmp_path / "out")
    ran = bench.run("matrix", "--changed-since", "HEAD")
    assert ran.code == 2
    assert "is in no git repository" in ran.error[0]


def test_the_repository_is_that_of_the_specs(bench, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    bench.run("matrix", str(bench.folder / "one"), "--changed-since", "HEAD").ok()


def test_all_wrong_specs_are_told_at_once(bench):
    bench.write("one/runtime.yaml", "name: [")
    bench.write("two/runtime.yaml", "os: al2023")
    ran = bench.run("matrix", "one", "two")
    assert ran.code == 2
    assert "one/runtime.yaml" in ran.err
    assert "two/runtime.yaml" in ran.err


def test_github_gets_a_matrix_in_one_line_and_outputs(bench, tmp_path, monkeypatch):
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_OUTPUT", str(tmp_path / "output"))
    ran = bench.run("matrix", "one", "two", "--format", "github", "--runner", "arm64=ubuntu-24.04-arm").ok()
    (line,) = ran.lines
    rows = json.loads(line)["include"]
    assert rows[0] == {
        "id": "001-one-x86-64", "name": "one, x86_64", "specs": ONE, "platform": "linux/amd64",
        "runner": "ubuntu-latest",
    }  # fmt: skip
    assert rows[3]["runner"] == "ubuntu-24.04-arm"
    text = (tmp_path / "output").read_text()
    assert f"\n{line}\n" in text
    assert f"specs<<end-{hashlib.sha256(f'{ONE} {TWO}'.encode()).hexdigest()}\n{ONE} {TWO}\n" in text
    assert text.splitlines()[-2] == "4"


def test_nothing_changed_is_an_empty_matrix(bench):
    arguments = ("matrix", "one", "two", "--changed-since", "HEAD", "--format")
    assert bench.run(*arguments, "github").ok().document == {"include": []}
    gitlab = bench.run(*arguments, "gitlab").ok().document
    assert gitlab["nothing to build"] == {"stage": "build", "script": ["true"]}
    batch = bench.run(*arguments, "codebuild").ok().document["batch"]
    assert [item["identifier"] for item in batch["build-list"]] == ["nothing_to_build"]


def test_no_job_of_gitlabs_hides_another(bench):
    spec(bench, "two", name="default")
    made = bench.run("matrix", "one", "two", "--format", "gitlab", "--by", "spec").ok().document
    assert "image" in made["default"]
    assert [name for name in made if name[0].isdigit()] == ["001-one", "002-default"]


def test_overrides_are_the_jobs_too(bench):
    document = bench.run("matrix", "one", "--set", "labels.team=a b").ok().document
    assert document["jobs"][0]["command"].endswith(f"--platform linux/amd64 --set 'labels.team=a b' {ONE}")
    assert document["join"].startswith(f"imagekit join --set 'labels.team=a b' {ONE}")
    rows = bench.run("matrix", "one", "--set", "labels.team=a b", "--format", "github").ok().document["include"]
    assert rows[0]["specs"] == f"--set 'labels.team=a b' {ONE}"


def test_two_specs_of_one_name_cannot_be_joined(bench):
    spec(bench, "two", name="one")
    ran = bench.run("matrix", "one", "two")
    assert (ran.code, ran.error[0]) == (2, f"error: {ONE} and {TWO} both have the name one")
    bench.run("matrix", "one", "two", "--by", "spec").ok()


def test_a_spec_that_would_be_an_option_is_none(bench):
    spec(bench, "-d", name="d")
    assert bench.run("matrix", "./-d").ok().document["jobs"][0]["specs"] == ["./-d/runtime.yaml"]


@pytest.mark.parametrize("place", ["one/.imagekitignore", "one/src/.imagekitignore", "one/src/deep/.imagekitignore"])
def test_what_stays_out_is_a_change(bench, place):
    bench.write("one/src/deep/a", "1")
    spec(bench, files=[{"source": "src", "target": "/var/task"}])
    commit(bench)
    bench.write(place, "a\n")
    commit(bench)
    assert changed(bench) == [ONE]


@pytest.mark.parametrize("source", ["link", "link/a", "chain"])
def test_a_symlink_that_leads_elsewhere_is_a_change(bench, source):
    for name in ("v1", "v2"):
        bench.write(f"{name}/a", name)
    files = [{"source": f"one/{source}", "target": "/var/task/"}]
    spec(bench, root="..", files=files, bootstrap={"path": "one/bootstrap"})
    (bench.folder / "one/link").symlink_to("../v1")
    (bench.folder / "one/chain").symlink_to("link")
    commit(bench)
    (bench.folder / "one/link").unlink()
    (bench.folder / "one/link").symlink_to("../v2")
    commit(bench)
    assert changed(bench) == [ONE]


def test_few_jobs_take_several_specs_each(bench):
    rows = bench.run("matrix", "one", "two", "--jobs", "2").ok().document["jobs"]
    assert [(job["specs"], job["platform"]) for job in rows] == [
        ([ONE, TWO], "linux/amd64"), ([ONE, TWO], "linux/arm64"),
    ]  # fmt: skip
    assert rows[0]["name"] == "one and 1 more, x86_64"


def test_gitlab_gets_a_child_pipeline(bench):
    made = bench.run("matrix", "one", "--format", "gitlab", "--include", ".gitlab/imagekit.yml").ok().document
    assert made["include"] == [{"local": ".gitlab/imagekit.yml"}]
    job = made["002-one-arm64"]
    assert job["stage"] in made["stages"]
    assert job["script"][-1].endswith(f"{ONE} > {job['artifacts']['paths'][0]}")
    assert made["join"]["script"] == [f"imagekit join {ONE} --references .imagekit-references"]


def test_codebuild_builds_whole_specs(bench):
    made = bench.run("matrix", "one", "two", "--format", "codebuild").ok().document
    assert [item["env"]["variables"]["IMAGEKIT_SPECS"] for item in made["batch"]["build-list"]] == [ONE, TWO]
    assert bench.run("matrix", "one", "--format", "codebuild", "--by", "platform").code == 2


def commit_again(bench: Bench) -> None:
    bench.write("README.md", "more\n")
    commit(bench)
