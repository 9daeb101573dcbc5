"""How much memory an environment used: asked for in its keeper's thread, and not more often than of use."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from imagekit.emulator.keeper import Keeper
from imagekit.emulator.loop import Loop, Timer
from imagekit.emulator.ports import Sandbox

#: Seconds for which a sample is fresh enough for a report, and between samples of an event that takes long.
_FRESH: Final = 0.02
_EVERY: Final = 0.25


class Memory:
    """The peak so far."""

    def __init__(self, loop: Loop, keeper: Keeper, sandbox: Sandbox, heard: Callable[[int], None]) -> None:
        self._loop = loop
        self._keeper = keeper
        self._sandbox = sandbox
        self._heard = heard
        self._at = float("-inf")
        self._timer: Timer | None = None
        #: Bytes.
        self.peak = 0

    def measure(self, then: Callable[[], None]) -> None:
        """Look, unless it was looked just now; then call."""
        if self._loop.now() - self._at < _FRESH:
            then()
            return

        def take(found: object) -> None:
            if isinstance(found, int):
                self._at = self._loop.now()
                self.peak = max(self.peak, found)
                self._heard(self.peak)
            then()

        self._keeper.ask(self._sandbox.peak_memory, take)

    def watch(self) -> None:
        """Look again and again, until `rest`."""
        if self._timer is None:
            self._timer = self._loop.after(_EVERY, self._again)

    def rest(self) -> None:
        """Look no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _again(self) -> None:
        self._timer = None
        self.measure(lambda: None)
        self.watch()
