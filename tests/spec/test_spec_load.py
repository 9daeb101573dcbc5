"""From text to Spec: types by the schema, `extends`, overrides, `root`."""

import json
import subprocess
import sys

import pytest

from imagekit.architecture import ARM64, X86_64
from imagekit.errors import InvalidSpec
from imagekit.spec.by_architecture import PerArchitecture
from imagekit.spec.known import Known
from imagekit.spec.load import load
from imagekit.spec.model import FromDisk, FromImage, Kind, Push

SMALL = "name: app\nlanguage: scripted\nos: linux1\nhandler: a.b\n"
FULL = """\
kind: runtime
name: app-1
language: scripted
version: 3.10
os: linux2
base: {x86_64: "oci:base", arm64: "corp/base:{version}"}
architectures: [arm64]
root: ..
bootstrap: {path: "build/{architecture}/bootstrap"}
build:
  - make all
  - run: make one
    in: host
    directory: cmd
    environment: {CGO_ENABLED: 0}
    inputs: ["**/*.go"]
    only: [arm64]
archives:
  - source: "https://example.com/{version}-{tool_arch}.tar.gz"
    target: /opt/tool
    strip: 1
    sha256: {arm64: "%s"}
files:
  - {source: src/, target: /var/task, exclude: ["*.md"], include: [a, b], mode: 0755}
  - {image: "corp/tool:1", source: /tool, target: /opt/, only: [arm64, x86_64]}
environment: {LEVEL: 010, DEBUG: no, EMPTY: "", WHEN: 2027-01-31}
labels: {team: payments, com.example.a: 1}
push: {to: [corp:5000/app], tags: ["{version}", latest]}
""" % ("ab" * 32)


def test_a_small_spec_has_the_defaults(spec_of):
    spec = spec_of(SMALL)
    assert (spec.kind, spec.name, spec.language, spec.os, spec.handler) == (
        Kind.FUNCTION,
        "app",
        "scripted",
        "linux1",
        "a.b",
    )
    assert spec.architectures == (X86_64, ARM64)
    assert (spec.version, spec.base, spec.bootstrap, spec.build, spec.archives, spec.files) == (None,) * 6
    assert (spec.environment, spec.labels, spec.push) == ({}, {}, Push())
    assert (spec.path, spec.root, spec.sources) == ("runtime.yaml", "/home/app", ("runtime.yaml",))


def test_every_key_arrives_in_its_type(spec_of):
    spec = spec_of(FULL)
    assert spec.kind is Kind.RUNTIME
    assert spec.version == "3.10"
    assert spec.base == PerArchitecture(by_name={"x86_64": "oci:base", "arm64": "corp/base:{version}"})
    assert spec.architectures == (ARM64,)
    assert spec.root == "/home"
    assert spec.bootstrap is not None
    assert spec.bootstrap.path.of(ARM64) == "build/{architecture}/bootstrap"
    assert spec.environment == {"LEVEL": "010", "DEBUG": "no", "EMPTY": "", "WHEN": "2027-01-31"}
    assert spec.labels == {"team": "payments", "com.example.a": "1"}
    assert spec.push == Push(to=("corp:5000/app",), tags=("{version}", "latest"))


def test_steps_archives_and_files_arrive_in_their_types(spec_of):
    spec = spec_of(FULL)
    assert [(step.run, step.directory, step.environment, step.inputs, step.only) for step in spec.build] == [
        ("make all", ".", {}, None, ()),
        ("make one", "cmd", {"CGO_ENABLED": "0"}, ("**/*.go",), (ARM64,)),
    ]
    (archive,) = spec.archives
    assert (archive.target, archive.strip, archive.sha256.of(ARM64)) == ("/opt/tool", 1, "ab" * 32)
    assert archive.sha256.of(X86_64) is None
    assert spec.files == (
        FromDisk(source="src/", target="/var/task", mode=0o755, include=("a", "b"), exclude=("*.md",)),
        FromImage(image=PerArchitecture(text="corp/tool:1"), source="/tool", target="/opt/", only=(X86_64, ARM64)),
    )


