"""What a function's processes write: pipes that they hold, read without waiting, and cut into lines."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from imagekit.emulator.loop import Loop

#: Bytes of one line (CloudWatch Logs: 256 KiB an event); what is longer is cut.
_LARGEST_LINE: Final = 256 << 10
_PIECE: Final = 256 << 10
#: Pieces that are read in a row, before others have their turn.
_IN_A_ROW: Final = 4
#: Bytes that a pipe holds, where the system gives so much (pipe(7): any process may ask for 1 MiB).
_PIPE: Final = 1 << 20
#: Lines that came at once and are told of one by one; more are told of together.
_FEW: Final = 16
#: Bytes since the last settling after which a writer may have more on its way.
_MUCH: Final = 16 << 10
#: Seconds without a byte after which nothing is on its way, between two looks, and at most for all of it.
_QUIET: Final = 0.02
_LOOK: Final = 0.005
_LONGEST: Final = 2.0


class LogPipe:
    """A pipe for stdout and stderr of processes; `tell` gets every line without its end, many joined by line feeds."""

    def __init__(self, loop: Loop, tell: Callable[[str], None]) -> None:
        self._loop = loop
        self._tell = tell
        self._begun = bytearray()
        #: Bytes read so far.
        self.taken = 0
        self._read, self.write_end = os.pipe()
        with suppress(OSError):  # the user's pipes hold as much as the system allows already: a smaller one is slower
            fcntl.fcntl(self.write_end, fcntl.F_SETPIPE_SZ, _PIPE)
        os.set_blocking(self._read, False)
        loop.read(self._read, self._take)

    def take(self) -> None:
        """Take what was written so far."""
        if self._read >= 0:
            self._take()

    def drain(self) -> None:
        """Take all that was written so far, and the line that has no end yet."""
        self.take()
        if self._begun:
            rest = bytes(self._begun)
            self._begun.clear()
            self._tell(_text(rest))

    def close(self) -> None:
        """Give both ends back; a second call does nothing."""
        if self._read >= 0:
            self.drain()
            self._loop.forget(self._read)
            os.close(self._read)
            os.close(self.write_end)
            self._read = -1

    def _take(self) -> None:
        for _ in range(_IN_A_ROW):
            try:
                data = os.read(self._read, _PIECE)
            except BlockingIOError:
                return
            self.taken += len(data)
            self._cut(data)

    def _cut(self, data: bytes) -> None:
        """Only what is new is searched: a long line that comes in small pieces costs no more than others."""
        end = data.rfind(b"\n") + 1
        if end:
            whole = bytes(self._begun) + data[:end]
            self._begun[:] = data[end:]
            self._lines(whole)
        else:
            self._begun += data
        while len(self._begun) > _LARGEST_LINE:
            self._tell(_text(bytes(self._begun[:_LARGEST_LINE])))
            del self._begun[:_LARGEST_LINE]

    def _lines(self, whole: bytes) -> None:
        text = _text(whole).replace("\r\n", "\n").removesuffix("\n")
        if text.count("\n") > _FEW:
            self._tell(text)
            return
        for line in text.split("\n"):
            self._tell(line)


class Logs:
    """The pipes of one environment: the function's and its extensions'."""

    def __init__(self, loop: Loop, line: Callable[[str, str], None]) -> None:
        self._loop = loop
        self.function = LogPipe(loop, lambda text: line("function", text))
        self.extensions = LogPipe(loop, lambda text: line("extension", text))
        self._settled = 0

    def drain(self) -> None:
        """Take all that was written so far."""
        self.function.drain()
        self.extensions.drain()

    def settle(self, then: Callable[[], None], *, always: bool = False) -> None:
        """Drain them, and wait until nothing more comes where much came lately, or `always`; `then` comes at last.

        Who wrote much may hold more than a pipe takes, as a runtime client does that relays its worker's stderr. It is
        waited for until it pauses, at most 2 seconds.
        """
        self.function.take()
        self.extensions.take()
        if always or self._taken - self._settled >= _MUCH:
            now = self._loop.now()
            self._wait(then, self._taken, now, now + _LONGEST)
        else:
            self._finish(then)

    def close(self) -> None:
        """Give all ends back; a second call does nothing."""
        self.function.close()
        self.extensions.close()

    @property
    def _taken(self) -> int:
        return self.function.taken + self.extensions.taken

    def _wait(self, then: Callable[[], None], seen: int, since: float, end: float) -> None:
        self.function.take()
        self.extensions.take()
        now = self._loop.now()
        taken = self._taken
        if taken != seen:
            since = now
        if now >= end or now - since >= _QUIET:
            self._finish(then)
        else:
            self._loop.after(_LOOK, lambda: self._wait(then, taken, since, end))

    def _finish(self, then: Callable[[], None]) -> None:
        self.drain()
        self._settled = self._taken
        then()


def _text(line: bytes) -> str:
    return line.decode("utf-8", "replace")
