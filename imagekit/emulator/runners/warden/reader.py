"""Who reads how much memory a process has to itself, and may be kept waiting by it.

The kernel takes the lock on a process's pages for that. In a crowd who holds it may have lost the processor to a
thousand others, and whoever has to end the crowd would wait for its next turn, seconds away. So others wait, threads of
a process of its own: the stage can have none, as its next process is the sandbox's (clone(2), CLONE_THREAD).
"""

from __future__ import annotations

import _socket
import _thread
import os
import select
import time

from imagekit.emulator.runners.warden import wire

TYPE_CHECKING = False  # importing `typing` would cost a start more than all else here
if TYPE_CHECKING:
    import signal
    from typing import Final
else:
    import _signal as signal

_THREADS: Final = 32
#: Bytes of a question or an answer: one or two numbers.
_MESSAGE: Final = 64


class Reader:
    """Started before the stage is inside; asked from there. It ends with the stage, however that ends."""

    def __init__(self) -> None:
        self._end, end = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)
        self._asked: set[int] = set()
        self._is_told = False
        self._process = os.fork()
        if self._process == 0:
            _serve(end)
        end.close()
        self._poll = select.poll()
        self._poll.register(self._end, select.POLLIN)

    def ask(self, processes: list[int]) -> list[int]:
        """Have these read, by their numbers inside; those that there is no room for are given back."""
        if not self._is_told:
            place = os.open("/proc", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            wire.send(self._end, {}, [place])
            os.close(place)
            self._is_told = True
        left = [one for one in processes if one not in self._asked]
        while left:
            try:
                self._end.send(str(left[-1]).encode(), _socket.MSG_DONTWAIT)
            except BlockingIOError:
                break
            self._asked.add(left.pop())
        return left

    def answers(self, end: float) -> list[tuple[int, int]]:
        """Processes and their bytes, as soon as any are there; none when that takes until `end`."""
        found = []
        wait = max(0.0, end - time.monotonic())
        while self._poll.poll(wait * 1000):
            words = self._end.recv(_MESSAGE).split()
            if not words:
                break  # it was killed
            found.append((int(words[0]), int(words[1])))
            self._asked.discard(found[-1][0])
            wait = 0
        return found

    def close(self) -> None:
        """End it."""
        os.kill(self._process, signal.SIGKILL)
        os.waitpid(self._process, 0)
        self._end.close()


def _serve(end: _socket.socket) -> None:
    """In its process; never returns."""
    try:
        os.closerange(0, end.fileno())
        os.closerange(end.fileno() + 1, os.sysconf("SC_OPEN_MAX"))
        _, (place,) = wire.receive(end)
        for _ in range(_THREADS - 1):
            _thread.start_new_thread(_read, (end, place))
        _read(end, place)
    finally:
        os._exit(0)


def _read(end: _socket.socket, place: int) -> None:
    """One of the threads, until the stage has gone."""
    try:
        while question := end.recv(_MESSAGE):
            end.send(b"%d %d" % (int(question), _proportional(int(question), place)))
    finally:
        os._exit(0)


def _proportional(process: int, place: int) -> int:
    """The proportional set size in bytes (proc_pid_smaps_rollup(5)); 0 for a process that is gone."""
    try:
        file = os.open(f"{process}/smaps_rollup", os.O_RDONLY | os.O_CLOEXEC, dir_fd=place)
        try:
            lines = os.read(file, 4096).splitlines()
        finally:
            os.close(file)
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(b"Pss:")), 0)
