"""`imagekit validate`: all problems at once, from text alone."""

from __future__ import annotations

import os

import pytest


def test_a_good_spec_is_said_to_be_one_and_nothing_else_is_looked_at(bench):
    bench.spec(
        bootstrap={"path": "not/there"}, files=[{"source": "nor/this", "target": "/opt"}], build="rm -rf /", handler="x"
    )
    outcome = bench.run("validate").ok()
    assert (outcome.out, outcome.err) == ("", "valid: runtime.yaml\n")
    assert bench.registry.seen() == []
    assert {path.name for path in bench.folder.iterdir()} == {"runtime.yaml"}


def test_several_specs_are_judged_together(bench):
    bench.spec("one.yaml")
    bench.spec("two/runtime.yaml", name="Two")
    bench.spec("three.yaml", os="al3")
    outcome = bench.run("validate", "one.yaml", "two", "three.yaml")
    assert outcome.code == 2
    findings = [line for line in outcome.err.splitlines() if "error[" in line]
    assert findings == [
        "three.yaml:4:8: error[IK0202]: `os` cannot be 'al3'",
        "two/runtime.yaml:2:10: error[IK0104]: `name` cannot be 'Two'",
    ]
    assert outcome.error[0] == "error: 2 problems found"


def test_json_is_for_machines(bench):
    bench.spec(name=None)
    outcome = bench.run("validate", "--json")
    assert outcome.code == 2
    assert outcome.document == [
        {
            "code": "IK0102",
            "severity": "error",
            "message": "`name` is missing",
            "hint": "add it, for example `name: orders`",
            "file": "runtime.yaml",
            "line": 1,
            "column": 1,
            "path": "",
        }
    ]
    assert (
        outcome.err
        == "error: 1 problem found\n  hint: mend what is listed above; `imagekit schema` prints the contract\n"
    )
    bench.spec()
    assert bench.run("validate", "--json").ok().document == []


@pytest.mark.parametrize("command", ["validate", "build"])
def test_warnings_are_shown_and_stop_nothing_unless_strict(bench, command):
    bench.spec(kind="runtime", handler="x")
    outcome = bench.run(command).ok()
    assert "runtime.yaml:9:2: warning[IK0107]: `handler` means little for `kind: runtime`" in outcome.err
    outcome = bench.run(command, "--strict")
    assert outcome.code == 1
    assert outcome.error[0] == "error: 1 problem found"


def test_the_system_s_end_of_life_is_a_warning(bench):
    bench.spec(os="al2")
    outcome = bench.run("validate").ok()
    assert "runtime.yaml:4:8: warning[IK0203]: Amazon Linux 2 reached its end of life on 2026-06-30" in outcome.err


@pytest.mark.parametrize(
    ("version", "system", "refused"),
    [
        ("18.0.0", "al2", True), ("26.1.0", "al2", True), ("17.9.1", "al2", False), ("9.11.2", "al2", False),
        ("26.1.0", "al2023", False),
    ],
)  # fmt: skip
def test_an_archive_that_wants_another_glibc_than_the_system_has_is_refused(bench, version, system, refused):
    bench.spec(language="nodejs", version=version, os=system, bootstrap=None)
    outcome = bench.run("validate")
    assert outcome.code == (2 if refused else 0)
    assert refused == (
        f"error[IK0208]: Node.js {version} out of its archive needs glibc 2.28, al2 has 2.26" in outcome.err
    )
    assert refused == (
        "  hint: set `os` to al2023, choose a version before 18, or bring one that was built" in outcome.err
    )


def test_an_interpreter_that_the_spec_brings_may_need_less(bench):
    own = [{"source": "https://example.com/node-26-glibc-217.tar.xz", "target": "/var/lang", "strip": 1}]
    bench.spec(language="nodejs", version="26.1.0", os="al2", bootstrap=None, archives=own)
    bench.run("validate").ok()


def test_a_language_is_not_had_on_every_system(bench):
    bench.spec(language="dotnet", os="scratch")
    outcome = bench.run("validate")
    assert outcome.code == 2
    assert "runtime.yaml:4:8: error[IK0204]: .NET (Native AOT) is not available on scratch" in outcome.err
    assert "  hint: set `os` to one of al2023, al2" in outcome.err


def test_an_override_is_judged_like_the_spec(bench):
    bench.spec()
    bench.run("validate", "--set", "os=al2").ok()
    outcome = bench.run("validate", "--set", "os=al3", "--set", "nme=x")
    assert outcome.code == 2
    assert "--set os=al3: error[IK0202]: `os` cannot be 'al3'" in outcome.err
    assert "--set nme=x: error[" in outcome.err


def test_a_workflow_sees_findings_where_they_are(bench):
    bench.patch.setenv("GITHUB_ACTIONS", "true")
    bench.spec(name="Two")
    assert "::error " in bench.run("validate").err
    assert "file=runtime.yaml,line=2" in bench.run("validate").err


def test_what_is_no_regular_file_is_no_spec(bench):
    os.mkfifo(bench.folder / "pipe.yaml")
    bench.spec(extends=["pipe.yaml", "/dev/zero"])
    outcome = bench.run("validate")
    assert outcome.code == 2
    assert [line for line in outcome.err.splitlines() if "error[" in line] == [
        "runtime.yaml:9:3: error[IK0001]: 'pipe.yaml' cannot be read: it is not a regular file",
        "runtime.yaml:10:3: error[IK0001]: '/dev/zero' cannot be read: it is not a regular file",
    ]
    outcome = bench.run("validate", "/dev/zero", "pipe.yaml")
    assert outcome.code == 2
    assert outcome.error[0] == "error: 2 problems found"
