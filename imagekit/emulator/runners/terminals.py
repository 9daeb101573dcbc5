"""Processes in sandboxes that have a terminal of their own, for shells."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import termios
import time
from collections.abc import Callable
from typing import Any, Final, Self

from imagekit.emulator.ports import Process, Start
from imagekit.emulator.runners import refusal, rules

_PIECE: Final = 65536
_LOOK: Final = 0.02
_PATIENCE: Final = 10.0
#: Opening the terminal anew, instead of using a copy of the descriptor, makes it the process's own: Ctrl-C works.
_OWN: Final = ("/bin/sh", "-c", 'exec "$@" </proc/self/fd/1', "sh")


class OwnTerminal:
    """A terminal that is made here; the process writes to its other end."""

    def __init__(self, master: int, process: Process) -> None:
        self._master = master
        self._process = process

    @classmethod
    def started(cls, start: Callable[[Start, int, int], Process], what: Start) -> Self:
        """Start it; raises BuildFailed where there is no /bin/sh, or what `start` raises."""
        master, slave = pty.openpty()
        try:
            words = Start(command=(*_OWN, *what.command), environment=what.environment, directory=what.directory)
            return cls(master, start(words, slave, slave))
        except BaseException:
            os.close(master)
            raise
        finally:
            os.close(slave)

    def fileno(self) -> int:
        """What to wait for until something is to be read."""
        return self._master

    def read(self) -> bytes:
        """What it writes; empty at the end."""
        try:
            return os.read(self._master, _PIECE)
        except OSError:  # how Linux says that nobody has the other side open
            return b""

    def write(self, data: bytes) -> None:
        """What is typed."""
        while data:
            data = data[os.write(self._master, data) :]

    def resize(self, rows: int, columns: int) -> None:
        """How large the screen is."""
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("4H", rows, columns, 0, 0))

    def wait(self, seconds: float | None = None) -> int | None:
        """As a Process has it."""
        return self._process.wait(seconds)

    def close(self) -> None:
        """Let go of it; a process that still runs is told by a hangup."""
        os.close(self._master)


class EnginesTerminal:
    """An `exec` of a Docker engine with a terminal that the engine makes (Docker Engine API, "Exec")."""

    def __init__(self, engine: Any, number: str, given: Any) -> None:
        self._engine = engine
        self._number = number
        self._given = given
        self._socket = getattr(given, "_sock", given)

    @classmethod
    def started(cls, engine: Any, container: str, what: Start) -> Self:
        """Start it in a container; raises BuildFailed."""
        from docker.errors import DockerException

        try:
            made = engine.exec_create(
                container,
                list(what.command),
                environment=dict(what.environment),
                workdir=what.directory or "/",
                user=f"{rules.USER}:{rules.GROUP}",
                stdin=True,
                tty=True,
            )
            terminal = cls(engine, made["Id"], engine.exec_start(made["Id"], tty=True, socket=True))
        except (DockerException, OSError) as error:
            raise refusal.cannot_start(what, str(getattr(error, "explanation", "") or error)) from error
        if words := terminal._refusal():
            terminal.close()
            raise refusal.cannot_start(what, words)
        return terminal

    def _refusal(self) -> str:
        """What the engine writes instead of a process that it could not start; empty when it runs, or ran."""
        end = time.monotonic() + _PATIENCE
        while time.monotonic() < end:
            state = self._engine.exec_inspect(self._number)
            if state["Pid"]:
                return ""
            if not state["Running"] and state["ExitCode"] is not None:
                return self.read().decode("utf-8", "replace").strip()
            time.sleep(_LOOK)
        return ""

    def fileno(self) -> int:
        """What to wait for until something is to be read."""
        return int(self._socket.fileno())

    def read(self) -> bytes:
        """What it writes; empty at the end."""
        try:
            return bytes(self._socket.recv(_PIECE))
        except OSError:
            return b""

    def write(self, data: bytes) -> None:
        """What is typed."""
        self._socket.sendall(data)

    def resize(self, rows: int, columns: int) -> None:
        """How large the screen is."""
        from docker.errors import DockerException

        if rows and columns:  # an engine takes no screen without room
            try:
                self._engine.exec_resize(self._number, height=rows, width=columns)
            except DockerException:
                return  # the process is gone, and with it its terminal

    def wait(self, seconds: float | None = None) -> int | None:
        """As a Process has it."""
        end = None if seconds is None else time.monotonic() + seconds
        while (state := self._engine.exec_inspect(self._number))["Running"]:
            if end is not None and time.monotonic() >= end:
                return None
            time.sleep(_LOOK)
        code: int = state["ExitCode"] or 0
        return 128 - code if 128 < code < 128 + 65 else code

    def close(self) -> None:
        """Let go of it; a process that still runs is told by a hangup."""
        self._given.close()
        self._socket.close()
