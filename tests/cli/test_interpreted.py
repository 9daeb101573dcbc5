"""Functions in interpreted languages: what starts them, their code, and what a manifest beside the code brings."""

from __future__ import annotations

import json
import os
from datetime import date
from pathlib import Path

import pytest

from imagekit import client, data
from imagekit.architecture import ARCHITECTURES
from imagekit.gather import dependencies
from imagekit.project import Project
from tests.support.bases import Node, StandIn
from tests.support.bench import Bench, Picture, put

PERL = {"language": "perl", "bootstrap": None, "handler": "app.handler"}
PHP = {"language": "php", "bootstrap": None, "handler": "app.handler"}
CLIENT = "var/runtime/bootstrap"
CONFIGURATION = "var/runtime/bootstrap.conf"


def layer_with(image: Picture, name: str) -> int:
    """Which layer of an image holds a path; there is one."""
    (found,) = (number for number in range(len(image.manifest["layers"])) if name in image.layer(number))
    return found


def files_below(image: Picture, folder: str) -> list[str]:
    """The files of all layers below a folder."""
    layers = (image.layer(number) for number in range(len(image.manifest["layers"])))
    return sorted(name for layer in layers for name, member in layer.items() if member.isfile() and folder in name)


def configuration(image: Picture) -> list[str]:
    return image.read(layer_with(image, CONFIGURATION), CONFIGURATION).decode().splitlines()


def composer(bench: Bench, script: str) -> None:
    """A `composer` on PATH that notes each call in `calls`, beside the project."""
    tools = bench.folder.parent / "tools"
    tools.mkdir(exist_ok=True)
    command = tools / "composer"
    noted = f'echo "$IMAGEKIT_ARCHITECTURE $1" >>{bench.folder.parent}/calls'
    command.write_text(f"#!/bin/sh\nset -eu\n{noted}\n{script}\n")
    command.chmod(0o755)
    bench.patch.setenv("PATH", f"{tools}{os.pathsep}{os.environ['PATH']}")


def calls(bench: Bench) -> list[str]:
    """What `composer` was called with so far; forgotten by this."""
    file = bench.folder.parent / "calls"
    found = file.read_text().splitlines() if file.exists() else []
    file.unlink(missing_ok=True)
    return found


def test_an_interpreted_function_is_its_folder_behind_the_runtime_client(bench):
    bench.spec(**PERL)
    bench.write("app.pl", "sub handler { $_[0] }")
    bench.write("lib/Own.pm", "1;")
    for name, image in bench.pushed().items():
        (architecture,) = (one for one in ARCHITECTURES if one.name == name)
        number = layer_with(image, CLIENT)
        assert image.read(number, CLIENT) == client.program(architecture)
        assert image.layer(number)[CLIENT].mode == 0o755
        worker = "var/runtime/worker.pl"
        assert image.read(number, worker) == (data.languages() / "perl" / "worker.pl").read_bytes()
        assert image.layer(number)[worker].mode == 0o644
        assert files_below(image, "var/task") == ["var/task/app.pl", "var/task/lib/Own.pm"]
        assert layer_with(image, "var/task/app.pl") == number + 1
        assert configuration(image) == [
            "mode=worker",
            "argument=/usr/bin/perl",
            "argument=/var/runtime/worker.pl",
            "channel=pipes",
            "variable=PERL_BADLANG=0",
        ]
        assert image.config["config"]["Cmd"] == ["app.handler"]


def test_the_code_is_the_folder_of_the_spec_also_below_a_wider_root(bench):
    bench.write("functions/one/app.pl", "1;")
    bench.write("shared/Common.pm", "1;")
    files = [{"source": "shared", "target": "/opt/shared"}]
    bench.spec("functions/one/runtime.yaml", **PERL, root="../..")
    assert files_below(bench.pushed("functions/one")["arm64"], "var/task") == ["var/task/app.pl"]
    bench.spec("functions/one/runtime.yaml", **PERL, root="../..", files=files)
    assert files_below(bench.pushed("functions/one")["arm64"], "var/task") == []


