"""A stream that is read ahead by a thread of its own: one core inflates while another one writes what came out."""

from __future__ import annotations

import threading
from queue import Empty, Queue
from typing import Final

from imagekit.readable import Readable

#: Large, as with each of them the threads wait for each other's turn.
_PIECE: Final = 1 << 20
#: Pieces that wait at most: the bound on memory.
_WAITING: Final = 16


class ReadAhead:
    """What `raw` gives, in the same order; an error of `raw` is raised where it stands in the stream.

    At most `waiting` pieces of a MiB are held. `close` ends the thread; it does not close `raw`, which nobody else may
    use before.
    """

    def __init__(self, raw: Readable, waiting: int = _WAITING) -> None:
        self._raw = raw
        self._pieces: Queue[bytes | BaseException] = Queue(waiting)
        self._is_wanted = True
        self._rest = b""
        self._at = 0
        self._is_over = False
        self._thread = threading.Thread(target=self._run, name="read ahead", daemon=True)
        self._thread.start()

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes; empty at the end."""
        if self._at == len(self._rest):
            self._rest, self._at = self._next(), 0
        if not self._at and size >= len(self._rest):
            self._at = len(self._rest)
            return self._rest
        piece = self._rest[self._at : self._at + size]
        self._at += len(piece)
        return piece

    def close(self) -> None:
        """End the thread, whatever is left."""
        self._is_wanted = False
        while not self._is_over and self._thread.is_alive():
            try:
                self._pieces.get(timeout=0.01)
            except Empty:
                continue
        self._thread.join()

    def _next(self) -> bytes:
        if self._is_over:
            return b""
        found = self._pieces.get()
        if isinstance(found, BaseException):
            self._is_over = True
            raise found
        self._is_over = not found
        return found

    def _run(self) -> None:
        try:
            while self._is_wanted:
                piece = self._raw.read(_PIECE)
                self._pieces.put(piece)
                if not piece:
                    return
        except BaseException as error:  # whatever it is, it belongs to who reads
            self._pieces.put(error)
