"""Where imagekit talks: lines on stderr, and below them an area that is drawn again and again on a terminal."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Final, Self, TextIO

#: SGR colours (ECMA-48, 8.3.117).
RED: Final = "31"
YELLOW: Final = "33"
CYAN: Final = "36"
#: What a terminal is taken for that does not say how wide it is.
_WIDTH: Final = 80


class Console:
    """One stream for talk; safe to use from several threads.

    `live` says that it is a terminal that may be drawn on, `coloured` that words may be painted.
    """

    def __init__(self, stream: TextIO, *, live: bool = False, coloured: bool = False) -> None:
        self._stream = stream
        self.live = live
        self.coloured = coloured
        self._rows: tuple[str, ...] = ()
        self._drawn = 0
        self._lock = threading.RLock()

    @classmethod
    def of(cls, stream: TextIO, environment: Mapping[str, str]) -> Self:
        """As the stream and the environment ask for: `NO_COLOR` and `FORCE_COLOR` (no-color.org), `CI`, `TERM`."""
        terminal = stream.isatty() and environment.get("TERM") != "dumb"
        coloured = not environment.get("NO_COLOR") and (terminal or bool(environment.get("FORCE_COLOR")))
        return cls(stream, live=terminal and not environment.get("CI"), coloured=coloured)

    @property
    def width(self) -> int:
        """The columns that a row may take, asked anew as windows change."""
        with suppress(OSError, ValueError):
            return (os.get_terminal_size(self._stream.fileno()).columns or _WIDTH) - 1
        return _WIDTH - 1

    def say(self, text: str, *, word: str = "", colour: str = "") -> None:
        """Print a text as it is, without what a terminal would obey; the first `word` in it is painted."""
        shown = printable(text)
        if self.coloured and colour:
            shown = shown.replace(word, f"\x1b[{colour}m{word}\x1b[0m", 1)
        with self._lock:
            self._write(f"{self._erasure()}{shown}\n{self._area(self._rows)}")

    def draw(self, rows: Sequence[str]) -> None:
        """Put these rows below all lines, in place of those drawn before."""
        with self._lock:
            if self._drawn or rows:
                self._write(f"{self._erasure()}{self._area(tuple(map(printable, rows)))}")

    def _area(self, rows: tuple[str, ...]) -> str:
        """The rows, each cut so that it cannot wrap: what is drawn must be as high as what is erased."""
        width = self.width if rows else 0
        self._rows, self._drawn = rows, len(rows)
        return "".join(f"{row[:width]}\n" for row in rows)

    def _erasure(self) -> str:
        """Up to the first row, then all below it away (ECMA-48, CUU and ED)."""
        return f"\x1b[{self._drawn}A\r\x1b[J" if self._drawn else ""

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()


def printable(text: str) -> str:
    """The text without control characters and marks that turn the writing direction; lines and tabs stay."""
    if text.replace("\n", "").replace("\t", "").isprintable():
        return text  # as nearly always: a mark at a time is too slow for a large log
    return "".join(mark if mark.isprintable() or mark in "\n\t" else "?" for mark in text)
