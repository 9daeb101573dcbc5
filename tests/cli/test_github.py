"""Workflow commands, outputs and summaries of GitHub Actions."""

import pytest

from imagekit.cli import github
from imagekit.errors import Missing
from imagekit.findings import Finding, Place, Severity

ON = {"GITHUB_ACTIONS": "true"}


def test_an_annotation_escapes_what_would_end_it():
    place = Place(file="a,b:c%.yaml", line=3, column=7)
    found = Finding(code="IK0101", message="100%: a,\nb", severity=Severity.WARNING, place=place, hint="see\r\n::x")
    assert github.annotation(found, ON) == (
        "::warning file=a%2Cb%3Ac%25.yaml,line=3,col=7,title=IK0101::100%25: a,%0Ab%0Ahint: see%0D%0A::x"
    )


def test_an_annotation_without_a_place_is_one_of_the_job():
    assert github.command("error", "no", environment=ON) == "::error::no"


def test_files_are_named_from_the_checkout_on(tmp_path, monkeypatch):
    folder = tmp_path / "checkout" / "services"
    folder.mkdir(parents=True)
    monkeypatch.chdir(folder)
    environment = {**ON, "GITHUB_WORKSPACE": str(tmp_path / "checkout")}

    def shown(file):
        return github.command("error", "x", place=Place(file=file), environment=environment)

    assert shown("runtime.yaml") == "::error file=services/runtime.yaml::x"
    assert shown(str(folder / "a.yaml")) == "::error file=services/a.yaml::x"
    assert shown("/elsewhere/a.yaml") == "::error file=/elsewhere/a.yaml::x"


def test_outputs_are_appended_and_no_value_ends_itself(tmp_path):
    file = tmp_path / "output"
    file.write_text("before=1\n")
    github.append_outputs({"digest": "sha256:1", "images": "a\nEOF\nb"}, {**ON, "GITHUB_OUTPUT": str(file)})
    lines = file.read_text().splitlines()
    assert lines[0] == "before=1"
    name, _, delimiter = lines[1].partition("<<")
    assert (name, lines[2], lines[3]) == ("digest", "sha256:1", delimiter)
    name, _, delimiter = lines[4].partition("<<")
    assert (name, lines[5:8], lines[8:]) == ("images", ["a", "EOF", "b"], [delimiter])


def test_a_summary_holds_a_table(tmp_path):
    file = tmp_path / "summary"
    table = github.table(("platform", "size"), [("linux/arm64", "1 | 2"), ("a\nb", "3")])
    github.append_summary(table, {**ON, "GITHUB_STEP_SUMMARY": str(file)})
    assert file.read_text() == "| platform | size |\n| --- | --- |\n| linux/arm64 | 1 \\| 2 |\n| a b | 3 |\n\n"


def test_outside_a_workflow_nothing_is_written(tmp_path):
    github.append_outputs({"a": "b"}, {"GITHUB_OUTPUT": str(tmp_path / "output")})
    github.append_outputs({"a": "b"}, ON)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_cannot_be_written_is_named(tmp_path):
    with pytest.raises(Missing, match=r"GITHUB_OUTPUT names .*, which cannot be written"):
        github.append_outputs({"a": "b"}, {**ON, "GITHUB_OUTPUT": str(tmp_path / "no" / "output")})
