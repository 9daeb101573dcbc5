"""How findings and errors look on stderr and, in a workflow, in the changed files."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from typing import Final

from imagekit.cli import github
from imagekit.cli.console import CYAN, RED, YELLOW, Console
from imagekit.errors import FindingsError, ImagekitError
from imagekit.findings import Finding, Severity, in_order

_COLOURS: Final = {Severity.ERROR: RED, Severity.WARNING: YELLOW}


def show_findings(found: Iterable[Finding], console: Console, environment: Mapping[str, str]) -> None:
    """All findings in their order, each with its place, caret and hint."""
    for finding in in_order(found):
        console.say(str(finding), word=f"{finding.severity}[", colour=_COLOURS[finding.severity])
        if github.is_on(environment):
            console.say(github.annotation(finding, environment))


def show_error(error: ImagekitError, console: Console, environment: Mapping[str, str]) -> None:
    """What was found, then what happened, where, and what to do."""
    found = error.findings if isinstance(error, FindingsError) else ()
    show_findings(found, console, environment)
    message = _from_here(error.message)
    console.say(f"error: {message}", word="error:", colour=RED)
    if error.place:
        console.say(f"  at {error.place}")
    if error.hint:
        console.say(f"  hint: {_from_here(error.hint)}", word="hint:", colour=CYAN)
    if github.is_on(environment) and not found:
        console.say(github.command("error", message, place=error.place, environment=environment))


def _from_here(text: str) -> str:
    """The text with paths below the current folder as they are seen from there."""
    try:
        folder = os.getcwd()
    except OSError:
        return text
    return text if folder == "/" else re.sub(rf"(?<![\w./~-]){re.escape(folder)}/(?=\S)", "", text)