def test_a_runtime_has_the_client_and_no_code(bench):
    bench.spec(**{**PERL, "handler": None}, kind="runtime")
    bench.write("app.pl", "1;")
    image = bench.pushed()["x86_64"]
    assert files_below(image, "var/task") == []
    assert layer_with(image, CLIENT)
    assert image.config["config"]["Cmd"] == ["bootstrap"]


@pytest.mark.parametrize(
    ("bootstrap", "lines"),
    [
        ({"per_event": ["/bin/cat", "-u"]}, ["mode=per_event", "argument=/bin/cat", "argument=-u"]),
        ({"command": ["/opt/{architecture}/ric"]}, ["mode=command", "argument=/opt/arm64/ric"]),
        (
            {"worker": ["/var/task/app"], "channel": "socket", "max_workers": 2},
            ["mode=worker", "argument=/var/task/app", "channel=socket", "max_workers=2"],
        ),
        (
            {"worker": ["/var/task/app"], "shutdown": "graceful", "deadline_margin": 500},
            ["mode=worker", "argument=/var/task/app", "deadline_margin=500", "shutdown=graceful"],
        ),
    ],
)
def test_any_command_of_the_image_can_stand_behind_the_client(bench, bootstrap, lines):
    bench.spec(bootstrap=bootstrap)
    image = bench.pushed()["arm64"]
    assert configuration(image) == lines
    assert files_below(image, "var/runtime") == [CLIENT, CONFIGURATION]


def test_settings_alone_keep_the_language_s_own_worker(bench):
    bench.spec(**{**PERL, "bootstrap": {"shutdown": "graceful"}})
    lines = configuration(bench.pushed()["x86_64"])
    assert "argument=/var/runtime/worker.pl" in lines
    assert "shutdown=graceful" in lines


def test_another_interpreter_can_start_the_language_s_worker(bench):
    bench.spec(**{**PERL, "bootstrap": {"worker": ["/opt/perl/bin/perl", "/var/runtime/worker.pl"]}})
    image = bench.pushed()["x86_64"]
    assert configuration(image)[1] == "argument=/opt/perl/bin/perl"
    assert "var/runtime/worker.pl" in files_below(image, "var/runtime")


def test_the_language_s_worker_is_talked_to_as_it_wants_whoever_starts_it(bench):
    node = {"language": "nodejs", "handler": "index.handler", "archives": []}
    bench.spec(**node, bootstrap={"worker": ["/usr/bin/node", "/var/runtime/worker.cjs"]})
    lines = configuration(bench.pushed()["x86_64"])
    assert lines[1:3] == ["argument=/usr/bin/node", "argument=/var/runtime/worker.cjs"]
    assert {"channel=socket", "variable=NODE_PATH=/opt/nodejs/node_modules"} <= set(lines)
    bench.spec(**node, bootstrap={"worker": ["/usr/bin/node", "/var/task/own.js"]})
    assert configuration(bench.pushed()["x86_64"]) == [
        "mode=worker",
        "argument=/usr/bin/node",
        "argument=/var/task/own.js",
    ]


def test_client_and_worker_stand_in_the_lock_and_make_it_stale(bench):
    bench.spec(**PERL)
    bench.run("lock").ok()
    generated = bench.locked["making"]["generated"]
    assert set(generated) == {"runtime client for x86_64", "runtime client for arm64", "worker.pl"}
    text = bench.lock.read_text().replace(generated["worker.pl"], f"sha256:{'0' * 64}")
    bench.lock.write_text(text)
    outcome = bench.run("build", "--locked")
    assert outcome.code == 1
    assert "another version of the worker.pl" in outcome.err


def test_a_program_of_the_spec_s_own_leaves_the_client_out_of_the_lock(bench):
    bench.spec()
    bench.run("lock").ok()
    assert "generated" not in bench.locked["making"]


def test_a_command_that_is_too_long_for_the_client_is_refused(bench):
    bench.spec(bootstrap={"per_event": ["/bin/echo", *["x" * 4000] * 17]})
    outcome = bench.run("build")
    assert outcome.code == 2
    assert "bootstrap.conf of 68,2" in outcome.err
    assert "runtime.yaml:5:15" in outcome.err


