"""What is said of a program that a sandbox does not start."""

from __future__ import annotations

from imagekit.emulator.ports import Start
from imagekit.errors import BuildFailed


def cannot_start(what: Start, why: str) -> BuildFailed:
    """The error for a process that cannot be started."""
    command = what.command[0] if what.command else ""
    return BuildFailed(
        f"{command} cannot be started: {why}",
        hint="it must be there, executable by everybody, made for this architecture, and what interprets it too",
    )
