"""What changed in a git repository since a revision, the working tree's own changes among it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from typing import Final

from imagekit.errors import InvalidFile, Missing, UsageError
from imagekit.values import dataclass

#: Seconds that git gets; a look at a large repository with a cold cache takes some.
_LONGEST: Final = 300
_WHOLE: Final = "fetch the history: `git fetch --unshallow`, or `fetch-depth: 0` with actions/checkout"


@dataclass(frozen=True, kw_only=True, slots=True)
class Changes:
    """Paths, absolute and sorted, that a branch changed; `uncommitted` is how many of them are in no commit yet.

    `top` is the repository's folder.
    """

    top: str
    paths: tuple[str, ...]
    uncommitted: int


def changes_since(revision: str, folder: str, environment: Mapping[str, str]) -> Changes:
    """What this branch changed since it left `revision`.

    Raises UsageError for a revision that git does not know or that has nothing in common with this branch, InvalidFile
    outside a repository, Missing without git.
    """
    git = _Git(folder=folder, environment=environment)
    top = git.top()
    base = git.base(revision)
    tracked = git.names("diff", "--name-only", "-z", "--no-renames", "--no-ext-diff", base, "--", top=top)
    own = git.names("diff", "--name-only", "-z", "--no-renames", "--no-ext-diff", "HEAD", "--", top=top)
    new = git.names("ls-files", "--others", "--exclude-standard", "-z", top=top)
    return Changes(top=top, paths=tuple(sorted(tracked | own | new)), uncommitted=len(own | new))


@dataclass(frozen=True, kw_only=True, slots=True)
class _Git:
    folder: str
    environment: Mapping[str, str]

    def top(self) -> str:
        """The working tree's folder."""
        ran = self._run("rev-parse", "--show-toplevel", folder=self.folder)
        if ran.returncode:
            raise InvalidFile(
                f"{self.folder} is in no git repository that can be read: {_last_line(ran.stderr)}",
                hint="run it in a checkout, or leave --changed-since out",
            )
        return os.path.realpath(os.fsdecode(ran.stdout).removesuffix("\n"))

    def base(self, revision: str) -> str:
        """The commit at which this branch left the revision."""
        # A revision that begins with a dash would be an option.
        known = self._run("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
        if known.returncode:
            raise UsageError(
                f"--changed-since {revision}: git knows no such commit here",
                hint=_WHOLE if self._is_shallow() else "name a branch, a tag or a commit that `git log` shows",
            )
        common = self._run("merge-base", "HEAD", known.stdout.decode().strip())
        if common.returncode:
            raise UsageError(
                f"--changed-since {revision}: this branch and it have no commit in common here",
                hint=_WHOLE if self._is_shallow() else "name a revision that this branch began at",
            )
        return common.stdout.decode().split()[0]

    def names(self, *arguments: str, top: str) -> set[str]:
        """The paths that a command lists, ended by NUL each, as absolute ones."""
        ran = self._run(*arguments, folder=top)
        if ran.returncode:
            raise InvalidFile(
                f"git {arguments[0]} failed: {_last_line(ran.stderr)}", hint="mend the repository, and run it again"
            )
        return {os.path.join(top, os.fsdecode(name)) for name in ran.stdout.split(b"\0") if name}

    def _is_shallow(self) -> bool:
        return self._run("rev-parse", "--is-shallow-repository").stdout.strip() == b"true"

    def _run(self, *arguments: str, folder: str = "") -> subprocess.CompletedProcess[bytes]:
        try:
            return subprocess.run(
                ["git", *arguments],
                cwd=folder or self.folder,
                env={**self.environment, "LC_ALL": "C", "GIT_OPTIONAL_LOCKS": "0"},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=_LONGEST,
                check=False,
            )
        except FileNotFoundError as error:
            raise Missing("there is no `git` on this machine", hint="install it; --changed-since asks it") from error
        except subprocess.TimeoutExpired as error:
            raise Missing(f"git gave no answer within {_LONGEST} s", hint="see what `git status` waits for") from error


def _last_line(text: bytes) -> str:
    lines = text.decode("utf-8", "replace").strip().splitlines()
    return lines[-1] if lines else "it said nothing"