def test_every_value_and_every_item_knows_its_place(spec_of):
    spec = spec_of(FULL)
    assert str(spec.places["archives.0.strip"]) == "runtime.yaml:21:12"
    assert str(spec.places["labels.com.example.a"]) == "runtime.yaml:27:41"
    assert [str(step.place) for step in spec.build] == ["runtime.yaml:11:5", "runtime.yaml:12:5"]
    assert str(spec.files[1].place) == "runtime.yaml:25:5"


@pytest.mark.parametrize("build", ["build: make", "build: {run: make}", "build: [make]", "build: [{run: make}]"])
def test_a_build_is_a_command_a_step_or_a_list(spec_of, build):
    (step,) = spec_of(SMALL + build).build
    assert (step.run, step.directory, step.inputs) == ("make", ".", None)


def test_an_empty_list_is_given_and_says_nothing(spec_of):
    spec = spec_of(SMALL + "files: []\nbuild: []\n")
    assert (spec.files, spec.build, spec.archives) == ((), (), None)


def test_naming_an_architecture_twice_is_harmless(spec_of):
    assert spec_of(SMALL + "architectures: [arm64, x86_64, arm64]\n").architectures == (X86_64, ARM64)


def test_extends_merges_keys_appends_lists_and_overrides_scalars(spec_of):
    spec = spec_of(
        {
            "runtime.yaml": "extends: [../one.yaml, two.yaml]\n" + SMALL + "labels: {c: 3}\nroot: ../..\n",
            "../one.yaml": "labels: {a: 1, c: 1}\nroot: .\nfiles: [{source: 1, target: /1}]\nversion: 1\n",
            "two.yaml": "labels: {b: 2}\nfiles: [{source: 2, target: /2}]\nversion: 2\nbuild: make\n",
        }
    )
    assert spec.labels == {"a": "1", "b": "2", "c": "3"}
    assert [item.source for item in spec.files] == ["1", "2"]
    assert spec.version == "2"
    assert spec.sources == ("../one.yaml", "two.yaml", "runtime.yaml")
    assert str(spec.places["files.0.source"]) == "../one.yaml:3:18"


def test_a_file_that_two_others_extend_counts_once(spec_of):
    base = "files: [{source: base, target: /b}]\nversion: 1\n"
    spec = spec_of(
        {
            "runtime.yaml": "extends: [left.yaml, right.yaml]\n" + SMALL,
            "left.yaml": "extends: base.yaml\nversion: 2\n",
            "right.yaml": "extends: ./base.yaml\n",
            "base.yaml": base,
        }
    )
    assert [item.source for item in spec.files] == ["base"]
    assert spec.version == "2"
    assert spec.sources == ("base.yaml", "left.yaml", "right.yaml", "runtime.yaml")


@pytest.mark.parametrize(
    ("said", "root"),
    [("", "/home/app"), ("root: ../..\n", "/"), ("root: src\n", "/home/app/src"), ("root: /abs/./x\n", "/abs/x")],
)
def test_root_is_seen_from_the_spec(spec_of, said, root):
    assert spec_of(SMALL + said).root == root


def test_root_is_seen_from_the_file_that_says_it(spec_of):
    texts = {"runtime.yaml": "extends: ../a/b.yaml\n" + SMALL, "../a/b.yaml": "root: src\n"}
    assert spec_of(texts).root == "/home/a/src"
    assert spec_of(texts, "root=src").root == "/home/app/src"


