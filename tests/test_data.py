"""imagekit's data folders: every file fits its schema, and every name in one leads to something in another."""

from __future__ import annotations

import json
import shutil
import subprocess
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from imagekit import base, data, datafile, language
from imagekit.architecture import ARCHITECTURES
from imagekit.oci.reference import Reference
from imagekit.spec import placeholders, syntax
from imagekit.spec.flatten import for_platform
from imagekit.spec.known import Known
from imagekit.spec.load import load

LANGUAGES = language.known()
SYSTEMS = base.known()
NAME = r"[a-z][a-z0-9-]*"


def schema_of(folder: Path) -> Draft202012Validator:
    document = json.loads((folder / "schema.json").read_text())
    Draft202012Validator.check_schema(document)
    return Draft202012Validator(document)


def problems(folder: Path, document: Any) -> list[str]:
    return [f"{error.json_path}: {error.message}" for error in schema_of(folder).iter_errors(document)]


@pytest.fixture(params=LANGUAGES)
def used(request: pytest.FixtureRequest) -> language.Language:
    """Each language."""
    return language.read(request.param)


@pytest.fixture(params=SYSTEMS)
def system(request: pytest.FixtureRequest) -> base.Base:
    """Each base operating system."""
    return base.read(request.param)


@pytest.mark.parametrize("name", LANGUAGES)
def test_every_language_fits_its_schema(name):
    assert problems(data.languages(), datafile.read(LANGUAGES[name])) == []


@pytest.mark.parametrize("name", SYSTEMS)
def test_every_system_fits_its_schema(name):
    assert problems(data.base_images(), datafile.read(SYSTEMS[name])) == []


@pytest.mark.parametrize(
    ("folder", "document", "words"),
    [
        (data.languages(), {"title": "X", "systems": ["al2023"], "bulid": "make"}, "'bulid' was unexpected"),
        (data.languages(), {"title": "X", "systems": ["al2023"], "build": "make"}, "is a dependency of 'build'"),
        (data.languages(), {"title": "X", "systems": []}, "[]"),
        (data.base_images(), {"title": "X"}, "is not valid under any of the given schemas"),
        (data.base_images(), {"title": "X", "directories": {"/x": "755"}}, "'755' does not match"),
    ],
)
def test_the_schemas_refuse_what_is_wrong(folder, document, words):
    assert any(words in problem for problem in problems(folder, document))


@pytest.mark.parametrize(("folder", "known"), [(data.languages(), LANGUAGES), (data.base_images(), SYSTEMS)])
def test_every_folder_is_one_of_them(folder, known):
    found = {path.name for path in folder.iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert found == set(known)


def test_a_language_s_systems_are_there(used):
    assert set(used.systems) <= set(SYSTEMS)


def test_a_language_s_texts_have_placeholders_that_are_known(used):
    for architecture in ARCHITECTURES:
        words = {
            "architecture": architecture.name,
            "oci_arch": architecture.oci,
            "rpm_arch": architecture.rpm,
            "version": "1.2.3",
            **used.words(architecture),
        }
        for text in (*used.environment.values(), *(tool.command for tool in used.toolchain)):
            assert placeholders.problems(text, words, None) == ()
        for tool in used.toolchain:
            assert placeholders.problems(tool.advice, words, None) == ()
        if used.bootstrap:
            assert syntax.local(placeholders.expand(used.bootstrap, words)) is None


def test_a_language_builds_one_program_for_each_platform(used):
    if used.bootstrap:
        assert "{architecture}" in used.bootstrap, "two platforms would overwrite each other"
        assert "IMAGEKIT_OUTPUT" in used.build


def test_a_language_s_commands_are_shell(used):
    shell = shutil.which("sh")
    assert shell
    for script in (used.build, *(tool.probe for tool in used.toolchain)):
        subprocess.run([shell, "-n", "-c", script], check=True)


def test_a_spec_with_what_a_language_cannot_guess_is_valid(used):
    known = Known(languages=language.Languages(LANGUAGES), systems=tuple(SYSTEMS))
    text = json.dumps(
        {
            "name": "x",
            "language": used.name,
            "os": used.systems[0],
            **({} if used.bootstrap or used.worker else {"bootstrap": {"path": "x"}}),
            **({"version": "1.2.3"} if used.archives else {}),
            **({} if used.handler else {"handler": "x"}),
        }
    )
    spec, findings = load("runtime.yaml", lambda _: text.encode(), known)
    assert findings == ()
    complete = used.complete(spec)
    assert complete.bootstrap is not None
    assert complete.handler
    assert complete.archives == used.archives
    for architecture in complete.architectures:
        for_platform(complete, architecture, used.words(architecture))  # raises for what has no form


def test_a_language_s_worker_is_there_and_is_started(used):
    if used.worker:
        assert all(path.is_file() for path in used.worker.files.values())
        started = [word for word in used.worker.command if word.startswith("/var/runtime/")]
        assert [word.removeprefix("/var/runtime/") for word in started if word[13:] in used.worker.files]


def test_a_system_s_reference_is_one(system):
    if system.reference:
        assert Reference.parse(system.reference).tag


def test_a_system_s_successor_is_there_and_has_time_left(system):
    lifecycle = datafile.read(SYSTEMS[system.name]).get("lifecycle", {})
    if successor := lifecycle.get("successor"):
        after = base.read(successor).end_of_life
        assert system.end_of_life is not None
        assert after is None or after > system.end_of_life
        assert f"`os: {successor}`" in system.advice
        finding = system.lifecycle_finding(date(9999, 1, 1), None)
        assert finding is not None
        assert finding.hint == system.advice


def test_a_system_s_directories_stand_below_each_other_and_its_symlinks_lead_to_them(system):
    layout = system.layout
    for path in layout.directories:
        parent = path.rpartition("/")[0]
        assert not parent or parent in layout.directories, path
        assert layout.resolved(path) == path, "a symlink and a directory at once"
    for path in layout.symlinks:
        assert layout.resolved(path).split("/")[0] in layout.directories


def test_a_system_s_files_stand_in_its_directories(system):
    layout = system.layout
    for path in layout.files:
        parent = path.rpartition("/")[0]
        assert not parent or parent in layout.directories, path
        assert path not in layout.directories
        assert layout.resolved(path) == path, "behind a symlink no target would meet it"
    assert "etc/passwd" in layout.files


def test_an_empty_system_starts_what_imagekit_puts_there(system):
    if system.system:
        assert system.entrypoint == ("/var/runtime/bootstrap",)
        assert system.environment["LAMBDA_TASK_ROOT"] == system.working_directory
        assert system.system.directories[system.working_directory] == 0o755
        assert system.system.directories["/tmp"] == 0o1777
