"""How an environment whose processes are gone is taken down: its /tmp kept where that is wished, its sandbox closed."""

from __future__ import annotations

import os
from collections.abc import Callable

from imagekit.emulator.chronicle import Chronicle
from imagekit.emulator.keeper import Keeper
from imagekit.emulator.ports import Sandbox
from imagekit.errors import BuildFailed, ImagekitError


class Removal:
    """Of one environment; `gone` comes at its end. What goes wrong is told in the environment's log."""

    def __init__(self, number: int, keeper: Keeper, chronicle: Chronicle, gone: Callable[[], None]) -> None:
        self._number = number
        self._keeper = keeper
        self._chronicle = chronicle
        self._gone = gone

    def keep(self, sandbox: Sandbox, folder: str) -> None:
        """Copy what /tmp holds into a new folder in this one, before `begin`."""
        target = f"{folder}/tmp-{self._number}"

        def work() -> int:
            try:
                os.mkdir(target, 0o700)
            except OSError as error:
                raise BuildFailed(f"{target}: {error.strerror}") from error
            return sandbox.keep(target)

        def told(result: int | ImagekitError) -> None:
            if result:
                what = result.message if isinstance(result, ImagekitError) else f"without {result} of its files"
                self._chronicle.line("platform", f"/tmp of environment {self._number} was not kept whole: {what}")

        self._keeper.ask(work, told)

    def begin(self) -> None:
        """Close the sandbox, if there is one."""
        self._keeper.close(self._taken_down)

    def _taken_down(self, error: ImagekitError | None) -> None:
        if error is not None:
            self._chronicle.line("platform", f"environment {self._number} was not taken down: {error.message}")
        self._gone()
