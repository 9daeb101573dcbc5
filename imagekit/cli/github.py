"""GitHub Actions: findings as annotations, outputs and a summary of the job.

Source: GitHub's "Workflow commands for GitHub Actions". The runner reads commands from stderr, too: stdout stays data.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from typing import Final

from imagekit.errors import Missing
from imagekit.findings import Finding, Place

_PROPERTY: Final = {"%": "%25", "\r": "%0D", "\n": "%0A", ":": "%3A", ",": "%2C"}
_DATA: Final = {key: _PROPERTY[key] for key in "%\r\n"}


def is_on(environment: Mapping[str, str]) -> bool:
    """True inside a workflow."""
    return environment.get("GITHUB_ACTIONS") == "true"


def annotation(finding: Finding, environment: Mapping[str, str]) -> str:
    """A finding as the workflow command that shows it in the changed files."""
    text = f"{finding.message}\nhint: {finding.hint}" if finding.hint else finding.message
    return command(str(finding.severity), text, title=finding.code, place=finding.place, environment=environment)


def command(
    name: str, text: str, *, title: str = "", place: Place | None = None, environment: Mapping[str, str]
) -> str:
    """`::error file=…,line=…,col=…,title=…::text`; `name` is error, warning or notice."""
    properties = {
        "file": _in_workspace(place.file, environment) if place else "",
        "line": str(place.line) if place and place.line else "",
        "col": str(place.column) if place and place.line and place.column else "",
        "title": title,
    }
    given = ",".join(f"{key}={_escaped(value, _PROPERTY)}" for key, value in properties.items() if value)
    return f"::{name}{' ' if given else ''}{given}::{_escaped(text, _DATA)}"


def append_outputs(outputs: Mapping[str, str], environment: Mapping[str, str]) -> None:
    """Set outputs of the step; nothing outside a workflow."""
    _append("GITHUB_OUTPUT", "".join(_output(*item) for item in outputs.items()), environment)


def append_summary(markdown: str, environment: Mapping[str, str]) -> None:
    """Add to the summary of the job; nothing outside a workflow."""
    _append("GITHUB_STEP_SUMMARY", f"{markdown}\n", environment)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in GitHub's Markdown (GFM, section 4.10)."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines) + "\n"


def _output(name: str, value: str) -> str:
    """One output; the delimiter depends on the value, so the value cannot hold it and end itself early."""
    delimiter = f"end-{hashlib.sha256(value.encode('utf-8', 'surrogatepass')).hexdigest()}"
    return f"{name}<<{delimiter}\n{value}\n{delimiter}\n"


def _append(variable: str, text: str, environment: Mapping[str, str]) -> None:
    path = environment.get(variable, "")
    if not is_on(environment) or not path:
        return
    try:
        with open(path, "a", encoding="utf-8", errors="backslashreplace") as file:
            file.write(text)
    except OSError as error:
        raise Missing(f"{variable} names {path}, which cannot be written: {error.strerror}") from error


def _in_workspace(file: str, environment: Mapping[str, str]) -> str:
    """The file as annotations name it: relative to the checkout, when it lies in there."""
    workspace = environment.get("GITHUB_WORKSPACE", "")
    path = os.path.abspath(file)
    inside = bool(workspace) and path.startswith(workspace.rstrip("/") + "/")
    return os.path.relpath(path, workspace) if inside else file


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _escaped(text: str, table: Mapping[str, str]) -> str:
    return "".join(table.get(mark, mark) for mark in text)
