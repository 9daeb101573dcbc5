"""The warden from imagekit's side: one small process a runner, which becomes each sandbox's stage by a fork."""

from __future__ import annotations

import fcntl
import os
import socket
import sys
import threading
import weakref
from collections.abc import Sequence
from typing import Final

import imagekit
from imagekit.emulator.runners.warden import wire
from imagekit.errors import Missing

#: Where descriptors are moved before they get the numbers that the program expects, so that none is overwritten.
_ASIDE: Final = 64
_ROOT: Final = os.path.dirname(os.path.dirname(os.path.abspath(imagekit.__file__)))
_PROGRAM: Final = (
    "import sys; sys.path.append(sys.argv[1]); from imagekit.emulator.runners.warden.main import main; main(3)"
)


class Warden:
    """Started where it is first needed, or before by `start`; it ends with this object or with imagekit."""

    def __init__(self) -> None:
        self._end: socket.socket | None = None
        self._lock = threading.Lock()

    def start(self) -> None:
        """Let it start in the background."""
        with self._lock:
            self._started()

    def stage(self, message: wire.Message, descriptors: Sequence[int]) -> socket.socket:
        """A new stage that gets this message and these descriptors; what it says first is yet to be received."""
        ours, theirs = wire.pair()
        try:
            with self._lock:
                try:
                    wire.send(self._started(), message, [theirs.fileno(), *descriptors])
                except OSError:  # something ended it; a new one does as well
                    self._end = None
                    wire.send(self._started(), message, [theirs.fileno(), *descriptors])
        except OSError as error:
            ours.close()
            raise Missing(
                f"the process that makes sandboxes does not run: {error.strerror}",
                hint=f"see whether `{sys.executable} -I -S` starts here",
            ) from error
        finally:
            theirs.close()
        return ours

    def _started(self) -> socket.socket:
        if self._end is None:
            ours, theirs = wire.pair()
            words = (sys.executable, "-I", "-S", "-c", _PROGRAM, _ROOT)
            process = spawn(words, {3: theirs.fileno()})
            theirs.close()
            self._end = ours
            weakref.finalize(self, _end, ours, process)
        return self._end


def spawn(words: Sequence[str], descriptors: dict[int, int]) -> int:
    """Start a program with nothing but these descriptors (number there, number here); stdin and stdout may be left out.

    Its stderr is imagekit's own unless given. Returns the process, which the caller waits for; raises OSError.
    """
    aside = {there: fcntl.fcntl(here, fcntl.F_DUPFD_CLOEXEC, _ASIDE) for there, here in descriptors.items()}
    null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    try:
        moves: list[tuple[int, ...]] = [(os.POSIX_SPAWN_CLOSE, one) for one in _inherited()]
        moves += [(os.POSIX_SPAWN_DUP2, aside.get(there, null), there) for there in sorted({0, 1, *aside})]
        return os.posix_spawn(words[0], list(words), {"LC_ALL": "C.UTF-8"}, file_actions=moves)
    finally:
        for file in (null, *aside.values()):
            os.close(file)


def _inherited() -> list[int]:
    """Descriptors beyond stderr that a program would get, as imagekit's own caller gave them to it."""
    found = []
    for name in os.listdir("/proc/self/fd"):
        try:
            if int(name) > 2 and os.get_inheritable(int(name)):
                found.append(int(name))
        except OSError:
            continue  # the one of the listing itself, or closed meanwhile
    return found


def _end(end: socket.socket, process: int) -> None:
    end.close()
    try:
        os.waitpid(process, 0)
    except ChildProcessError:
        return  # another part of the program waited for all children
