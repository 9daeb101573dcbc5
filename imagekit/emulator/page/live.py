"""Happenings on their way to open pages, as Server-Sent Events (HTML Standard, 9.2).

The emulator is never slowed by who watches it: what happens is kept as it is, turned into text some times a second and
not more than so much of it, and a page that does not read is dropped; its browser connects again.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from imagekit.emulator.connection import Exchange
from imagekit.emulator.happenings import EnvironmentEnded, Happening, InvocationBegun, InvocationEnded, LogLine
from imagekit.emulator.page.history import History, Numbered
from imagekit.emulator.page.records import record

#: Seconds between two messages, and happenings in one; of what exceeds it the oldest are left out.
_PAUSE: Final = 0.1
_MOST: Final = 300
#: Pages at once; the oldest make room.
_MOST_READERS: Final = 8
#: Bytes that wait for a page until it is dropped: more than a whole history has.
_MOST_BEHIND: Final = 8 << 20
_FREQUENT: Final = (LogLine, InvocationBegun, InvocationEnded)


class Live:
    """A Listener that tells pages; `run` tells this emulator from the one before it."""

    def __init__(self, run: str) -> None:
        self._run = run
        self._history = History()
        self._readers: list[Exchange] = []
        self._pending: list[Numbered] = []
        self._planned = False

    @property
    def readers(self) -> int:
        """Pages that are connected."""
        return len(self._readers)

    def heard(self, happening: Happening) -> None:
        """Keep it, and plan to tell it; lines of a log are kept each by itself."""
        if isinstance(happening, LogLine) and "\n" in happening.text:
            for line in happening.text.split("\n"):
                self._keep(replace(happening, text=line))
        else:
            self._keep(happening)

    def _keep(self, happening: Happening) -> None:
        numbered = self._history.add(happening)
        if not self._readers:
            return
        self._pending.append(numbered)
        if isinstance(happening, EnvironmentEnded):
            self._flush()  # it may be the last: the emulator ends
        elif not self._planned:
            self._planned = True
            self._readers[0].after(_PAUSE, self._due)

    def attach(self, exchange: Exchange, last: str) -> None:
        """Tell a page from now on, and first what it has not heard: all, or what came after its last message's id."""
        self._flush()
        if not exchange.is_open:
            return
        while len(self._readers) >= _MOST_READERS:
            self._readers[0].abort()
        missed = self._missed(last)
        exchange.gone = lambda: self._readers.remove(exchange)
        self._readers.append(exchange)
        fields = (("Content-Type", "text/event-stream"), ("Cache-Control", "no-store"))
        exchange.start(200, (*fields, ("X-Content-Type-Options", "nosniff")))
        told = self._history.everything() if missed is None else missed
        exchange.write(b"retry: 1000\n")
        exchange.write(self._message(told, fresh=missed is None))

    def _missed(self, last: str) -> list[Numbered] | None:
        run, _, number = last.rpartition(".")
        known = run == self._run and number.isdecimal() and len(number) < 16
        return self._history.since(int(number)) if known else None

    def _due(self) -> None:
        self._planned = False
        self._flush()

    def _flush(self) -> None:
        pending, self._pending = self._pending, []
        if not pending:
            return
        told = _most_important(pending)
        message = self._message(told, left_out=len(pending) - len(told))
        for reader in tuple(self._readers):
            if reader.backlog > _MOST_BEHIND:
                reader.abort()
            else:
                reader.write(message)

    def _message(self, told: Sequence[Numbered], *, fresh: bool = False, left_out: int = 0) -> bytes:
        """`fresh` begins the page anew; JSON has no line breaks, so one `data` is enough."""
        document = {
            "run": self._run,
            "fresh": fresh,
            "left_out": left_out,
            "happenings": [record(happening) for _, happening in told],
        }
        text = json.dumps(document, separators=(",", ":"))
        return f"id: {self._run}.{self._history.last}\ndata: {text}\n\n".encode()


def _most_important(pending: list[Numbered]) -> list[Numbered]:
    """The last ones, and before them what is rare."""
    if len(pending) <= _MOST:
        return pending
    return [*(item for item in pending[:-_MOST] if not isinstance(item[1], _FREQUENT)), *pending[-_MOST:]]