def test_a_manifest_beside_the_code_brings_its_dependencies(bench):
    composer(bench, 'mkdir -p vendor; cp composer.lock "vendor/$IMAGEKIT_ARCHITECTURE.lock"')
    bench.spec(**PHP)
    bench.write("app.php")
    bench.write("composer.lock", "{}")
    bench.write("composer.json", "{}")
    bench.write("vendor/for-developers.php")
    for name, image in bench.pushed().items():
        assert files_below(image, "vendor") == [f"var/task/vendor/{name}.lock"]
        third_party = layer_with(image, f"var/task/vendor/{name}.lock")
        assert third_party < layer_with(image, CLIENT) < layer_with(image, "var/task/app.php")
    assert {line.split()[0] for line in calls(bench)} == {"x86_64", "arm64"}
    assert not (bench.folder / "vendor" / "arm64.lock").exists(), "the source tree is not written to"


def test_what_installs_is_told_a_folder_that_is_the_same_wherever_it_runs(bench):
    """It runs in a folder of its own: a path relative to the spec would lead elsewhere."""
    composer(bench, 'mkdir -p vendor; [ "$IMAGEKIT_OUTPUT" = "$(pwd -P)/vendor" ]; echo $1 >"$IMAGEKIT_OUTPUT/$1.txt"')
    bench.write("composer.lock", "{}")
    bench.spec(**PHP)
    image = bench.pushed("--platform", "arm64")["arm64"]
    assert "var/task/vendor/install.txt" in files_below(image, "var/task")


def test_dependencies_are_installed_again_only_when_what_names_them_changed(bench):
    composer(bench, "mkdir -p vendor; echo made >vendor/made")
    bench.spec(**PHP)
    bench.write("composer.lock", "{}")
    bench.run("build").ok()
    assert calls(bench)
    bench.write("app.php", "<?php")
    bench.run("build").ok()
    assert calls(bench) == []
    bench.write("composer.lock", '{"packages": []}')
    bench.run("build").ok()
    assert calls(bench)


def test_what_installs_dependencies_is_not_asked_for_where_they_are_installed(bench, tmp_path):
    composer(bench, "mkdir -p vendor; echo made >vendor/made")
    bench.spec(**PHP)
    bench.write("composer.lock", "{}")
    first = bench.run("build").ok().out
    bench.patch.setenv("PATH", str(tmp_path / "nothing"))
    assert bench.run("build").ok().out == first
    (made,) = (bench.folder / ".imagekit").glob("dependencies/*/arm64/vendor/made")
    made.write_text("changed")
    outcome = bench.run("build")
    assert (outcome.code, outcome.error[0]) == (
        5,
        "error: there is no `composer` on this machine: PHP needs it to build for arm64",
    )
    bench.write("composer.lock", '{"packages": []}')
    assert bench.run("build").error[0].endswith("PHP needs it to build for x86_64")


def test_dependencies_that_somebody_changed_are_installed_anew(bench):
    composer(bench, "mkdir -p vendor; echo made >vendor/made")
    bench.spec(**PHP)
    bench.write("composer.lock", "{}")
    bench.run("build").ok()
    calls(bench)
    (made,) = (bench.folder / ".imagekit").glob("dependencies/*/arm64/vendor/made")
    made.write_text("changed")
    assert "changed" not in bench.pushed()["arm64"].read(-3, "var/task/vendor/made").decode()
    assert {line.split()[0] for line in calls(bench)} == {"arm64"}


def test_a_build_of_the_spec_s_own_installs_nothing_else(bench):
    composer(bench, "exit 1")
    bench.write("composer.lock", "{}")
    bench.write("vendor/kept.php")
    bench.spec(**PHP, build=[])
    assert files_below(bench.pushed()["arm64"], "vendor") == ["var/task/vendor/kept.php"]


def test_a_plan_says_that_dependencies_are_yet_to_be_installed_and_runs_nothing(bench):
    composer(bench, "exit 1")
    bench.spec(**PHP)
    bench.write("composer.lock", "{}")
    outcome = bench.run("plan").ok()
    assert "composer.lock → /var/task/vendor  built at build time" in outcome.out
    assert calls(bench) == []


