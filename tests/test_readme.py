"""The README is true: its spec is valid, its commands exist, its exit codes are those of the errors."""

import re
from datetime import date
from pathlib import Path

import pytest

from imagekit import errors
from imagekit.cli.commands import COMMANDS, GROUPS
from imagekit.project import Project
from imagekit.spec import schema

ROOT = Path(__file__).resolve().parent.parent
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
SPECS = [text for text in re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL) if re.search(r"^os: ", text, re.MULTILINE)]


@pytest.mark.parametrize("text", SPECS, ids=["first", "interpreted", "all keys"])
def test_the_specs_are_valid(text, tmp_path):
    files = {"runtime.yaml": text.encode(), "../common.yaml": b"labels: {corp: example}\n"}
    spec = tmp_path / "a" / "b" / "c" / "runtime.yaml"
    known = {str(spec): files["runtime.yaml"], str(spec.parent.parent / "common.yaml"): files["../common.yaml"]}
    project = Project.load(str(spec), known.__getitem__, today=date(2026, 1, 1))
    assert project.warnings == ()


def test_one_spec_shows_every_key():
    (everything,) = (text for text in SPECS if text.startswith("extends"))
    shown = set(re.findall(r"^([a-z_]+):", everything, re.MULTILINE))
    assert shown == set(schema.document((), ())["properties"])


def test_every_command_is_listed_in_its_group():
    listed = {
        match[1]: re.findall(r"`([a-z]+)`", match[2])
        for match in re.finditer(r"^\| ([a-z]+) \| ((?:`[a-z]+` ?)+)\|$", TEXT, re.MULTILINE)
    }
    assert listed == {
        group: [entry.name for entry in COMMANDS.values() if entry.group == group]
        for group in GROUPS
        if any(entry.group == group for entry in COMMANDS.values())
    }


def test_the_exit_codes_are_those_of_the_errors():
    listed = {int(code) for code in re.findall(r"^\| (\d+) \|", TEXT, re.MULTILINE)}
    classes = [
        item for item in vars(errors).values() if isinstance(item, type) and issubclass(item, errors.ImagekitError)
    ]
    assert listed == {0, *(item.exit_code for item in classes)}


def test_every_file_that_is_named_is_there():
    for name in re.findall(r"\]\(([A-Za-z./_-]+)\)", TEXT):
        assert (ROOT / name).exists(), name