def test_overrides_set_any_scalar(spec_of):
    spec = spec_of(
        FULL,
        "os=linux1",
        "push.tags.0=x",
        "push.tags.2=y",
        "archives.0.strip=2",
        "labels.com.example.b=2",
        "environment.NEW=",
        "build.1.directory=other",
        "handler=c.d=e",
    )
    assert (spec.os, spec.push.tags, spec.archives[0].strip) == ("linux1", ("x", "latest", "y"), 2)
    assert spec.labels["com.example.b"] == "2"
    assert (spec.environment["NEW"], spec.build[1].directory, spec.handler) == ("", "other", "c.d=e")
    assert str(spec.places["os"]) == "--set os=linux1"


def test_overrides_make_what_is_missing_on_the_way(spec_of):
    spec = spec_of(SMALL, "push.tags.0=x", "base.arm64=oci:a", "base.x86_64=oci:b")
    assert spec.push.tags == ("x",)
    assert spec.base == PerArchitecture(by_name={"arm64": "oci:a", "x86_64": "oci:b"})


@pytest.mark.parametrize(
    ("override", "hint"),
    [
        ("oss=linux1", "did you mean `os`? valid keys here: "),
        ("push.tag.0=x", "did you mean `tags`? valid keys here: tags, to"),
        ("push.tags.1=x", "use a number from 0 to 0; 0 appends an item"),
        ("push.tags.x=x", "use a number from 0 to 0; 0 appends an item"),
        ("name.x=y", "set the key above it, or change it in the spec"),
        ("version.x=y", "set the key above it"),
        ("extends=x", "valid keys here: "),
        ("os", "write for example --set environment.LEVEL=debug"),
        ("name=\udcff", "give Unicode text without NUL"),
    ],
)
def test_an_override_that_names_no_key_is_refused(problems_of, override, hint):
    (finding,) = problems_of(SMALL + "push: {tags: []}\n", override)
    assert finding.code == "IK0108"
    assert str(finding.place) == f"--set {override}".replace("\udcff", "?")
    assert hint in finding.hint


def test_a_wrong_override_is_found_where_it_was_given(problems_of):
    (finding,) = problems_of(SMALL, "os=linux3")
    assert (finding.code, str(finding.place)) == ("IK0202", "--set os=linux3")


def test_a_right_spec_needs_no_jsonschema():
    program = """
import json, sys
from imagekit.spec.known import Known, LanguageWords
from imagekit.spec.load import load
text = b"name: app\\nlanguage: a\\nos: b\\nhandler: c\\n"
known = Known(languages={"a": LanguageWords()}, systems=("b",))
spec, _ = load("runtime.yaml", lambda path: text, known)
print(json.dumps([spec.name, sorted({"jsonschema", "difflib", "referencing"} & set(sys.modules))]))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, text=True)
    assert json.loads(done.stdout) == ["app", []]


def test_without_a_folder_root_is_as_relative_as_the_path(known):
    spec, _ = load("a/runtime.yaml", lambda path: SMALL.encode(), known)
    assert spec.root == "a"


def test_known_names_may_be_none_at_all():
    with pytest.raises(InvalidSpec) as caught:
        load("runtime.yaml", lambda path: SMALL.encode(), Known())
    assert [finding.code for finding in caught.value.findings] == ["IK0201", "IK0202"]


def test_tests_are_read_as_json_by_yaml_s_core(spec_of):
    text = """tests:
  - {name: core, event: {n: 0x10, yes: no, t: 1_0, f: 1.5, none: ~}, expect: [true, "1"], match: subset, only: [arm64]}
  - {name: file, event_file: events/a.json, error: ValueError, code: example}
  - {name: any}
"""
    core, file, anything = spec_of(SMALL + text).tests
    assert json.loads(core.event.text) == {"n": 16, "yes": "no", "t": "1_0", "f": 1.5, "none": None}
    assert core.answer is not None
    assert json.loads(core.answer.text) == [True, "1"]
    assert (core.match, core.only) == ("subset", (ARM64,))
    assert (file.event.file, file.error, file.code, file.answer) == ("events/a.json", "ValueError", "example", None)
    assert (anything.event.text, anything.answer, anything.error) == ("{}", None, None)