def test_an_installation_that_fails_shows_its_output_and_leaves_no_image(bench):
    composer(bench, "echo your lock file is out of date >&2; exit 2")
    bench.spec(**PHP)
    bench.write("composer.lock", "{}")
    outcome = bench.run("build")
    assert outcome.code == 3
    assert "x86_64 dependencies: the step" in outcome.err
    assert "your lock file is out of date" in outcome.err
    assert not (bench.folder / ".imagekit" / "app").exists()


def test_what_installs_dependencies_is_missed_before_anything_runs(bench, tmp_path):
    bench.patch.setenv("PATH", str(tmp_path))
    bench.spec(**PHP)
    bench.write("composer.lock", "{}")
    outcome = bench.run("build")
    assert outcome.code == 5
    assert "there is no `composer` on this machine: PHP needs it to build for x86_64" in outcome.err


def test_a_language_that_comes_in_an_archive_needs_a_version(bench):
    bench.spec(language="nodejs", handler="index.handler", bootstrap=None)
    outcome = bench.run("validate")
    assert outcome.code == 2
    assert "error[IK0102]: `version` is missing: Node.js comes from an archive that is named by it" in outcome.err
    bench.spec(language="nodejs", handler="index.handler", bootstrap=None, archives=[])
    bench.run("validate").ok()
    bench.spec(language="nodejs", handler="a.b", bootstrap=None, files=[{"source": ".", "target": "/var/lang"}])
    bench.run("validate").ok()


def test_a_language_s_archive_is_locked_for_each_platform(bench, tmp_path):
    from tests.support.bases import Node, layer

    tar = layer({"node-v19/bin/node": Node(b"#!/bin/sh\n", mode=0o755)})
    for name in ("x64", "arm64"):
        bench.registry.files[f"/dist/v19.9.0/node-v19.9.0-linux-{name}.tar.xz"] = tar
    bench.patch.setenv("IMAGEKIT_MIRROR", f"{os.environ['IMAGEKIT_MIRROR']},nodejs.org={bench.registry.host}")
    bench.spec(language="nodejs", version="19.9.0", handler="index.handler", bootstrap=None)
    bench.write("index.mjs")
    image = bench.pushed()["arm64"]
    assert image.read(layer_with(image, "var/lang/bin/node"), "var/lang/bin/node") == b"#!/bin/sh\n"
    (url,) = json.loads(Path(bench.lock).read_text())["platforms"]["arm64"]["archives"]
    assert url == "https://nodejs.org/dist/v19.9.0/node-v19.9.0-linux-arm64.tar.xz"


def test_packages_that_nothing_names_exactly_are_warned_of(bench):
    bench.spec(**PHP)
    bench.write("app.php", "<?php function handler($event) { return $event; }")
    bench.write("composer.json", '{"require": {"php": ">=8.1", "psr/log": "^3.0"}}')
    outcome = bench.run("build").ok()
    assert "warning[IK0301]: composer.json asks for packages, and there is no composer.lock" in outcome.err
    assert "composer update --no-install" in outcome.err
    assert "IK0301" in bench.run("build", "--strict").err
    bench.write("vendor/autoload.php", "<?php")
    assert "IK0301" not in bench.run("build").ok().err


