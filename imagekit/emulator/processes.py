"""The processes of one run of a function: started in the sandbox, watched, and ended."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from imagekit.emulator.keeper import Keeper, watch
from imagekit.emulator.loop import Loop
from imagekit.emulator.ports import Process, Start
from imagekit.errors import ImagekitError

#: A process that was killed and does not end is given up: its runner is to blame.
_PATIENCE: Final = 5.0
#: What a process sent in its last moment is read before its end is acted on.
_LAST_WORDS: Final = 0.02
_SIGNALS: Final = {
    4: "illegal instruction",
    6: "aborted",
    7: "bus error",
    8: "floating point exception",
    9: "killed",
    11: "segmentation fault",
    13: "broken pipe",
    15: "terminated",
}


class Processes:
    """Processes by name."""

    def __init__(self, loop: Loop, keeper: Keeper, ended: Callable[[str, int], None]) -> None:
        self._loop = loop
        self._keeper = keeper
        self._ended = ended
        self._running: dict[str, Process] = {}
        self._starting: set[str] = set()
        self._killed: set[str] = set()
        self._gone: Callable[[], None] | None = None

    def start(self, name: str, what: Start, output: int, refused: Callable[[ImagekitError], None]) -> None:
        """Start one; `refused` is called when that fails."""
        self._starting.add(name)
        self._keeper.start(what, output, lambda result: self._started(name, result, refused))

    def runs(self, name: str) -> bool:
        """Whether it is running, or about to."""
        return name in self._running or name in self._starting

    def terminate(self, name: str) -> None:
        """SIGTERM."""
        if name in self._running:
            self._running[name].terminate()

    def kill(self, name: str) -> None:
        """SIGKILL, for it and all that it started; also when it is only about to run."""
        self._killed.add(name)
        if name in self._running:
            self._running[name].kill()

    def kill_all(self, then: Callable[[], None]) -> None:
        """SIGKILL for all; `then` comes once they have ended."""
        self._gone = then
        for name in (*self._running, *self._starting):
            self.kill(name)
        self._check()
        self._loop.after(_PATIENCE, self._give_up)

    def _started(self, name: str, result: Process | ImagekitError, refused: Callable[[ImagekitError], None]) -> None:
        self._starting.discard(name)
        if isinstance(result, ImagekitError):
            refused(result)
            self._check()
            return
        self._running[name] = result
        if name in self._killed:
            result.kill()
        watch(self._loop, result, lambda code: self._hear(name, code))

    def _hear(self, name: str, code: int) -> None:
        """It has ended; where that was not asked for, what it sent before counts first."""
        if name in self._killed:
            self._over(name, code)
        else:
            self._loop.after(_LAST_WORDS, lambda: self._over(name, code))

    def _over(self, name: str, code: int) -> None:
        process = self._running.pop(name, None)
        if process is not None:
            process.kill()  # what it left behind
            self._ended(name, code)
            self._check()

    def _check(self) -> None:
        if self._gone and not self._running and not self._starting:
            gone, self._gone = self._gone, None
            gone()

    def _give_up(self) -> None:
        if self._gone:
            self._running.clear()
            self._starting.clear()
            self._check()


def said(code: int) -> str:
    """How Lambda writes an exit code; negative ones are signals."""
    return f"signal: {_SIGNALS.get(-code, str(-code))}" if code < 0 else f"exit status {code}"
