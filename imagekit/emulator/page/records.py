"""Happenings as the page's script reads them."""

from __future__ import annotations

from typing import Any, Final

from imagekit.emulator.happenings import (
    EnvironmentEnded,
    EnvironmentOpened,
    EnvironmentReady,
    EnvironmentReset,
    EnvironmentStarted,
    Happening,
    InvocationBegun,
    InvocationEnded,
    LogLine,
    MemorySample,
)
from imagekit.emulator.invocation import Report

#: Characters of a line that the page shows; CloudWatch, and the terminal, have all of it.
LARGEST_LINE: Final = 16 << 10


def record(happening: Happening) -> dict[str, Any]:
    """One happening: `kind`, `environment`, `at` in seconds since 1970, and what is its own."""
    return {"environment": happening.environment, "at": round(happening.at, 3), **_own(happening)}


def _own(happening: Happening) -> dict[str, Any]:
    match happening:
        case LogLine(source=source, request_id=id):
            return {"kind": "log", "source": source, "id": id, **_text(happening.text)}
        case InvocationBegun(request_id=id, size=size):
            return {"kind": "begun", "id": id, "size": size}
        case InvocationEnded(request_id=id, size=size, report=report):
            return {"kind": "done", "id": id, "size": size, **_figures(report)}
        case MemorySample(peak=peak):
            return {"kind": "memory", "peak": peak}
        case _:
            return _of_environment(happening)


def _of_environment(
    happening: EnvironmentStarted | EnvironmentOpened | EnvironmentReady | EnvironmentReset | EnvironmentEnded,
) -> dict[str, Any]:
    match happening:
        case EnvironmentStarted():
            return {"kind": "started"}
        case EnvironmentOpened(runner=runner, keeps_memory=text):
            return {"kind": "opened", "runner": runner, "text": text}
        case EnvironmentReady(init=init, error=error):
            return {"kind": "ready", "init": round(init, 2), "error": error}
        case EnvironmentReset(reason=reason):
            return {"kind": "reset", "reason": reason}
        case EnvironmentEnded():
            return {"kind": "ended"}


def _text(text: str) -> dict[str, Any]:
    return {"text": text[:LARGEST_LINE], "cut": max(len(text) - LARGEST_LINE, 0)}


def _figures(report: Report) -> dict[str, Any]:
    return {
        "duration": round(report.duration, 2),
        "billed": report.billed,
        "init": None if report.init_duration is None else round(report.init_duration, 2),
        "memory": report.memory_used,
        "status": report.status,
        "error": report.error_type,
    }