@pytest.mark.parametrize(
    ("name", "file", "asks", "does_not"),
    [
        (
            "nodejs",
            "package.json",
            '{"dependencies" : {\n "a": "1"}}',
            '{"dependencies": { }, "devDependencies": {"b": "2"}}',
        ),
        ("bun", "package.json", '{"optionalDependencies": {"a": "1"}}', '{"name": "dependencies"}'),
        ("php", "composer.json", '{"require": {"php": "8", "a/b": "1"}}', '{"require": {"php": "8"}, "name": "a/b"}'),
        ("ruby", "Gemfile", "source 'x'\n  gem 'rack'\n", "source 'https://rubygems.org'\n# gem 'rack'\n"),
        (
            "python",
            "pyproject.toml",
            '[project]\ndependencies = [\n  "requests",\n]\n',
            "[project]\ndependencies = []\n",
        ),
        ("deno", "deno.json", '{"imports": {"a": "npm:a@1"}}', '{"imports": {"a": "./a.js"}}'),
    ],
)
def test_a_warning_needs_packages_and_no_lock(tmp_path, name, file, asks, does_not):
    (tmp_path / "runtime.yaml").write_text(f"name: x\nlanguage: {name}\nos: al2023\nversion: 1.2.3\nhandler: a.b\n")
    project = Project.load(str(tmp_path / "runtime.yaml"), lambda path: Path(path).read_bytes(), today=date(2026, 1, 1))

    def codes() -> list[str]:
        return [finding.code for finding in dependencies.unlocked(project.platforms, project.language)]

    assert codes() == []
    (tmp_path / file).write_text(asks)
    assert codes() == ["IK0301"]
    (tmp_path / file).write_text(does_not)
    assert codes() == []
    (tmp_path / file).write_text(asks)
    (tmp_path / project.language.dependencies[0].manifest).write_text("")
    assert codes() == []


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ({}, True),
        ({"kind": "runtime"}, False),
        ({"bootstrap": {"worker": ["/usr/bin/python3.11", "/var/runtime/worker.py"]}}, False),
        ({"bootstrap": {"worker": ["/opt/python/bin/python3", "/var/runtime/worker.py"]}}, True),
        ({"bootstrap": {"per_event": ["/var/task/app"]}}, False),
        ({"archives": [{"source": "python.tar.gz", "target": "/var/lang"}]}, False),
        ({"archives": [{"source": "python.tar.gz", "target": "/"}]}, False),
        ({"archives": [{"source": "python.tar.gz", "target": "/var/language"}]}, True),
        ({"files": [{"source": "python3", "target": "/var/lang/bin/python3"}]}, False),
        ({"base": "registry.example.com/python:3.13"}, False),
        ({"packages": ["python3.13"]}, False),
        ({"language": "custom", "os": "scratch", "bootstrap": {"per_event": ["/bin/jq"]}}, True),
    ],
)
def test_a_command_that_nothing_brings_is_warned_of(bench, spec, told):
    """Where it is certain: what a base or a package has is not known here."""
    bench.spec(**{"language": "python", "os": "al2023", "bootstrap": None, "handler": "app.handler", **spec})
    outcome = bench.run("validate").ok()
    assert ("warning[IK0207]" in outcome.err) is told


def test_what_starts_comes_out_of_another_image(bench):
    there = {
        "opt/bref/a.php": Node(b"<?php"),
        "opt/bin/php": Node(b"\x7fELF", 0o755),
        "opt/bootstrap": Node(b"#!/bin/sh"),
    }
    there["var/runtime/bootstrap"] = Node(b"#!/bin/sh\n# Bref's loop\n", 0o644)
    image = StandIn.make(also={"amd64": there, "arm64": {**there, "opt/arm": Node(b"1")}}, on_build=False)
    put(bench.registry, image, "bref/php", "3")
    name = f"{bench.registry.host}/bref/php:3"
    bench.write("index.php", "<?php")
    bench.spec(
        language="php", handler="index.php", bootstrap={"image": name, "paths": ["/opt", "/var/runtime/bootstrap"]}
    )
    for architecture, picture in bench.pushed().items():
        layer = layer_with(picture, CLIENT)
        assert picture.read(layer, CLIENT) == there[CLIENT].data
        assert picture.layer(layer)[CLIENT].mode == 0o755
        arm = ["opt/arm"] if architecture == "arm64" else []
        assert files_below(picture, "opt/") == [*arm, "opt/bin/php", "opt/bootstrap", "opt/bref/a.php"]
        assert files_below(picture, "var/task") == ["var/task/index.php"]
        assert not files_below(picture, "bootstrap.conf")
    assert bench.locked["platforms"]["arm64"]["images"][name]

    bench.spec(
        language="php", handler="index.php", bootstrap={"image": name, "paths": ["/var/runtime/bootstrap", "/opt/no"]}
    )
    assert bench.run("build").error == [
        f"error: {name} has no '/opt/no'",
        "  at runtime.yaml:5:15",
        "  hint: `imagekit inspect` lists what an image holds",
    ]
