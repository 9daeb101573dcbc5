"""Programs as a user runs them: imagekit in a process of its own, and the tools that read what it made."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

#: The checkout, for interpreters that imagekit is not installed for.
CHECKOUT = Path(__file__).resolve().parents[2]
IMAGEKIT = (sys.executable, "-m", "imagekit")


@dataclass(frozen=True)
class Ran:
    """How a program ended and what it said."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()

    @property
    def digest(self) -> str:
        """The digest in the first line: the index, or the only manifest."""
        return self.lines[0].rpartition("@")[2]


def run(
    *command: str | os.PathLike[str],
    folder: str | os.PathLike[str] | None = None,
    settings: Mapping[str, str] | None = None,
    seconds: float = 300,
) -> Ran:
    """Run a program to its end; `settings` go over this process's environment."""
    done = subprocess.run(
        [os.fspath(word) for word in command],
        cwd=folder,
        env={**os.environ, **(settings or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    return Ran(done.returncode, done.stdout, done.stderr)


def good(
    *command: str | os.PathLike[str],
    folder: str | os.PathLike[str] | None = None,
    settings: Mapping[str, str] | None = None,
    seconds: float = 300,
) -> Ran:
    """Run a program that has to succeed."""
    ran = run(*command, folder=folder, settings=settings, seconds=seconds)
    assert ran.code == 0, f"{command[0]} ended with {ran.code}\n{ran.out[-3000:]}\n{ran.err[-6000:]}"
    return ran


def imagekit(
    *arguments: str,
    folder: str | os.PathLike[str],
    settings: Mapping[str, str] | None = None,
    before: Sequence[str] = (),
) -> Ran:
    """Run imagekit in a folder; `before` is a command that runs it, such as `taskset -c 0`."""
    return run(*before, *IMAGEKIT, *arguments, folder=folder, settings=settings)


def imagekit_well(
    *arguments: str,
    folder: str | os.PathLike[str],
    settings: Mapping[str, str] | None = None,
    before: Sequence[str] = (),
) -> Ran:
    """Run imagekit, which has to succeed."""
    return good(*before, *IMAGEKIT, *arguments, folder=folder, settings=settings)
