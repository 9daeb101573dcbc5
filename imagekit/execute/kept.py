"""What is kept of a run for a look afterwards: what was logged, what /tmp held, and where the root file system is."""

from __future__ import annotations

import os
from typing import Final

from imagekit.emulator.happenings import Happening, LogLine
from imagekit.emulator.ports import RootFilesystem, Sandbox
from imagekit.errors import BuildFailed

_LOG: Final = "log.txt"
_ROOT: Final = "root"
_TEMPORARY: Final = "tmp-1"


class Kept:
    """A folder for all runs of a command: each has one of its own there, `x86_64-1` and so on, made when it begins."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self._number = 0
        #: What could not be kept, in words for people.
        self.problems: list[str] = []

    def run_of(self, root: RootFilesystem) -> KeptRun:
        """A new run."""
        self._number += 1
        return KeptRun(f"{self.folder}/{root.architecture}-{self._number}", root, self.problems)


class KeptRun:
    """A Listener that keeps the log of a run, beside a link to the root file system that it sees."""

    def __init__(self, folder: str, root: RootFilesystem, problems: list[str]) -> None:
        self.folder = folder
        self._root = root
        self._problems = problems
        self._has_begun = self._is_broken = False

    def heard(self, happening: Happening) -> None:
        """Write a line of the log; a full disk ends that, and not the run."""
        if self._is_broken:
            return
        try:
            self._begin()
            if isinstance(happening, LogLine):
                with open(f"{self.folder}/{_LOG}", "a", encoding="utf-8", errors="replace") as file:
                    file.write(f"{happening.text}\n")
        except OSError as error:
            self._is_broken = True
            self._problems.append(f"the log was not kept whole: {error.strerror}")

    def keep(self, sandbox: Sandbox) -> None:
        """Keep what the /tmp of a sandbox without a function holds."""
        try:
            self._begin()
            os.mkdir(f"{self.folder}/{_TEMPORARY}", 0o700)
            if left_out := sandbox.keep(f"{self.folder}/{_TEMPORARY}"):
                self._problems.append(f"/tmp was kept without {left_out} of its files")
        except (BuildFailed, OSError) as error:
            self._problems.append(f"/tmp was not kept whole: {error}")

    def _begin(self) -> None:
        if not self._has_begun:
            self._has_begun = True
            os.mkdir(self.folder, 0o700)
            os.symlink(self._root.folder, f"{self.folder}/{_ROOT}")
