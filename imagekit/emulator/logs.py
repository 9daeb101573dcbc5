"""What a function's processes write: a pipe that they hold, read without waiting, and cut into lines."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Final

from imagekit.emulator.loop import Loop

#: Bytes of one line (CloudWatch Logs: 256 KiB an event); what is longer is cut.
_LARGEST_LINE: Final = 256 << 10
_PIECE: Final = 64 << 10
#: Pieces that are read in a row, before others have their turn.
_IN_A_ROW: Final = 16


class LogPipe:
    """A pipe for stdout and stderr of processes; `line` gets every line, without its end."""

    def __init__(self, loop: Loop, line: Callable[[str], None]) -> None:
        self._loop = loop
        self._line = line
        self._begun = b""
        self._read, self.write_end = os.pipe()
        os.set_blocking(self._read, False)
        loop.read(self._read, self._take)

    def drain(self) -> None:
        """Take all that was written so far, and the line that has no end yet."""
        self._take()
        if self._begun:
            rest, self._begun = self._begun, b""
            self._line(_text(rest))

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
            self._cut(data)

    def _cut(self, data: bytes) -> None:
        *lines, begun = (self._begun + data).split(b"\n")
        for line in lines:
            self._line(_text(line.removesuffix(b"\r")))
        while len(begun) > _LARGEST_LINE:
            self._line(_text(begun[:_LARGEST_LINE]))
            begun = begun[_LARGEST_LINE:]
        self._begun = begun


def _text(line: bytes) -> str:
    return line.decode("utf-8", "replace")
