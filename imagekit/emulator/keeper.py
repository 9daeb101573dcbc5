"""The thread that holds one sandbox: what blocks is done there, and the loop hears of it afterwards."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from socket import socket
from typing import Final, TypeVar

from imagekit.emulator.loop import Loop
from imagekit.emulator.ports import Process, Sandbox, Start
from imagekit.errors import Bug, ImagekitError
from imagekit.values import dataclass

T = TypeVar("T")
_Work = Callable[[], None]
_LAST: Final = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Opened:
    """A sandbox, a socket that listens, and how processes inside reach it."""

    sandbox: Sandbox
    listener: socket
    address: str


class Keeper:
    """Opens a sandbox, works on it in the order of asking, and lives as long as it: processes may be bound to it."""

    def __init__(self, loop: Loop, name: str) -> None:
        self._loop = loop
        self._name = name
        self._work: queue.SimpleQueue[_Work | None] = queue.SimpleQueue()
        self._sandbox: Sandbox | None = None
        threading.Thread(target=self._run, name=name, daemon=True).start()

    def open(self, opener: Callable[[], Sandbox], then: Callable[[Opened | ImagekitError], None]) -> None:
        """Open the sandbox, and listen in it."""

        def work() -> Opened:
            self._sandbox = opener()
            listener, address = self._sandbox.listen()
            return Opened(sandbox=self._sandbox, listener=listener, address=address)

        self.ask(work, then)

    def ask(self, work: Callable[[], T], then: Callable[[T | ImagekitError], None]) -> None:
        """Do it there; its value, or the error it raised, comes back in the loop's thread."""

        def do() -> None:
            result: T | ImagekitError
            try:
                result = work()
            except ImagekitError as error:
                result = error
            except Exception as error:
                result = _bug(error, self._name)
            self._loop.call(lambda: then(result))

        self._work.put(do)

    def start(self, what: Start, output: int, then: Callable[[Process | ImagekitError], None]) -> None:
        """Start a process in the sandbox that writes to this descriptor."""
        sandbox = self._sandbox
        assert sandbox is not None
        self.ask(lambda: sandbox.start(what, output, output), then)

    def close(self, then: Callable[[ImagekitError | None], None]) -> None:
        """Take the sandbox down, and end the thread; the error is why something of it may be left."""

        def work() -> None:
            if self._sandbox is not None:
                self._sandbox.close()

        self.ask(work, then)
        self._work.put(_LAST)

    def _run(self) -> None:
        while (work := self._work.get()) is not _LAST:
            work()


def watch(loop: Loop, process: Process, ended: Callable[[int], None]) -> None:
    """Call in the loop's thread when the process has ended, with its exit code."""

    def wait() -> None:
        code = process.wait()
        loop.call(lambda: ended(code if code is not None else -1))

    threading.Thread(target=wait, name="waits for a process", daemon=True).start()


def _bug(error: Exception, name: str) -> ImagekitError:
    """What no runner should raise, as an error that says so."""
    bug = Bug(f"{name}: {type(error).__name__}: {error}")
    bug.__cause__ = error
    return bug
